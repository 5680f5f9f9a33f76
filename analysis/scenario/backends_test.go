//go:build prometheus

package scenario_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/analysis/prometheus"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// calm is the timing of servers that show a sample only a second or two after it was scraped.
var calm = analysis.Timing{Settle: 3 * time.Second, Window: 9 * time.Second, Interval: 1500 * time.Millisecond, MaxOutage: 6 * time.Second}

// backends are servers that know of the same pods: a Prometheus, a Thanos in front of it, and a VictoriaMetrics.
type backends struct {
	*rig
	clients map[string]*prometheus.Client
	urls    map[string]string
}

func newBackends(t *testing.T) *backends {
	e := promtest.NewExporter(t)
	o := promtest.Options{
		ScrapeInterval: scrape, ExternalLabels: promtest.Labels{"cluster": "a"},
		Jobs: []promtest.Job{{Name: "pods", Exporter: e, Instant: true}},
	}
	for _, b := range promtest.Servers(t) {
		o.Binary = b // the newest
	}
	p := promtest.Start(t, o)
	victoria := promtest.StartVictoriaMetrics(t, o)
	thanos := promtest.StartThanos(t, p)
	first := e.Pod("canary")
	p.AwaitScrapes(1, first)
	victoria.AwaitScrapes(1, first)
	b := &backends{rig: &rig{server: p, pods: e}, clients: map[string]*prometheus.Client{}}
	b.urls = map[string]string{"Prometheus": p.URL, "Thanos": thanos.URL, "VictoriaMetrics": victoria.URL}
	for name, url := range b.urls {
		b.clients[name] = connect(t, url, 5*time.Second)
	}
	return b
}

// each runs a session against every server at the same time.
func (b *backends) each(t *testing.T, s analysis.Session, judge func(t *testing.T, backend string, r analysis.Result)) {
	t.Helper()
	results := map[string]analysis.Result{}
	var mu sync.Mutex
	var running sync.WaitGroup
	for name, client := range b.clients {
		one := s
		one.Querier = client
		running.Go(func() {
			began := time.Now()
			all := one.Run(t.Context())
			one.Plot(t.Context(), all, began)
			mu.Lock()
			defer mu.Unlock()
			results[name] = all[0]
		})
	}
	running.Wait()
	for name, r := range results {
		t.Run(name, func(t *testing.T) { judge(t, name, r) })
	}
}

// value is a criterion about a value.
func value(query, limit string) string {
	return "\n- name: value\n  query: '" + query + "'\n  " + limit + "\n"
}

const slowRequests = `
- name: slow
  slow: {histogram: http_request_duration_seconds, over: 500ms}
  max: 5%
`

