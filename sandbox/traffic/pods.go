package traffic

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// pod is the part of a Pod that matters here; the API's JSON decodes into it.
type pod struct {
	Metadata struct {
		Name        string
		Namespace   string
		UID         string
		Labels      map[string]string
		Annotations map[string]string
	}
	Spec struct {
		NodeName string
	}
	Status struct {
		Phase             string
		PodIP             string
		Conditions        []struct{ Type, Status string }
		ContainerStatuses []struct{ RestartCount int }
	}
}

func (p *pod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

func (p *pod) restarts() int {
	sum := 0
	for _, c := range p.Status.ContainerStatuses {
		sum += c.RestartCount
	}
	return sum
}

// source is one pod with its counters.
type source struct {
	pod      pod
	labels   string // rendered once: they do not change
	profile  Profile
	restarts int
	counters Counters
}

// sources are all pods that have an address. Safe for concurrent use.
type sources struct {
	mu    sync.Mutex
	byUID map[string]*source
}

// set notes a pod's present state; one without an address is not known yet.
func (s *sources) set(p pod, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.byUID[p.Metadata.UID]
	if known == nil {
		if p.Status.PodIP == "" {
			return
		}
		if s.byUID == nil {
			s.byUID = map[string]*source{}
		}
		known = &source{labels: labels(p), profile: profile(p.Metadata.Annotations)}
		s.byUID[p.Metadata.UID] = known
	}
	known.pod = p
	if restarts := p.restarts(); restarts != known.restarts {
		known.restarts, known.counters = restarts, Counters{}
	}
	known.counters.Ready(p.ready(), now)
}

func (s *sources) remove(p pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byUID, p.Metadata.UID)
}

// replace is for a fresh list: what is not in it is gone.
func (s *sources) replace(pods []pod, now time.Time) {
	listed := map[string]bool{}
	for _, p := range pods {
		s.set(p, now)
		listed[p.Metadata.UID] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.byUID, func(uid string, _ *source) bool { return !listed[uid] })
}

// labels gives a pod's series what a ServiceMonitor would: where they come
// from, and the labels of the pod.
func labels(p pod) string {
	service := p.Metadata.Labels["app.kubernetes.io/name"]
	if service == "" {
		service = p.Metadata.Labels["app"]
	}
	all := map[string]string{}
	for key, value := range p.Metadata.Labels {
		all[labelName(key)] = value
	}
	maps.Copy(all, map[string]string{
		"namespace": p.Metadata.Namespace, "pod": p.Metadata.Name, "node": p.Spec.NodeName,
		"instance": p.Status.PodIP + ":8080", "job": service, "service": service,
	})
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if all[key] != "" {
			fmt.Fprintf(&text, "%s=%q,", key, all[key])
		}
	}
	return text.String()
}

// labelName replaces what Prometheus does not allow in a label's name, as its
// own service discovery does.
func labelName(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
}

// write renders the metrics of all pods of a node in the text format. A pod
// that is not running has no process that could answer a scrape.
func (s *sources) write(w io.Writer, node string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var here []*source
	for _, source := range s.byUID {
		if source.pod.Spec.NodeName == node && source.pod.Status.Phase == "Running" {
			here = append(here, source)
		}
	}
	fmt.Fprintln(w, "# HELP http_requests_total Requests answered, by status code.\n# TYPE http_requests_total counter")
	for _, source := range here {
		served := source.counters.Served(now)
		fmt.Fprintf(w, "http_requests_total{%scode=\"200\"} %g\n", source.labels, source.profile.Good(served))
		fmt.Fprintf(w, "http_requests_total{%scode=\"500\"} %g\n", source.labels, source.profile.Bad(served))
	}
	fmt.Fprintln(w, "# HELP http_request_duration_seconds Time to answer a request.\n# TYPE http_request_duration_seconds histogram")
	for _, source := range here {
		const name = "http_request_duration_seconds"
		total := floor(source.profile.Rate * source.counters.Served(now).Seconds())
		for _, bound := range buckets {
			fmt.Fprintf(w, "%s_bucket{%sle=\"%g\"} %g\n", name, source.labels, bound, floor(total*source.profile.within(bound)))
		}
		bare := strings.TrimSuffix(source.labels, ",")
		fmt.Fprintf(w, "%s_bucket{%sle=\"+Inf\"} %g\n", name, source.labels, total)
		fmt.Fprintf(w, "%s_sum{%s} %g\n%s_count{%s} %g\n", name, bare, total*source.profile.Latency.Seconds(), name, bare, total)
	}
}
