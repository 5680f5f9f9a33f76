package promtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Labels are the labels of a series or a target.
type Labels map[string]string

// Exporter plays any number of pods. Each is a target of its own with its own
// path, found through service discovery.
type Exporter struct {
	address string

	mu   sync.Mutex
	pods []*Pod // in the order they were made, without removed ones
	made int
	seen map[*Pod]map[string]int // scrapes that have begun, by scraper
}

// NewExporter serves until the end of the test.
func NewExporter(t testing.TB) *Exporter {
	e := &Exporter{seen: map[*Pod]map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /targets", e.serveTargets)
	mux.HandleFunc("GET /pods/{number}/{name}/metrics", e.servePod)
	mux.HandleFunc("GET /pods", e.serveAll)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	e.address = strings.TrimPrefix(server.URL, "http://")
	return e
}

// Pod makes a pod. It is in the namespace "default" unless a label says
// otherwise; the other labels are put on all its series, as those that service
// discovery copies from Kubernetes. A pod without any metric answers scrapes
// with nothing.
func (e *Exporter) Pod(name string, labels ...Labels) *Pod {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.made++
	p := &Pod{
		Name: name, Namespace: "default", exporter: e,
		path:     fmt.Sprintf("/pods/%d/%s/metrics", e.made, name),
		instance: fmt.Sprintf("10.0.%d.%d:8080", e.made/250, e.made%250+1),
		labels:   Labels{},
	}
	for _, some := range labels {
		maps.Copy(p.labels, some)
	}
	if namespace, ok := p.labels["namespace"]; ok {
		p.Namespace = namespace
		delete(p.labels, "namespace")
	}
	e.pods = append(e.pods, p)
	e.seen[p] = map[string]int{}
	return p
}

// list returns the pods there are.
func (e *Exporter) list() []*Pod {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*Pod(nil), e.pods...)
}

func (e *Exporter) remove(p *Pod) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, other := range e.pods {
		if other == p {
			e.pods = append(e.pods[:i:i], e.pods[i+1:]...)
			return
		}
	}
}

// scrapes returns how many scrapes of the pod this scraper has begun.
func (e *Exporter) scrapes(p *Pod, scraper string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen[p][scraper]
}

func (e *Exporter) begun(p *Pod, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[p][r.FormValue("scraper")]++
}

// serveTargets answers as Prometheus' HTTP service discovery wants it.
func (e *Exporter) serveTargets(w http.ResponseWriter, _ *http.Request) {
	type group struct {
		Targets []string `json:"targets"`
		Labels  Labels   `json:"labels"`
	}
	groups := []group{}
	for _, p := range e.list() {
		labels := Labels{
			"__metrics_path__": p.path,
			"__meta_pod":       p.Name,
			"__meta_namespace": p.Namespace,
			"instance":         p.instance,
		}
		for name, value := range p.labels {
			labels["__meta_label_"+name] = value
		}
		groups = append(groups, group{[]string{e.address}, labels})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(groups)
}

// servePod is the pod's own metrics. The labels of the target are none of its
// business.
func (e *Exporter) servePod(w http.ResponseWriter, r *http.Request) {
	for _, p := range e.list() {
		if p.path != r.URL.Path {
			continue
		}
		e.begun(p, r)
		if p.isDown() {
			break
		}
		expose(w, r, []source{{pod: p}})
		return
	}
	http.Error(w, "there is no such pod, or it is down", http.StatusServiceUnavailable)
}

// serveAll is the metrics of all pods with their labels, for an Instant job.
func (e *Exporter) serveAll(w http.ResponseWriter, r *http.Request) {
	job := instantJob(r.URL.Query())
	var sources []source
	for _, p := range e.list() {
		e.begun(p, r)
		labels := maps.Clone(p.labels)
		labels["instance"] = p.instance
		if name := job.podLabel(); name != "" {
			labels[name] = p.Name
		}
		if name := job.namespaceLabel(); name != "" {
			labels[name] = p.Namespace
		}
		sources = append(sources, source{pod: p, labels: labels, up: true})
	}
	expose(w, r, sources)
}

// AwaitScrapes returns when each job of the server that covers the pods has
// read each of them n times from now on, and what it read can be queried.
func (s *Server) AwaitScrapes(n int, pods ...*Pod) {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	type reader struct {
		pod     *Pod
		scraper string
	}
	before := map[reader]int{}
	for _, p := range pods {
		covered := len(before)
		for _, j := range s.options.Jobs {
			if j.Exporter == p.exporter {
				before[reader{p, s.scraper(j)}] = p.exporter.scrapes(p, s.scraper(j))
			}
		}
		if len(before) == covered {
			s.t.Fatalf("no job of this server scrapes %s", p.Name)
		}
	}
	for r, count := range before {
		// A scrape is stored when the same target's next one begins.
		for r.pod.exporter.scrapes(r.pod, r.scraper) < count+n+1 {
			if time.Now().After(deadline) {
				s.t.Fatalf("%s was scraped %d times in a minute, want %d", r.pod.Name, r.pod.exporter.scrapes(r.pod, r.scraper)-count, n+1)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}
