package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Analyze asks the criteria about workloads as they run now, without a rollout. It changes nothing. With a time to
// look back over it replays the criteria over the windows of that time instead.
func (g Gate) Analyze(ctx context.Context, targets []rollout.Target, backtest time.Duration) (Report, error) {
	r := g.begin(ctx, "analyze")
	r.g.NeverUndo = true
	r.begins()
	if g.Timing.Settle == analysis.Auto {
		r.g.Timing.Settle, r.criteria.Timing.Settle = 0, 0 // nothing has changed that had to settle
	}
	r.treat(targets)
	if err := r.named(targets); err != nil {
		return r.end(), err
	}
	if err := r.survey(targets); err != nil {
		return r.end(), err
	}
	if backtest > 0 {
		return r.replay(targets, backtest)
	}
	if err := r.measureNow(targets); err != nil {
		return r.end(), err
	}
	r.plot()
	return r.end(), nil
}

// measureNow asks the criteria over one window, about the pods that run.
func (r *run) measureNow(targets []rollout.Target) error {
	f, stop := r.follow(targets)
	defer stop()
	ctx, release := r.course.enter(Watching, 0)
	defer release()
	if err := f.firstLook(ctx); err != nil {
		return r.fail(err)
	}
	r.report.Workloads = f.statuses()
	r.criteria.AsTheyRun = true
	t := r.g.Timing.With(r.criteria.Facts.Scrape, r.criteria.Facts.Lag)
	r.step(Step{Name: StepAnalyze, Criteria: len(r.g.Criteria), Limit: t.Window})
	f.measure(ctx)
	f.measurement.Complete(time.Time{}, f.workloads())
	for f.measurement != nil {
		select {
		case <-f.w.Changed():
			f.measurement.Update(f.workloads())
		case n := <-f.news:
			f.hear(n)
		}
	}
	if signal, cancelled := r.course.cancelled(); cancelled {
		r.exit(cancelledBy(signal), nothingChanged)
		return nil
	}
	r.findings = append(r.findings, criteriaFindings(r.report.Criteria)...)
	r.notePolicy()
	r.exit(byCriteria(Situation{Results: r.report.Criteria, Policy: r.g.Policy}).Outcome, nothingChanged)
	return nil
}

// named refuses criteria about pods when no workload is named whose pods these could be.
func (r *run) named(targets []rollout.Target) error {
	about := r.criteria.AboutPods()
	if len(about) == 0 || slices.ContainsFunc(targets, func(t rollout.Target) bool { return criteria.HasPods(t.Ref) }) {
		return nil
	}
	return r.fail(invalidError{fmt.Errorf("criteria about the pods of a workload, and none is named: %s\n  hint: name it, as in 'rolloutgate analyze deployment/web', or give the criterion scope: all", strings.Join(about, ", "))})
}

// survey finds out what is needed to ask about targets that run already.
func (r *run) survey(targets []rollout.Target) error {
	if len(r.g.Criteria) == 0 {
		return nil
	}
	ctx, release := r.course.enter(Planning, preflightTime)
	defer release()
	if err := r.reach(ctx); err != nil || r.g.Preflight == PreflightOff {
		return err
	}
	var live []rollout.Object
	for _, t := range targets {
		if t.Applied != nil {
			live = append(live, t.Applied)
		}
	}
	_, err := r.ask(ctx, targets, live)
	return err
}

// replay is the backtest.
func (r *run) replay(targets []rollout.Target, over time.Duration) (Report, error) {
	ctx, release := r.course.enter(Watching, 0)
	defer release()
	r.step(Step{Name: StepBacktest, Limit: over})
	r.report.Backtest = r.criteria.Backtest(ctx, asWorkloads(targets), over)
	if ended := r.interrupted(ctx, "replaying the criteria"); ended != nil {
		return r.failed(ended)
	}
	r.exit(Passed, nothingChanged)
	return r.end(), nil
}
