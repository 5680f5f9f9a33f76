package gate

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// firstAnswer is how long Diagnose waits for the first answers of its watches.
	firstAnswer = 10 * time.Second
	// diagnoseTime is how long it may read after that.
	diagnoseTime = time.Minute
)

// Diagnose says what is wrong with workloads now. It changes nothing, and finding something wrong is no failure of
// the command.
func (g Gate) Diagnose(ctx context.Context, targets []rollout.Target) (Report, error) {
	r := g.begin(ctx, "diagnose")
	f, stop := r.follow(targets)
	defer stop()
	reading, release := r.course.enter(Watching, diagnoseTime)
	defer release()
	if err := f.firstLook(reading); err != nil {
		return r.end(), r.fail(err)
	}
	r.report.Workloads = f.statuses()
	// Whatever deserves patience in a gate is the answer here: somebody asks now.
	r.findings = f.explainIn(reading, Verdict{Outcome: TimedOut, Target: -1})
	if ended := r.interrupted(reading, "reading the workloads"); ended != nil {
		return r.end(), r.fail(ended)
	}
	r.exit(Passed, diagnosedState(r.report.Workloads, r.findings))
	return r.end(), nil
}

// diagnosedState counts the workloads that are not in order, by their status or by a finding that blames something.
func diagnosedState(workloads []rollout.Status, findings []diagnosis.Finding) string {
	broken := map[string]bool{}
	for _, s := range workloads {
		if s.Phase != rollout.Complete {
			broken[s.Ref.String()] = true
		}
	}
	for _, x := range findings {
		if x.Blames() {
			broken[x.Workload.String()] = true
		}
	}
	if len(broken) == 0 {
		return list(namesOf(workloads), "there are no workloads", " in order")
	}
	names := slices.Sorted(maps.Keys(broken))
	state := list(names, "", " not in order")
	if len(findings) > 0 && findings[0].Blames() {
		state += ": " + findings[0].Code
	}
	return state
}

func namesOf(workloads []rollout.Status) []string {
	names := make([]string, len(workloads))
	for i, s := range workloads {
		names[i] = s.Ref.String()
	}
	return names
}

// firstLook waits until everything that a status needs has arrived once.
func (f *follower) firstLook(ctx context.Context) error {
	deadline := time.NewTimer(firstAnswer)
	defer deadline.Stop()
	for {
		ready := true
		for i := range f.targets {
			ready = f.want(i) && ready
		}
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return nil
		case <-f.w.Changed():
		}
	}
}

// want asks for everything about target i, and tells whether it is there.
func (f *follower) want(i int) bool {
	f.w.LookCloser(i)
	if !f.w.Synced(i) {
		return false
	}
	workload := f.w.Workload(i)
	status := rollout.Evaluate(workload)
	f.states[i].status = status
	if status.Reason == rollout.ReasonCheckingServices {
		f.w.LookAtServices(i)
		return false
	}
	_, hasPods := rollout.PodSelector(workload.Live)
	return workload.Live == nil || !hasPods || workload.PodsKnown
}
