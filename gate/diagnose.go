package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// firstAnswer is how long Diagnose waits for the first answers of its watches.
const firstAnswer = 10 * time.Second

// Diagnose says what is wrong with workloads now. It changes nothing, and finding something wrong is no failure of
// the command.
func (g Gate) Diagnose(ctx context.Context, targets []cluster.Target) (Report, error) {
	r := g.begin("diagnose")
	r.targets = targets
	watchCtx, stop := context.WithCancel(ctx)
	w := g.Cluster.Watch(watchCtx, targets)
	defer func() { stop(); w.Wait() }()

	l := r.watching(w, targets)
	if err := l.firstLook(ctx); err != nil {
		r.exit(r.before(ctx, err), "nothing was changed")
		return r.end(), err
	}
	r.report.Workloads = l.statuses()
	// Whatever deserves patience in a gate is the answer here: somebody asks now.
	r.report.Findings = l.explain(ctx, ending{outcome: TimedOut, target: -1})
	bad := 0
	for _, s := range r.report.Workloads {
		if s.Phase != rollout.Complete {
			bad++
		}
	}
	r.exit(Passed, fmt.Sprintf("%d of %d workloads are complete; nothing was changed", len(targets)-bad, len(targets)))
	return r.end(), nil
}

// firstLook waits until everything that a status needs has arrived once.
func (l *watching) firstLook(ctx context.Context) error {
	deadline := time.NewTimer(firstAnswer)
	defer deadline.Stop()
	for {
		ready := true
		for i := range l.targets {
			ready = l.ask(i) && ready
		}
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return nil
		case <-l.w.Changed():
		}
	}
}

// ask wants everything about target i, and tells whether it is there.
func (l *watching) ask(i int) bool {
	l.w.LookCloser(i)
	if !l.w.Synced(i) {
		return false
	}
	workload := l.w.Workload(i)
	status := rollout.Evaluate(workload)
	l.states[i].status = status
	if status.Reason == rollout.ReasonCheckingServices {
		l.w.LookAtServices(i)
		return false
	}
	_, hasPods := rollout.PodSelector(workload.Live)
	return workload.Live == nil || !hasPods || workload.PodsKnown
}
