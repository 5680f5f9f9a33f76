//go:build prometheus

package scenario_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

func preflight(t *testing.T, r *rig) {
	a := r.app(t, "preflight", nil)
	old := a.veteran("a")
	serve(old, 500, 0.001)
	r.server.AwaitScrapes(19, old) // what is younger than five seconds seems to be scraped less often
	s := a.session(errorRatio+"\n- name: up\n  query: min(up)\n  scope: new\n  min: 1\n", short)
	f := a.known(s)
	if !about(f.Scrape.Seconds(), scrape.Seconds(), 0.51) || f.Lag != 0 || f.Skew != 0 || r.server.Binary.Major == 2 && !strings.HasPrefix(f.Backend, "Prometheus 2.") {
		t.Errorf("the facts are %+v", f)
	}
	for _, c := range f.Criteria {
		if c.State != analysis.OK || c.Gateway || c.Native || c.Naming != (analysis.Naming{Pod: "pod", Namespace: "namespace"}) || c.Before == nil || len(c.Notes) > 0 {
			t.Errorf("got %+v", c)
		}
	}
	if err := f.Refusal(s.Criteria, s.Timing, false); err != nil {
		t.Errorf("refused: %v", err)
	}
}

func preflightTrouble(t *testing.T, r *rig) {
	a := r.app(t, "trouble", nil)
	old := a.veteran("a")
	serve(old, 500, 0.2)
	old.Gauge("queue_length", nil).Set(7)
	r.server.AwaitScrapes(8, old)
	s := a.session(errorRatio+"\n- name: queue\n  query: queue_length\n  scope: new\n  max: 5\n- name: wrong\n  query: sum(queue_length * on () group_left up)\n  max: 5\n", short)
	s.Criteria = append(s.Criteria, criteria(t, "\n- name: reported\n  query: max(queue_length)\n  max: 1\n  enforce: false\n")...)
	err := a.known(s).Refusal(s.Criteria, s.Timing, true)
	if err == nil {
		t.Fatal("not refused")
	}
	for _, words := range []string{`"errors" does not hold for the running version: `, "against <= 1%", `"queue" does not hold`, "7 against <= 5", `"wrong" cannot be asked: rejected`} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q is not in: %v", words, err)
		}
	}
	if strings.Contains(err.Error(), "reported") {
		t.Errorf("refused for what decides nothing: %v", err)
	}
	s.Timing.Window = 500 * time.Millisecond
	if err := a.preflight(s).Refusal(s.Criteria, s.Timing, true); err == nil || !strings.Contains(err.Error(), "lengthen window to ") {
		t.Errorf("a window of two scrapes: %v", err)
	}
}

// A query without an answer is explained the way a person would look for the mistake.
func whyEmpty(t *testing.T, r *rig) {
	a := r.app(t, "why", nil)
	old := a.veteran("a")
	serve(old, 100, 0)
	old.Gauge("why_gone", nil).Set(1)
	r.server.AwaitScrapes(8, old)
	old.Forget("why_gone")
	r.server.Await("why_gone", func(r promtest.Result) bool { return len(r.Series) == 0 })
	for query, want := range map[string]string{
		`max(why_never)`: "the metric why_never was not there during the last day",
		`max(why_gone)`:  "the metric why_gone was there during the last day and is gone",
		`sum(rate(http_requests_total{kode="200"}[2s]))`:                       "the metric http_requests_total has no label kode",
		`sum(rate(http_requests_total{code="418"}[2s]))`:                       `the label code of http_requests_total never matches code="418"; it has the values "200"`,
		`max(up{namespace="why",pod="why-old-b"} + http_requests_total) `:      "never matches",
		`sum(http_requests_total{namespace="why",code="200",pod!~"why.*"})`:    "no series of http_requests_total has all the labels at once",
		`sum(http_requests_total{namespace="why"}) / sum(why_never{a="b"})`:    "the metric why_never was not there",
		`max(http_requests_total{namespace="why"} unless http_requests_total)`: "no series matched",
	} {
		s := a.session("\n- name: c\n  query: '"+query+"'\n  max: 5\n", short)
		f := a.preflight(s)
		if c := f.Criteria[0]; c.State != analysis.NoData || !strings.Contains(c.Problem, want) {
			t.Errorf("%s: %s %q, want %q", query, c.State, c.Problem, want)
		}
		if err := f.Refusal(s.Criteria, s.Timing, false); err == nil || !strings.Contains(err.Error(), "has no data about the running version") {
			t.Errorf("%s: refused with %v", query, err)
		}
		if err := f.Refusal(s.Criteria, s.Timing, true); err != nil {
			t.Errorf("%s: a first release is refused with %v", query, err)
		}
	}
}

