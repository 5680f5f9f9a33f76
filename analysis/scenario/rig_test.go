//go:build prometheus

// Package scenario_test runs whole sessions against real servers: what a team would see when its rollout goes one way or
// the other, or when Prometheus does.
package scenario_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/analysis/prometheus"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// TestMain lets more tests run at once than there are processors: most of their time they wait for the next look.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "400"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// scrape is the scrape interval of the servers.
const scrape = 300 * time.Millisecond

// short is the timing of most scenarios: six looks in four seconds.
var short = analysis.Timing{Window: 4 * time.Second, Interval: 800 * time.Millisecond, MaxOutage: 3 * time.Second}

// rig is one server, and the pods that it scrapes. Each scenario has a namespace of its own in it.
type rig struct {
	server *promtest.Server
	client *prometheus.Client
	// pods are scraped as the Prometheus Operator would, gateway without a label for the pod, renamed with one of an
	// older convention, and pair by two servers of which one cannot be told from the other but by a label.
	pods, gateway, renamed, pair *promtest.Exporter
}

func newRig(t *testing.T, start promtest.Starter) *rig {
	r := &rig{pods: promtest.NewExporter(t), gateway: promtest.NewExporter(t), renamed: promtest.NewExporter(t), pair: promtest.NewExporter(t)}
	replica := func(name string) promtest.Job {
		return promtest.Job{Name: name, Exporter: r.pair, Instant: true, Labels: promtest.Labels{"job": "pair", "prometheus_replica": name}}
	}
	r.server = start(t, promtest.Options{ScrapeInterval: scrape, Jobs: []promtest.Job{
		{Name: "pods", Exporter: r.pods, Instant: true},
		{Name: "gateway", Exporter: r.gateway, Instant: true, PodLabel: promtest.NoLabel},
		{Name: "renamed", Exporter: r.renamed, Instant: true, PodLabel: "kubernetes_pod_name", NamespaceLabel: "kubernetes_namespace"},
		replica("a"), replica("b"),
	}})
	r.client = connect(t, r.server.URL, 5*time.Second)
	var first []*promtest.Pod // a server takes some seconds to find what it is to scrape
	for _, e := range []*promtest.Exporter{r.pods, r.gateway, r.renamed, r.pair} {
		first = append(first, e.Pod("canary"))
	}
	r.server.AwaitScrapes(1, first...)
	return r
}

