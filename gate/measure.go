package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// errRolloutEnded is why a measurement ends before its window.
var errRolloutEnded = errors.New("the rollout was judged without it")

// workloads are those that were read, as they are now.
func (f *follower) workloads() []rollout.Workload {
	var out []rollout.Workload
	for i := range f.targets {
		if f.w.Synced(i) {
			out = append(out, f.known(i))
		}
	}
	return out
}

// measure begins to ask the criteria. The loop takes every news of it, until finishMeasuring.
func (f *follower) measure(ctx context.Context) {
	for i := range f.targets {
		f.w.LookCloser(i) // the criteria ask for the metrics of single pods
	}
	f.measurement = f.r.criteria.Measure(ctx, asWorkloads(f.targets), f.workloads())
	f.news = f.measurement.News
	f.asking = Rolling
	f.lookAgain()
}

// openWindow tells the measurement that the rollout is complete.
func (f *follower) openWindow() {
	r := f.r
	f.asking = InWindow
	f.lookAgain()
	r.report.Marks.Complete = now()
	f.measurement.Complete(time.Now(), f.workloads())
	t := r.criteria.Timing.With(r.criteria.Facts.Scrape, r.criteria.Facts.Lag)
	r.step(Step{Name: StepAnalyze, Criteria: len(r.criteria.Criteria), Settle: t.Settle, Limit: t.Window})
}

// hear takes news of the criteria in. Their results are the last that comes.
func (f *follower) hear(n criteria.News) {
	if !n.Done {
		f.r.measured(n.Measurement)
		return
	}
	f.r.report.Criteria, f.asking = append(n.Results, f.r.answered...), Answered
	f.measurement, f.news = nil, nil
	f.lookAgain()
}

// finishMeasuring ends a measurement, if there is one, and takes what it has seen into the report.
func (f *follower) finishMeasuring() {
	if f.measurement != nil {
		f.r.report.Criteria = append(f.measurement.Stop(errRolloutEnded, f.r.measured), f.r.answered...)
		f.measurement, f.news = nil, nil
	}
}

// asWorkloads are targets before anything is known of them but what was planned.
func asWorkloads(targets []rollout.Target) []rollout.Workload {
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
	told := Measured{Criterion: m.Result.Name, Limit: limitText(m.Result), State: m.Point.State, Events: m.Point.Events, Note: m.Point.Note, ReportOnly: m.Result.ReportOnly}
	if m.Point.Value != nil {
		told.Value, told.Number = m.Result.Unit.Format(float64(*m.Point.Value)), m.Point.Value
	}
	if m.Result.Baseline == "" {
		told.Bound = &m.Result.Limit
	}
	r.tell(manifest.Ref{}, told)
}

func limitText(c analysis.Result) string {
	if c.Baseline != "" {
		return c.Baseline
	}
	return fmt.Sprintf("%s %s", c.Op, c.Unit.Format(float64(c.Limit)))
}

// notePolicy says which criteria did not pass in a run that passed because it was asked to.
func (r *run) notePolicy() {
	verdict, action := r.g.Policy.Decide(r.report.Criteria)
	if verdict == analysis.Pass || action != analysis.ActionPass {
		return
	}
	var names []string
	for _, c := range r.report.Criteria {
		if c.Verdict == verdict && !c.ReportOnly {
			names = append(names, c.Name)
		}
	}
	r.note("the criteria ended with %s, which passes as asked: %s", verdict, strings.Join(names, ", "))
}
