package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Analyze asks the criteria about workloads as they run now, without a rollout. It changes nothing. With a time to
// look back over it replays the criteria over the windows of that time instead.
func (g Gate) Analyze(ctx context.Context, targets []cluster.Target, backtest time.Duration) (Report, error) {
	r := g.begin("analyze")
	r.g.NeverUndo = true
	r.begins()
	if g.Timing.Settle == analysis.Auto {
		r.g.Timing.Settle, r.criteria.Timing.Settle = 0, 0 // nothing has changed that had to settle
	}
	if err := r.named(targets); err != nil {
		return r.end(), err
	}
	if err := r.survey(ctx, targets); err != nil {
		return r.end(), err
	}
	if backtest > 0 {
		return r.replay(ctx, targets, backtest)
	}
	watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := g.Cluster.Watch(watchCtx, targets)
	defer func() { stop(); w.Wait() }()
	l := r.watching(w, targets)
	if err := l.firstLook(ctx); err != nil {
		r.exit(r.before(ctx, err), "nothing was changed")
		return r.end(), err
	}
	r.report.Workloads = l.statuses()
	r.criteria.AsTheyRun = true
	t := r.g.Timing.With(r.criteria.Facts.Scrape, r.criteria.Facts.Lag)
	r.tell(EventStep, manifest.Ref{}, "analyze: %s, watching %s", count(len(r.g.Criteria), "criterion", "criteria"), t.Window)
	r.report.Criteria = l.measureAsTheyRun(ctx)
	switch e := r.judged(r.report.Criteria); {
	case ctx.Err() != nil:
		r.exit(cancelledBy(ctx), "nothing was changed")
	default:
		r.report.Findings = criteriaFindings(r.report.Criteria)
		r.exit(e.outcome, "nothing was changed")
	}
	r.plot(ctx)
	return r.end(), nil
}

// measureAsTheyRun measures the criteria to their end.
func (l *watching) measureAsTheyRun(ctx context.Context) []analysis.Result {
	m := l.r.criteria.Measure(ctx, asWorkloads(l.targets), l.workloads())
	m.Complete(time.Time{}, l.workloads())
	for {
		select {
		case <-l.w.Changed():
			m.Update(l.workloads())
		case n := <-m.News:
			if n.Done {
				return n.Results
			}
			l.r.measured(n.Measurement)
		}
	}
}

// named refuses criteria about pods when no workload is named whose pods these could be.
func (r *run) named(targets []cluster.Target) error {
	about := r.criteria.AboutPods()
	if len(about) == 0 || slices.ContainsFunc(targets, func(t cluster.Target) bool { return criteria.HasPods(t.Ref) }) {
		return nil
	}
	r.exit(Invalid, "nothing was changed")
	return fmt.Errorf("criteria about the pods of a workload, and none is named: %s\n  hint: name it, as in 'rolloutgate analyze deployment/web', or give the criterion scope: all", strings.Join(about, ", "))
}

// survey finds out what is needed to ask about targets that run already.
func (r *run) survey(ctx context.Context, targets []cluster.Target) error {
	if len(r.g.Criteria) == 0 {
		return nil
	}
	if err := r.reach(ctx); err != nil || r.g.Preflight == PreflightOff {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, preflightTime)
	defer cancel()
	var live []rollout.Object
	for _, t := range targets {
		if t.Applied != nil {
			live = append(live, t.Applied)
		}
	}
	pods, err := r.g.Cluster.PodsOf(limited, live)
	if err != nil {
		r.note("the running pods could not be listed: %v", err)
	}
	r.findService(limited, targets)
	err = r.criteria.Preflight(limited, asWorkloads(targets), pods)
	if ctx.Err() != nil {
		r.exit(cancelledBy(ctx), "nothing was changed")
		return context.Cause(ctx)
	}
	if err != nil {
		return r.unasked(err)
	}
	r.tellFacts(r.criteria.Facts)
	return nil
}

// replay is the backtest.
func (r *run) replay(ctx context.Context, targets []cluster.Target, over time.Duration) (Report, error) {
	r.tell(EventStep, manifest.Ref{}, "backtest: the windows of the last %s", over)
	r.report.Backtest = r.criteria.Backtest(ctx, asWorkloads(targets), over)
	if ctx.Err() != nil {
		r.exit(cancelledBy(ctx), "nothing was changed")
		return r.end(), context.Cause(ctx)
	}
	r.exit(Passed, "nothing was changed")
	return r.end(), nil
}