// A label that no series has, in the counter of bad events, would let everything pass.
func mistyped(t *testing.T, r *rig) {
	a := r.app(t, "mistyped", nil)
	old := a.veteran("a")
	serve(old, 500, 0.9)
	r.server.AwaitScrapes(8, old)
	s := a.session(strings.ReplaceAll(errorRatio, "code=~", "status=~"), short)
	f := a.preflight(s)
	if err := f.Refusal(s.Criteria, s.Timing, false); err == nil || !strings.Contains(err.Error(), "has no label status") {
		t.Errorf("refused with %v, facts %+v", err, f.Criteria)
	}
}

// Series of a gateway do not tell pods apart; time does.
func gateway(t *testing.T, r *rig) {
	a := r.app(t, "gateway", r.gateway)
	proxy := a.pod("proxy", "x")
	ok, failed := serve(proxy, 500, 0.5)
	r.server.AwaitScrapes(12, proxy)
	a.veteran("a")
	s := a.session(strings.ReplaceAll(errorRatio, "requests_total", "gateway_total"), short)
	ok.Rate(0)
	failed.Rate(0)
	served := proxy.Rate("http_gateway_total", good, 500)
	proxy.Counter("http_gateway_total", bad).Add(1000) // of the old version
	r.server.AwaitScrapes(8, proxy)
	s.Facts = a.known(s)
	if f := s.Facts.Criteria[0]; !f.Gateway || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "told apart by time") {
		t.Errorf("the preflight says %+v", f)
	}
	s.Timing.Settle = time.Second
	result := a.one(s)
	wants(t, result, analysis.Pass, "0 of ")
	if !about(result.Events, 500*4, 0.4) || len(result.Notes) == 0 {
		t.Errorf("%v events of %v: %s", result.Events, served.Value(), course(result))
	}
}

func gatewayErrors(t *testing.T, r *rig) {
	a := r.app(t, "gateway-errors", r.gateway)
	proxy := a.pod("proxy", "x")
	served := proxy.Rate("http_ingress_total", good, 500)
	failed := proxy.Counter("http_ingress_total", bad)
	a.veteran("a")
	r.server.AwaitScrapes(8, proxy)
	s := a.session(strings.ReplaceAll(errorRatio, "requests_total", "ingress_total"), short)
	s.Facts = a.known(s)
	served.Rate(300)
	failed.Rate(200)
	result := a.one(s)
	wants(t, result, analysis.Fail, "")
	if result.Value == nil || !about(float64(*result.Value), 0.4, 0.4) {
		t.Errorf("%s", course(result))
	}
}

// A workload that is not scraped is no gateway, and what other workloads do is not held against it.
func notScraped(t *testing.T, r *rig) {
	other := r.app(t, "stranger", nil)
	p := other.young("a")
	p.Rate("shop_requests_total", bad, 500)
	a := r.app(t, "not-scraped", nil)
	a.crowd.Old = []analysis.Pod{{Name: "not-scraped-old-a", Ready: time.Now().Add(-time.Hour)}}
	r.server.AwaitScrapes(8, p)
	s := a.session(strings.ReplaceAll(errorRatio, "http_requests", "shop_requests"), short)
	s.Facts = a.preflight(s)
	if f := s.Facts.Criteria[0]; f.Gateway || f.State == analysis.Breach || s.Facts.Refusal(s.Criteria, s.Timing, false) == nil {
		t.Errorf("the preflight says %+v", f)
	}
	a.crowd.New = []analysis.Pod{{Name: "not-scraped-new-a", Ready: time.Now()}}
	if result := a.one(s); result.Verdict == analysis.Fail {
		t.Errorf("it failed for what others do: %s%s", result.Reason, course(result))
	}
}