// TestBackends: the same data lead to the same verdicts, whoever keeps them.
func TestBackends(t *testing.T) {
	t.Parallel()
	b := newBackends(t)
	queue := func(length float64) func(*app) {
		return func(a *app) { a.young("a").Gauge("queue_length", nil).Set(length) }
	}
	for name, tt := range map[string]struct {
		release  func(a *app)
		criteria string
		want     analysis.Verdict
		reason   string
	}{
		"healthy": {func(a *app) {
			for _, id := range []string{"a", "b"} {
				p := a.young(id)
				p.Rate(requests, good, 300)
				p.Counter(requests, bad).Add(1)
			}
		}, errorRatio, pass, "2 of "},
		"errors": {func(a *app) { a.young("a").Rate(requests, bad, 50) }, errorRatio, fail, "evidence enough"},
		"burst": {func(a *app) { // before the first scrape
			for _, id := range []string{"a", "b"} {
				p := a.young(id)
				p.Counter(requests, bad).Add(100)
				p.Rate(requests, good, 50)
			}
		}, errorRatio, fail, "200 of "},
		"no traffic": {func(a *app) {
			p := a.young("a")
			p.Counter(requests, good)
			p.Counter(requests, bad)
		}, errorRatio, inconclusive, "no events"},
		"restart": {func(a *app) { // a counter that begins anew
			p := a.young("a")
			p.Rate(requests, good, 200)
			p.Counter(requests, bad).Add(60)
			after(a.t, 6*time.Second, p.Restart)
		}, errorRatio, fail, "60 of "},
		"vanish": {func(a *app) {
			p := a.young("a")
			p.Rate(requests, good, 1000)
			after(a.t, 5*time.Second, p.Down)
		}, errorRatio, inconclusive, "no series of the new pods matched"},
		"old pods": {func(a *app) {
			old := a.veteran("a")
			old.Rate(requests, bad, 300)
			a.young("a").Rate(requests, good, 300)
			after(a.t, 5*time.Second, func() { a.gone(old) })
		}, errorRatio, pass, "0 of "},
		"slow": {func(a *app) {
			h := a.young("a").Histogram("http_request_duration_seconds", nil, []float64{0.1, 0.5, 1})
			for i := range 60 { // what a pod serves before it has settled does not count
				after(a.t, time.Duration(i)*200*time.Millisecond, func() {
					for range 20 {
						h.Observe(0.8)
						h.Observe(0.05)
					}
				})
			}
		}, slowRequests, fail, "evidence enough"},
		"value":          {queue(3), value(`max(queue_length{namespace="${namespace}"})`, "max: 10"), pass, "3 (limit <= 10)"},
		"value, breach":  {queue(30), value(`max(queue_length{namespace="${namespace}"})`, "max: 10"), fail, "30 (limit <= 10) for 2"},
		"value, equal":   {queue(3), value(`sum(queue_length{namespace="${namespace}"})`, "equal: 3"), pass, "3 (limit == 3)"},
		"no such metric": {queue(3), value(`max(queue_width{namespace="${namespace}"})`, "max: 10"), inconclusive, "no series matched"},
		"divided by 0":   {queue(3), value(`max(queue_length{namespace="${namespace}"}) / 0`, "max: 10"), fail, "+Inf"},
		"0 by 0":         {queue(0), value(`max(queue_length{namespace="${namespace}"}) / 0`, "max: 10"), inconclusive, "too little data"},
		"two series": {func(a *app) {
			a.young("a").Gauge("queue_length", nil).Set(1)
			a.young("b").Gauge("queue_length", nil).Set(1)
		}, value(`queue_length{namespace="${namespace}"}`, "max: 10"), failed, "2 series that differ in"},
		"many to many": {func(a *app) {
			a.young("a").Gauge("queue_length", nil).Set(1)
			a.young("b").Gauge("queue_length", nil).Set(1)
		}, value(`sum(queue_length{namespace="${namespace}"} * on (namespace) queue_length{namespace="${namespace}"})`, "max: 10"), failed, "rejected: "},
		"gone": {func(a *app) { // a series that ends is not its last value
			p := a.young("a")
			p.Gauge("queue_length", nil).Set(3)
			after(a.t, 5*time.Second, func() { p.Forget("queue_length") })
		}, value(`max(queue_length{namespace="${namespace}"})`, "max: 10"), inconclusive, ""},
		"a rate": {func(a *app) { a.young("a").Rate("orders_total", nil, 100) },
			value(`sum(rate(orders_total{namespace="${namespace}"}[5s]))`, "min: 50"), pass, "(limit >= 50)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := b.app(t, "backends-"+strings.NewReplacer(" ", "-", ",", "").Replace(name), nil)
			tt.release(a)
			b.each(t, a.session(tt.criteria, calm), func(t *testing.T, backend string, r analysis.Result) {
				wants(t, r, tt.want, tt.reason)
				if tt.want == pass && len(r.Plot) < 3 {
					t.Errorf("the course of its value is %+v", r.Plot)
				}
			})
		})
	}
	t.Run("preflight", func(t *testing.T) {
		t.Parallel()
		b.preflight(t)
	})
	t.Run("faults", func(t *testing.T) {
		t.Parallel()
		b.faults(t)
	})
	t.Run("metricsql", func(t *testing.T) {
		t.Parallel()
		a := b.app(t, "metricsql", nil)
		a.young("a").Rate("orders_total", nil, 100)
		s := a.session("\n- name: orders\n  query: 'sum(rate(orders_total{namespace=\"${namespace}\"})) default 0'\n  dialect: metricsql\n  min: 50\n", calm)
		for backend, want := range map[string]analysis.Verdict{"VictoriaMetrics": pass, "Prometheus": failed} {
			s.Querier = b.clients[backend]
			wants(t, a.one(s), want, "")
		}
	})
}