func connect(t *testing.T, url string, timeout time.Duration) *prometheus.Client {
	t.Helper()
	client, err := prometheus.New(prometheus.Config{URL: url, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// criteria reads a list of criteria as it stands in a configuration file.
func criteria(t *testing.T, text string) []analysis.Criterion {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte("criteria:\n"+strings.ReplaceAll(text, "\t", "  ")), &node); err != nil {
		t.Fatal(err)
	}
	spec, err := analysis.ParseSpec("criteria.yaml", &node)
	if err != nil {
		t.Fatal(err)
	}
	out, err := spec.Compile(analysis.Vars{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// errorRatio is the criterion of most scenarios. A verdict takes 300 events.
const errorRatio = `
- name: errors
  ratio: {bad: 'http_requests_total{code=~"5.."}', total: http_requests_total}
  max: 1%
`

// app is one workload with the pods of two versions.
type app struct {
	t         *testing.T
	rig       *rig
	exporter  *promtest.Exporter
	namespace string

	mu    sync.Mutex
	crowd analysis.Pods
}

// app makes a workload in a namespace of its own, scraped by the job of that exporter; nil: that of most pods.
func (r *rig) app(t *testing.T, namespace string, exporter *promtest.Exporter) *app {
	if exporter == nil {
		exporter = r.pods
	}
	return &app{t: t, rig: r, exporter: exporter, namespace: namespace}
}

// pod makes a pod that runs, is scraped, and is not known to the session.
func (a *app) pod(version, id string) *promtest.Pod {
	return a.exporter.Pod(a.namespace+"-"+version+"-"+id, promtest.Labels{"namespace": a.namespace})
}

// young makes a pod of the new version, ready from now on.
func (a *app) young(id string) *promtest.Pod {
	p := a.pod("new", id)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.crowd.New = append(a.crowd.New, analysis.Pod{Name: p.Name, Ready: time.Now()})
	return p
}

// veteran makes a pod of the version before.
func (a *app) veteran(id string) *promtest.Pod {
	p := a.pod("old", id)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.crowd.Old = append(a.crowd.Old, analysis.Pod{Name: p.Name, Ready: time.Now().Add(-time.Hour)})
	return p
}

func (a *app) pods() analysis.Pods {
	a.mu.Lock()
	defer a.mu.Unlock()
	return analysis.Pods{New: append([]analysis.Pod(nil), a.crowd.New...), Old: append([]analysis.Pod(nil), a.crowd.Old...)}
}

// gone takes the old pods away.
func (a *app) gone(pods ...*promtest.Pod) {
	for _, p := range pods {
		p.Remove()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.crowd.Old = nil
}

// session asks about the workload. It knows the scrape interval, and nothing else yet.
func (a *app) session(text string, timing analysis.Timing) analysis.Session {
	began := time.Now()
	return analysis.Session{
		Querier: a.rig.client, Criteria: criteria(a.t, text), Timing: timing, Facts: analysis.Facts{Scrape: scrape},
		Pods: a.pods, AllPods: a.namespace + "-(new|old)-.+",
		Vars: func() analysis.Vars { return analysis.Vars{Namespace: a.namespace, RolloutStart: began} },
	}
}

// preflight asks about the running version, which is all there is then.
func (a *app) preflight(s analysis.Session) analysis.Facts {
	a.t.Helper()
	facts, err := s.Preflight(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return facts
}

// known is preflight for a version that runs and is scraped. On a busy machine a scrape or a query may fail in that very
// moment.
func (a *app) known(s analysis.Session) analysis.Facts {
	a.t.Helper()
	for range 5 {
		facts := a.preflight(s)
		if !slices.ContainsFunc(facts.Criteria, func(c analysis.CriterionFacts) bool {
			return c.State == analysis.NoData || strings.Contains(c.Problem, "unreachable")
		}) {
			return facts
		}
		time.Sleep(2 * scrape)
	}
	return a.preflight(s)
}

// one runs a session with one criterion.
func (a *app) one(s analysis.Session) analysis.Result {
	a.t.Helper()
	return s.Run(a.t.Context())[0]
}

// wants checks a verdict and words of its reason.
func wants(t *testing.T, r analysis.Result, verdict analysis.Verdict, reason string) {
	t.Helper()
	if r.Verdict != verdict || !strings.Contains(r.Reason, reason) {
		t.Errorf("got %s (%s), want %s (%s); %s", r.Verdict, r.Reason, verdict, reason, course(r))
	}
}

// course is what was measured, for a test that failed.
func course(r analysis.Result) string {
	var b strings.Builder
	for _, p := range r.Series {
		b.WriteString("\n  " + p.Time.Format("05.000 ") + string(p.State) + " ")
		if p.Value != nil {
			b.WriteString(analysis.None.Format(float64(*p.Value)) + " ")
		}
		b.WriteString(analysis.None.Format(p.Bad) + "/" + analysis.None.Format(p.Events) + " evidence " + analysis.None.Format(float64(p.Evidence)) + " " + p.Note)
	}
	return b.String()
}

// good and bad are the labels of requests.
var (
	good = promtest.Labels{"code": "200"}
	bad  = promtest.Labels{"code": "500"}
)

const requests = "http_requests_total"

// after runs something in the background at that time, and waits for it at the end of the test.
func after(t *testing.T, d time.Duration, do func()) {
	done := make(chan struct{})
	timer := time.AfterFunc(d, func() { defer close(done); do() })
	t.Cleanup(func() {
		if !timer.Stop() {
			<-done
		}
	})
}

// about says whether a number is as expected, within a share of it.
func about(got, want, share float64) bool { return got >= want*(1-share) && got <= want*(1+share) }
