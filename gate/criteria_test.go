package gate

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// answers is a Prometheus that is made up: one series, whose value depends on which version of web runs.
type answers struct {
	w *world
	// before and after are the values while version 1 and version 2 run; nothing of it counts while err is set.
	before, after float64
	empty         bool
	err           func() error
	asked         int
}

func (a *answers) value() float64 {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if a.w.objects["web"].version == 2 {
		return a.after
	}
	return a.before
}

func (a *answers) Query(ctx context.Context, promql string, _ time.Time) (analysis.Answer, error) {
	a.asked++
	if ctx.Err() != nil {
		return analysis.Answer{}, &analysis.QueryError{Kind: analysis.Unreachable, Text: "no answer in time", Err: ctx.Err()}
	}
	if a.err != nil {
		if err := a.err(); err != nil {
			return analysis.Answer{}, err
		}
	}
	if a.empty {
		return analysis.Answer{Kind: analysis.Vector}, nil
	}
	v := a.value()
	switch {
	case promql == "time()":
		return analysis.Answer{Kind: analysis.Scalar, Samples: []analysis.Sample{{Value: float64(time.Now().UnixMilli()) / 1000}}}, nil
	case strings.Contains(promql, "count_over_time("): // a scrape every second
		v = 5
	case strings.Contains(promql, "timestamp("): // how old the newest sample is
		v = 1
	}
	return analysis.Answer{Kind: analysis.Vector, Samples: []analysis.Sample{{Value: v}}}, nil
}

func (a *answers) QueryRange(_ context.Context, _ string, r analysis.Range) (analysis.Answer, error) {
	s := analysis.Sample{}
	for at := r.Start; !at.After(r.End); at = at.Add(r.Step) {
		s.Moments = append(s.Moments, analysis.Moment{Time: at, Value: analysis.Number(a.value())})
	}
	return analysis.Answer{Kind: analysis.Matrix, Samples: []analysis.Sample{s}}, nil
}

// judging is a gate with one criterion: queue, at most 10.
func judging(t *testing.T, w *world, a *answers) Gate {
	t.Helper()
	time.Sleep(time.Until(time.Date(2026, 11, 20, 16, 55, 0, 0, time.UTC))) // a bubble begins in a year that no Prometheus has seen
	for _, o := range w.objects {
		o.at = time.Now().Add(-time.Hour)
	}
	a.w = w
	c, err := analysis.ParseCheck("max(queue) <= 10", analysis.Vars{})
	if err != nil {
		t.Fatal(err)
	}
	g := gated(w)
	g.Querier, g.Criteria = a, []analysis.Criterion{c}
	g.Timing = analysis.Timing{Settle: 2 * time.Second, Window: 20 * time.Second, Interval: 5 * time.Second}
	g.Timeout, g.Recovery = 2*time.Minute, time.Minute
	return g
}