// faults puts faults between a healthy release and its judge, for a clock that is wrong and all ways in which a server says
// that it knows less than was asked.
func (b *backends) faults(t *testing.T) {
	for _, backend := range []string{"Thanos", "VictoriaMetrics"} {
		server := *b.server
		server.URL = b.urls[backend]
		r := &rig{server: &server, pods: b.pods}
		a := r.app(t, "faults-"+strings.ToLower(backend), nil)
		p := a.young("a")
		p.Rate(requests, good, 500)
		p.Gauge("queue_length", nil).Set(3)
		b.server.AwaitScrapes(12, p)
		for _, f := range promtest.Faults() {
			switch f.Name {
			case "clock 10 min ahead", "clock 10 min behind", "isPartial", "warnings", "429 with Retry-After", "503 timeout", "empty vector", "two series":
				t.Run(backend+", "+f.Name, func(t *testing.T) {
					t.Parallel()
					faulty(t, a, f, forever)
				})
			}
		}
	}
}

// What the preflight finds out of a server: a clock that is right, how often it scrapes, how late it shows that, and which
// label names the pods.
func (b *backends) preflight(t *testing.T) {
	a := b.app(t, "backends-preflight", nil)
	old := a.veteran("a")
	serve(old, 500, 0.001)
	b.server.AwaitScrapes(40, old)
	s := a.session(errorRatio, calm)
	for backend, client := range b.clients {
		s.Querier = client
		f := a.known(s)
		// Of what is shown late only a part is counted: scrapes seem rarer then, which makes for more patience, not less.
		if f.Skew.Abs() > 2*time.Second || f.Lag > 6*time.Second || f.Scrape < scrape/2 || f.Scrape > 5*scrape {
			t.Errorf("%s: clock %s, scrape %s, lag %s", backend, f.Skew, f.Scrape, f.Lag)
		}
		c := f.Criteria[0]
		if c.State != analysis.OK || c.Naming != (analysis.Naming{Pod: "pod", Namespace: "namespace"}) {
			t.Errorf("%s: %+v", backend, c)
		}
		t.Logf("%s: %q, clock %s, scrape %s, lag %s", backend, f.Backend, f.Skew, f.Scrape, f.Lag)
		if backend == "VictoriaMetrics" && f.Backend != backend {
			t.Errorf("%s is called %q", backend, f.Backend)
		}
		never := a.session(value(`max(backend_never)`, "max: 1"), calm)
		never.Querier = client
		empty := a.preflight(never)
		if problem := empty.Criteria[0].Problem; !strings.Contains(problem, "the metric backend_never was not there") {
			t.Errorf("%s: %s", backend, problem)
		}
	}
}

// TestPartialAnswers: when one of the servers behind a Thanos is away, what the other one knows is no answer, unless that was
// said to be enough.
func TestPartialAnswers(t *testing.T) {
	t.Parallel()
	e := promtest.NewExporter(t)
	var servers []*promtest.Server
	for _, cluster := range []string{"a", "b"} {
		o := promtest.Options{
			ScrapeInterval: scrape, ExternalLabels: promtest.Labels{"cluster": cluster},
			Jobs: []promtest.Job{{Name: "pods", Exporter: e, Instant: true}},
		}
		for _, b := range promtest.Servers(t) {
			o.Binary = b
		}
		servers = append(servers, promtest.Start(t, o))
	}
	thanos := promtest.StartThanos(t, servers...)
	r := &rig{server: servers[0], pods: e, client: connect(t, thanos.URL, 3*time.Second)}
	a := r.app(t, "partial", nil)
	p := a.young("a")
	p.Gauge("queue_length", nil).Set(3)
	for _, s := range servers {
		s.AwaitScrapes(2, p)
	}
	s := a.session(value(`max(queue_length{namespace="${namespace}"})`, "max: 10"), analysis.Timing{Window: 4 * time.Second, Interval: time.Second, MaxOutage: 10 * time.Second})
	wants(t, a.one(s), pass, "3 (limit <= 10)")
	thanos.Lose(1)
	wants(t, a.one(s), failed, "unreachable: ")
	accepting, err := prometheus.New(prometheus.Config{URL: thanos.URL, Timeout: 3 * time.Second, AllowPartial: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(accepting.Close)
	s.Querier = accepting
	wants(t, a.one(s), pass, "3 (limit <= 10)")
}
