package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// overdue is the ending when the time is up or the run was cancelled. The measurement ends by the same context; what
// it has seen goes into the report.
func (l *watching) overdue(ctx context.Context, m *measuring) ending {
	m.finish(l.r)
	switch {
	case !errors.Is(context.Cause(ctx), errTimeout):
		return ending{outcome: cancelledBy(ctx), target: -1}
	case analysis.Overall(l.r.report.Criteria) == analysis.Fail:
		return l.r.judged(l.r.report.Criteria)
	case l.judging && l.complete():
		return l.r.judged(l.r.report.Criteria)
	}
	return ending{outcome: TimedOut, target: -1}
}

// measuring is a measurement that runs in the background. Its channels are nil while there is none.
type measuring struct {
	seen     chan analysis.Measurement
	results  chan []analysis.Result // gives the results once
	complete chan struct{}          // closed when the rollout is complete
	stop     context.CancelCauseFunc
}

// errRolloutEnded is why a measurement ends before its window.
var errRolloutEnded = errors.New("the rollout was judged without it")

// session is what the criteria are asked with: what the watch knows about pods and workloads.
func (l *watching) session() analysis.Session {
	r := l.r
	relevant := withPods(l.targets)
	current := func() []rollout.Workload {
		var out []rollout.Workload
		for i, t := range l.targets {
			if len(withPods([]cluster.Target{t})) > 0 && l.w.Synced(i) {
				out = append(out, l.w.Workload(i))
			}
		}
		return out
	}
	s := analysis.Session{Querier: r.g.Querier, Criteria: r.g.Criteria, Timing: r.g.Timing, Facts: r.facts, Family: family(relevant)}
	if len(relevant) > 0 {
		s.Pods = func() analysis.Pods { return r.crowd.pods(current()) }
	}
	s.Vars = func() analysis.Vars {
		vars := r.variables()
		if pods := current(); len(pods) == 1 {
			about(&vars, pods[0], rollout.Evaluate(pods[0]))
		}
		return vars
	}
	return s
}

// variables are those that do not depend on the watch.
func (r *run) variables() analysis.Vars {
	vars := r.g.Vars
	vars.Namespace, vars.RolloutStart, vars.ReadyAt = r.g.Namespace, r.began.Add(r.facts.Skew), r.readyAt()
	vars.Since = max(time.Since(r.began), time.Second)
	return vars
}

// measure begins to ask the criteria. Whoever reads results must read seen until they are there.
func (l *watching) measure(ctx context.Context) *measuring {
	ctx, stop := context.WithCancelCause(ctx)
	m := &measuring{seen: make(chan analysis.Measurement), results: make(chan []analysis.Result, 1), complete: make(chan struct{}), stop: stop}
	for i := range l.targets {
		l.w.LookCloser(i) // the criteria ask for the metrics of single pods
	}
	s := l.session()
	s.Complete = m.complete
	s.Observe = func(x analysis.Measurement) {
		select {
		case m.seen <- x:
		case <-time.After(time.Second): // the reader has left by a verdict of its own
		}
	}
	l.r.sessions = &s
	go func() { m.results <- s.Run(ctx) }()
	return m
}

// begin tells the measurement that the rollout is complete.
func (m *measuring) begin(l *watching) {
	l.judging = true
	l.r.setReady(time.Now())
	l.r.report.Marks.Complete = time.Now().UTC().Truncate(time.Millisecond)
	close(m.complete)
	t := l.r.g.Timing.With(l.r.facts.Scrape, l.r.facts.Lag)
	l.r.tell(EventStep, manifest.Ref{}, "analyze: %s, settling %s, then watching %s", count(len(l.r.g.Criteria), "criterion", "criteria"), t.Settle, t.Window)
}

// finish ends a measurement and takes what it has seen into the report.
func (m *measuring) finish(r *run) {
	if m == nil || m.results == nil {
		return
	}
	m.stop(errRolloutEnded)
	for {
		select {
		case x := <-m.seen:
			r.measured(x)
		case r.report.Criteria = <-m.results:
			m.results = nil
			return
		}
	}
}

// measured tells of one measurement.
func (r *run) measured(m analysis.Measurement) {
	if m.Early && m.Point.State != analysis.Breach && m.Result.Verdict != analysis.Fail {
		return // before the window nothing is expected yet
	}
	value := "no value: " + m.Point.Note
	if m.Point.Value != nil {
		value = m.Result.Unit.Format(float64(*m.Point.Value))
		if m.Point.Events > 0 {
			value += fmt.Sprintf(" of %.0f", m.Point.Events)
		}
	}
	r.tell(EventMeasurement, manifest.Ref{}, "%s: %s (%s) %s", m.Result.Name, value, limitText(m.Result), m.Point.State)
}

func limitText(c analysis.Result) string {
	if c.Baseline != "" {
		return "limit " + c.Baseline
	}
	return fmt.Sprintf("limit %s %s", c.Op, c.Unit.Format(float64(c.Limit)))
}

// judged is the ending that the criteria's results mean, by the policy.
func (r *run) judged(results []analysis.Result) ending {
	verdict, action := r.g.Policy.Decide(results)
	e := ending{outcome: Inconclusive, target: -1, action: action}
	switch {
	case verdict == analysis.Pass:
		return ending{outcome: Passed, target: -1}
	case action == analysis.ActionPass:
		r.note("the criteria ended with %s, which passes as asked: %s", verdict, namesOf(results, verdict))
		return ending{outcome: Passed, target: -1}
	case verdict == analysis.Fail:
		e.outcome = CriteriaFail
	}
	return e
}

func namesOf(results []analysis.Result, v analysis.Verdict) string {
	var names []string
	for _, c := range results {
		if c.Verdict == v && !c.ReportOnly {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}
