package criteria

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// named is web under another name.
func named(name, revision string) rollout.Workload {
	w := web(revision, name+"-"+revision+"-11111")
	w.Ref.Name = name
	w.Pods[0].UID = "u-" + w.Pods[0].UID + w.Pods[0].UID
	return w
}

// A workload that is judged by a criterion of its own is seen by that one alone, which sees no other.
func TestOwnCriteria(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 20, 16, 55, 0, 0, time.UTC))) // a bubble begins in a year that no Prometheus has seen
		prometheus := &server{}
		own := check(t, `queue: sum(queue{pod=~"${newPods}"}) <= 2`)
		all := check(t, `errors: sum(errors{pod=~"${newPods}",app="${workload}"}) <= 2`)
		a := &Asker{
			Querier: prometheus, Criteria: []analysis.Criterion{own, all}, Vars: analysis.Vars{Namespace: "shop"},
			Timing: analysis.Timing{Window: time.Minute, Interval: 15 * time.Second},
		}
		worker, site := named("worker", "abc"), named("web", "def")
		a.Own = map[manifest.Ref][]string{worker.Ref: {"queue"}}
		workloads := []rollout.Workload{worker, site}

		running := []rollout.RunningPod{{Owner: worker.Ref, Pod: worker.Pods[0], Revision: "abc"}, {Owner: site.Ref, Pod: site.Pods[0], Revision: "def"}}
		if err := a.Preflight(t.Context(), workloads, running); err != nil {
			t.Fatal(err)
		}
		expect := func(when string) {
			t.Helper()
			prometheus.mu.Lock()
			defer prometheus.mu.Unlock()
			var seen [2]bool
			for _, q := range prometheus.asked {
				for i, c := range []struct{ metric, pod, not string }{{"queue{", "worker-abc-11111", "web-def"}, {"errors{", "web-def-11111", "worker-abc"}} {
					if !strings.Contains(q, c.metric) || !strings.Contains(q, "pod=~") {
						continue
					}
					if seen[i] = true; !strings.Contains(q, c.pod) || strings.Contains(q, c.not) {
						t.Errorf("%s it asks %s", when, q)
					}
				}
			}
			if seen != [2]bool{true, true} {
				t.Errorf("%s it asks %q", when, prometheus.asked)
			}
			prometheus.asked = nil
		}
		expect("before")

		a.Began(time.Now())
		m := a.Measure(t.Context(), workloads, workloads)
		m.Complete(time.Now(), workloads)
		for n := range m.News {
			if n.Done {
				break
			}
		}
		expect("in the window")
	})
}

func TestIdle(t *testing.T) {
	rate := analysis.Criterion{Name: "errors", Counts: &analysis.Counts{}}
	latency := analysis.Criterion{Name: "latency", Scope: analysis.ScopeNew}
	total := analysis.Criterion{Name: "total", Scope: analysis.ScopeAll}
	w, other := named("web", "abc"), named("other", "abc")
	settings := rollout.Workload{Ref: manifest.Ref{Kind: "ConfigMap", Name: "settings"}}
	for name, c := range map[string]struct {
		own       map[manifest.Ref][]string
		criterion analysis.Criterion
		workloads []rollout.Workload
		want      bool
	}{
		"nothing was said":            {nil, rate, []rollout.Workload{w}, false},
		"its own":                     {map[manifest.Ref][]string{w.Ref: {"errors"}}, rate, []rollout.Workload{w}, false},
		"the own one of another":      {map[manifest.Ref][]string{other.Ref: {"errors"}}, rate, []rollout.Workload{w}, true},
		"all have others":             {map[manifest.Ref][]string{w.Ref: {"errors"}}, latency, []rollout.Workload{w}, true},
		"all have none":               {map[manifest.Ref][]string{w.Ref: {}}, latency, []rollout.Workload{w}, true},
		"one has none":                {map[manifest.Ref][]string{w.Ref: {}}, latency, []rollout.Workload{w, other}, false},
		"it is not about pods":        {map[manifest.Ref][]string{w.Ref: {}}, total, []rollout.Workload{w}, false},
		"there are no pods to ask of": {map[manifest.Ref][]string{w.Ref: {}}, latency, []rollout.Workload{settings}, false},
	} {
		if got := (&Asker{Own: c.own}).Idle(c.criterion, c.workloads); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
