package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// overdue is the ending when the time is up or the run was cancelled. The measurement ends by the same context; what
// it has seen goes into the report.
func (l *watching) overdue(ctx context.Context, m *criteria.Measurement) ending {
	l.r.stopMeasuring(m)
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

// errRolloutEnded is why a measurement ends before its window.
var errRolloutEnded = errors.New("the rollout was judged without it")

// workloads are those that were read, as they are now.
func (l *watching) workloads() []rollout.Workload {
	var out []rollout.Workload
	for i := range l.targets {
		if l.w.Synced(i) {
			out = append(out, l.w.Workload(i))
		}
	}
	return out
}

// measure begins to ask the criteria.
func (l *watching) measure(ctx context.Context) *criteria.Measurement {
	for i := range l.targets {
		l.w.LookCloser(i) // the criteria ask for the metrics of single pods
	}
	return l.r.criteria.Measure(ctx, asWorkloads(l.targets), l.workloads())
}

// begin tells the measurement that the rollout is complete.
func (l *watching) begin(m *criteria.Measurement) {
	l.judging = true
	l.r.report.Marks.Complete = time.Now().UTC().Truncate(time.Millisecond)
	m.Complete(time.Now(), l.workloads())
	t := l.r.g.Timing.With(l.r.criteria.Facts.Scrape, l.r.criteria.Facts.Lag)
	l.r.tell(EventStep, manifest.Ref{}, "analyze: %s, settling %s, then watching %s", count(len(l.r.g.Criteria), "criterion", "criteria"), t.Settle, t.Window)
}

// stopMeasuring ends a measurement, if there is one, and takes what it has seen into the report.
func (r *run) stopMeasuring(m *criteria.Measurement) {
	if m != nil {
		r.report.Criteria = m.Stop(errRolloutEnded, r.measured)
	}
}

// asWorkloads are targets before anything is known of them but what was planned.
func asWorkloads(targets []cluster.Target) []rollout.Workload {
	out := make([]rollout.Workload, len(targets))
	for i, t := range targets {
		out[i] = rollout.Workload{Ref: t.Ref, Live: t.Previous, Applied: t.Applied}
	}
	return out
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
