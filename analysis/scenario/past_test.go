//go:build prometheus

package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// After an undo the failed criterion is asked again, of what runs now, until it holds.
func recovery(t *testing.T, r *rig) {
	a := r.app(t, "recovery", nil)
	old := a.veteran("a")
	serve(old, 300, 0)
	r.server.AwaitScrapes(10, old)
	began := time.Now()
	young := a.young("a")
	serve(young, 300, 0.5)
	s := a.session(errorRatio+"\n- name: queue\n  query: max(rate(http_requests_total{code=\"500\"}[1s])) or vector(0)\n  scope: new\n  max: 10\n  for: 3\n", short)
	results := s.Run(t.Context())
	wants(t, results[0], analysis.Fail, "")

	s.Plot(t.Context(), results, began)
	for _, result := range results {
		var earlier, later int
		var last float64
		for _, m := range result.Plot {
			if m.Time.Before(began) {
				earlier++
			} else {
				later++
			}
			last = float64(m.Value)
		}
		if earlier == 0 || later == 0 || last <= float64(result.Limit) {
			t.Errorf("%s: %d moments before and %d after, the last is %v: %+v", result.Name, earlier, later, last, result.Plot)
		}
	}

	versions := map[analysis.Scope]float64{} // the worst value of each version
	for _, c := range results[0].Courses {
		for _, m := range c.Plot {
			versions[c.Version] = max(versions[c.Version], float64(m.Value))
		}
	}
	if bad, known := versions[analysis.ScopeOld]; !known || bad > 0 || versions[analysis.ScopeNew] < 0.3 {
		t.Errorf("the versions are not told apart: %+v", results[0].Courses)
	}

	young.Remove()
	undone := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	asked := 0
	s.Recheck(ctx, results, undone, func(analysis.Measurement) { asked++ })
	if results[0].Recovered == nil || !*results[0].Recovered || asked == 0 || ctx.Err() != nil {
		t.Errorf("recovered %v after %d questions", results[0].Recovered, asked)
	}
	for _, result := range results[1:] {
		if result.Verdict != analysis.Fail && result.Recovered != nil {
			t.Errorf("%s has not failed and was asked again", result.Name)
		}
	}
}

const withHistory = `
- name: errors
  ratio: {bad: 'http_requests_total{code=~"5.."}', total: http_requests_total}
  baseline: history
- name: queue
  query: max(queue_length)
  scope: new
  baseline: history
  minIncrease: 2
`

// The short past of a server is enough for windows of four scrapes.
func past(t *testing.T, r *rig) {
	for name, tt := range map[string]struct {
		share, queue float64
		want         analysis.Verdict
	}{"past-alike": {0.1, 10, analysis.Pass}, "past-worse": {0.4, 20, analysis.Fail}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := r.app(t, name, nil)
			old := a.veteran("a")
			serve(old, 300, 0.1)
			old.Gauge("queue_length", nil).Set(10)
			r.server.AwaitScrapes(95, old)
			timing := analysis.Timing{Window: time.Second, Interval: 500 * time.Millisecond}
			s := a.session(withHistory, timing)
			s.Facts = a.known(s)
			for _, f := range s.Facts.Criteria {
				if f.State != analysis.OK {
					t.Errorf("the preflight says %+v", f)
				}
			}
			young := a.young("a")
			serve(young, 300, tt.share)
			young.Gauge("queue_length", nil).Set(tt.queue)
			r.server.AwaitScrapes(2, young)
			for i := range s.Criteria {
				one := s
				one.Criteria = s.Criteria[i : i+1]
				one.Facts.Criteria = s.Facts.Criteria[i : i+1]
				wants(t, a.one(one), tt.want, "")
			}
			if tt.want == analysis.Pass {
				backtest(t, a, timing)
			}
		})
	}
}

func backtest(t *testing.T, a *app, timing analysis.Timing) {
	s := a.session(errorRatio+"\n- name: queue\n  query: max(queue_length{namespace=\"${namespace}\"})\n  max: 15\n- name: nothing\n  query: max(no_such_metric)\n  max: 15\n", timing)
	replays := s.Backtest(t.Context(), 24*time.Second)
	if len(replays) != 3 {
		t.Fatalf("got %+v", replays)
	}
	errors, queue, nothing := replays[0], replays[1], replays[2]
	if errors.Windows < 19 || errors.Failed != errors.Windows || errors.Median == nil || !about(float64(*errors.Median), 0.1, 0.3) ||
		errors.Suggested == nil || *errors.Suggested < 0.1 || errors.Windows+errors.Empty != 20 {
		t.Errorf("errors: %+v", errors)
	}
	if queue.Windows < 19 || queue.Failed != 0 || *queue.Worst != 10 || *queue.Suggested != 11 {
		t.Errorf("queue: %+v", queue)
	}
	if nothing.Windows != 0 || nothing.Median != nil || nothing.Suggested != nil || nothing.Empty != 20 {
		t.Errorf("nothing: %+v", nothing)
	}
}