// TestCriteria: what the answers of the criteria lead to.
func TestCriteria(t *testing.T) {
	unreachable := &analysis.QueryError{Kind: analysis.Unreachable, Text: "connection refused"}
	denied := &analysis.QueryError{Kind: analysis.Unauthorized, Text: "who are you"}
	rejected := &analysis.QueryError{Kind: analysis.Rejected, Text: "no such function"}
	for name, c := range map[string]struct {
		answers  answers
		gate     func(*Gate)
		outcome  Outcome
		state    string
		versions string
		codes    string
	}{
		"they hold":               {answers{before: 3, after: 4}, nil, Passed, "complete", "web=2", ""},
		"violated":                {answers{before: 3, after: 40}, nil, CriteriaFailed, "back at the previous version (verified)", "web=1", "CriterionBreached"},
		"violated, kept":          {answers{before: 3, after: 40}, func(g *Gate) { g.Policy.Fail = analysis.ActionStop }, NotUndone, "as on.fail asks", "web=2", "CriterionBreached"},
		"violated, passed":        {answers{before: 3, after: 40}, func(g *Gate) { g.Policy.Fail = analysis.ActionPass }, Passed, "complete", "web=2", ""},
		"violated already":        {answers{before: 30, after: 4}, nil, Refused, nothingChanged, "web=1", "CriterionFailsBefore"},
		"violated, warned":        {answers{before: 30, after: 4}, func(g *Gate) { g.Preflight = PreflightWarn }, Passed, "complete", "web=2", ""},
		"not asked before":        {answers{before: 30, after: 4}, func(g *Gate) { g.Preflight = PreflightOff }, Passed, "complete", "web=2", ""},
		"unreachable before":      {answers{err: func() error { return unreachable }}, nil, Retry, nothingChanged, "web=1", ""},
		"denied":                  {answers{err: func() error { return denied }}, nil, Denied, nothingChanged, "web=1", ""},
		"rejected":                {answers{err: func() error { return rejected }}, nil, Invalid, nothingChanged, "web=1", ""},
		"longer than the timeout": {answers{}, func(g *Gate) { g.Timeout = 10 * time.Second }, Invalid, nothingChanged, "web=1", ""},
		"no data": {
			answers{empty: true}, func(g *Gate) { g.Preflight = PreflightOff }, Inconclusive, "the release was kept", "web=2", "CriterionInconclusive",
		},
		"no data, undone": {
			answers{empty: true}, func(g *Gate) { g.Preflight, g.Policy.Inconclusive = PreflightOff, analysis.ActionUndo },
			Inconclusive, "verified", "web=1", "CriterionInconclusive",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				g := judging(t, w, &c.answers)
				if c.gate != nil {
					c.gate(&g)
				}
				report, err := g.Run(t.Context(), w.manifests("web"))
				if err != nil {
					t.Log(err)
				}
				check(t, report, w, c.outcome, c.state, c.versions)
				if codes := codesOf(report); codes != c.codes {
					t.Errorf("found %q, want %q", codes, c.codes)
				}
				if c.outcome == CriteriaFailed && len(report.Criteria) == 1 && (report.Criteria[0].Recovered == nil || !*report.Criteria[0].Recovered) {
					t.Errorf("the recheck did not see the metrics recover: %+v, notes %q", report.Criteria[0].Recovered, report.Notes)
				}
			})
		})
	}
}

func codesOf(r Report) string {
	var codes []string
	for _, f := range r.Findings {
		codes = append(codes, f.Code)
	}
	return strings.Join(codes, " ")
}

// TestPrometheusGoesAway: a server that stops to answer while the criteria are measured is no reason to undo.
func TestPrometheusGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		a := &answers{before: 1, after: 1}
		g := judging(t, w, a)
		g.Timeout = 10 * time.Minute
		a.err = func() error {
			if w.objects["web"].version == 2 && time.Since(w.objects["web"].at) > 10*time.Second {
				return &analysis.QueryError{Kind: analysis.Unreachable, Text: "connection refused"}
			}
			return nil
		}
		report, _ := g.Run(t.Context(), w.manifests("web"))
		check(t, report, w, Inconclusive, "kept", "web=2")
	})
}

// TestSignalsWhileMeasuring: a signal in the window takes the release back; one in the recheck cuts that short.
func TestSignalsWhileMeasuring(t *testing.T) {
	for name, c := range map[string]struct {
		answers answers
		at      time.Duration
		ended   time.Duration
		outcome Outcome
	}{
		"in the window":  {answers{before: 1, after: 1}, 12 * time.Second, 14 * time.Second, Terminated},
		"in the recheck": {answers{before: 1, after: 40}, 40 * time.Second, 41 * time.Second, CriteriaFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				g := judging(t, w, &c.answers)
				report, took := signalled(t, g, w.manifests("web"), sending{c.at, syscall.SIGTERM})
				check(t, report, w, c.outcome, "", "web=1")
				if took > c.ended {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