// Other installations call the labels otherwise.
func renamed(t *testing.T, r *rig) {
	a := r.app(t, "renamed", r.renamed)
	old := a.veteran("a")
	serve(old, 500, 0.001)
	r.server.AwaitScrapes(8, old)
	s := a.session(errorRatio, short)
	s.Facts = a.known(s)
	f := s.Facts.Criteria[0]
	if f.Naming != (analysis.Naming{Pod: "kubernetes_pod_name", Namespace: "kubernetes_namespace"}) || len(f.Notes) != 1 {
		t.Errorf("the preflight says %+v", f)
	}
	a.young("a").Rate(requests, good, 500)
	wants(t, a.one(s), analysis.Pass, "0 of ")
}

// A first release has no old pods to look at before; the labels of the new ones are found when the window begins.
func renamedUnknown(t *testing.T, r *rig) {
	a := r.app(t, "renamed-unknown", r.renamed)
	young := a.young("a")
	young.Rate(requests, bad, 500)
	r.server.AwaitScrapes(3, young)
	wants(t, a.one(a.session(errorRatio, short)), analysis.Fail, "100%")
}

// The clocks of a server and the age of its data are found out.
func skewAndLag(t *testing.T, r *rig) {
	a := r.app(t, "skew", nil)
	old := a.veteran("a")
	serve(old, 500, 0.001)
	r.server.AwaitScrapes(30, old)
	for _, tt := range []struct {
		fault     promtest.Fault
		skew, lag time.Duration
	}{
		{promtest.ClockSkew(10 * time.Minute), 10 * time.Minute, 0},
		{promtest.ClockSkew(-10 * time.Minute), -10 * time.Minute, 0},
		{promtest.DataLag(4 * time.Second), 0, 4 * time.Second},
	} {
		proxy := promtest.NewFaultProxy(t, r.server.URL)
		proxy.Set(tt.fault, promtest.Forever)
		s := a.session(errorRatio, short)
		s.Querier = connect(t, proxy.URL, 5*time.Second)
		f := a.preflight(s)
		if (f.Skew-tt.skew).Abs() > 2*time.Second || (f.Lag-tt.lag).Abs() > time.Second {
			t.Errorf("%s: skew %s, lag %s", tt.fault.Name, f.Skew, f.Lag)
		}
	}
}

// A first release has no running version: nothing is refused, and the run is judged as any other.
func firstRelease(t *testing.T, r *rig) {
	a := r.app(t, "first", nil)
	s := a.session(errorRatio, short)
	s.Facts = a.preflight(s)
	if err := s.Facts.Refusal(s.Criteria, s.Timing, true); err != nil {
		t.Errorf("refused: %v", err)
	}
	s.Facts.Scrape = scrape
	a.young("a").Rate(requests, good, 500)
	wants(t, a.one(s), analysis.Pass, "0 of ")
}

// A preflight of which one query fails does not take the pods for a gateway.
func interrupted(t *testing.T, r *rig) {
	a := r.app(t, "interrupted", nil)
	old := a.veteran("a")
	serve(old, 500, 0.001)
	r.server.AwaitScrapes(8, old)
	s := a.session(errorRatio, short)
	s.Querier = &flaky{Querier: r.client, fails: "count by (pod"}
	f := a.preflight(s)
	if c := f.Criteria[0]; c.Gateway || c.Naming.Pod == "exported_pod" {
		t.Errorf("the preflight says %+v", c)
	}
}

// flaky fails the queries that begin with some text.
type flaky struct {
	analysis.Querier
	fails string
}

func (f *flaky) Query(ctx context.Context, promql string, at time.Time) (analysis.Answer, error) {
	if strings.HasPrefix(promql, f.fails) {
		return analysis.Answer{}, &analysis.QueryError{Kind: analysis.Unreachable, Text: http.StatusText(http.StatusBadGateway)}
	}
	return f.Querier.Query(ctx, promql, at)
}
