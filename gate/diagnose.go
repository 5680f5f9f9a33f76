package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// firstAnswer is how long Diagnose waits for the first answers of its watches.
	firstAnswer = 10 * time.Second
	// diagnoseTime is how long it may read after that.
	diagnoseTime = time.Minute
)

// Diagnose says what is wrong with workloads now. It changes nothing. That something is broken is the answer, and no
// failure of the command, unless ExitOnFindings says so.
func (g Gate) Diagnose(ctx context.Context, targets []rollout.Target) (Report, error) {
	r := g.begin(ctx, "diagnose")
	f, stop := r.follow(targets)
	defer stop()
	reading, release := r.course.enter(Watching, diagnoseTime)
	defer release()
	if err := f.firstLook(reading); err != nil {
		return r.failed(err)
	}
	r.report.Workloads = f.statuses()
	// Whatever deserves patience in a gate is the answer here: somebody asks now.
	r.findings = f.explainIn(reading, Verdict{Outcome: TimedOut, Target: -1})
	if ended := r.interrupted(reading, "reading the workloads"); ended != nil {
		return r.failed(ended)
	}
	r.keepLogs()
	broken := brokenWorkloads(r.report.Workloads, r.findings)
	outcome := Passed
	if len(broken) > 0 && g.ExitOnFindings {
		outcome = RolloutFailed
	}
	r.exit(outcome, diagnosedState(r.report.Workloads, broken))
	return r.end(), nil
}

// broken is a workload that is not in order, and the code of what explains it best; "" when nothing does.
type broken struct {
	workload manifest.Ref
	code     string
}

// brokenWorkloads lists those that failed or that a finding blames something in, those of the first findings first.
func brokenWorkloads(workloads []rollout.Status, findings []diagnosis.Finding) []broken {
	var all []broken
	add := func(ref manifest.Ref, code string) {
		if !slices.ContainsFunc(all, func(b broken) bool { return b.workload == ref }) {
			all = append(all, broken{ref, code})
		}
	}
	for _, x := range findings {
		if x.Blames() {
			add(x.Workload, x.Code)
		}
	}
	for _, s := range workloads {
		if s.Phase == rollout.Failed {
			add(s.Ref, s.Reason)
		}
	}
	return all
}

// diagnosedState counts the workloads that are broken, and those that are only on their way.
func diagnosedState(workloads []rollout.Status, all []broken) string {
	unfinished := 0
	for _, s := range workloads {
		if s.Phase != rollout.Complete && s.Watched && !slices.ContainsFunc(all, func(b broken) bool { return b.workload == s.Ref }) {
			unfinished++
		}
	}
	state := ""
	switch {
	case len(all) > 0:
		verb := map[bool]string{true: "is", false: "are"}[len(all) == 1]
		state = fmt.Sprintf("%d of %d workloads %s broken: %s", len(all), len(workloads), verb, brokenNames(all))
	case unfinished == 0:
		return list(namesOf(workloads), "there are no workloads", " in order")
	}
	switch {
	case unfinished == 0:
	case state == "":
		state = fmt.Sprintf("nothing is known to be wrong; %d of %d workloads not complete", unfinished, len(workloads))
	default:
		state += fmt.Sprintf("; %d not complete", unfinished)
	}
	return state
}

// brokenNames names at most three of them.
func brokenNames(all []broken) string {
	var names []string
	for _, b := range all[:min(len(all), 3)] {
		name := b.workload.String()
		if b.code != "" {
			name += " (" + b.code + ")"
		}
		names = append(names, name)
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
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
