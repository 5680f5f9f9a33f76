package gate

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// coalesce is how long changes that arrive together are gathered before anything is judged. Where there is so much to look at
// that it takes its time, they are gathered for as long as that took, but no longer than mostCoalesce: a rollout of thousands
// of pods, or of hundreds of workloads, always has news.
const (
	coalesce     = 20 * time.Millisecond
	mostCoalesce = 200 * time.Millisecond
)

// follower follows targets to a verdict: events come in (something arrived, time passed, an answer, a measurement, a
// signal), intents go out (what to read, whom to free). One goroutine owns it; looking at what has arrived changes
// nothing in the cluster.
type follower struct {
	r       *run
	w       Watch
	targets []rollout.Target
	states  []state
	// undone is set while an undo is followed: the revision that was taken back, by object.
	undone map[manifest.Ref]string
	// stage is what is followed; trial is the command that tests it when it is where it should be, held is since when it is
	// held after that, and approval what somebody has to say then.
	stage    Stage
	held     time.Time
	approval approval
	trial    trial
	// measurement asks the criteria meanwhile, and news is what it has to tell; both are nil while there is none, and when
	// it has results. asking is how far it is.
	measurement *criteria.Measurement
	news        <-chan criteria.News
	asking      Asking
	// environmentRead is when the environment of any target was read last: one at a time.
	environmentRead time.Time
	// together and services are the same for all targets: what the run changes, and the Services that it changes, as they
	// were before.
	together []manifest.Ref
	services []*corev1.Service

	answers chan answer
	pending sync.WaitGroup
}

// intent is something that the follower wants done, and that takes time. It is done beside the loop, and its answer is
// an event.
type intent struct {
	kind     intentKind
	target   int
	revision string // of the pods to free
	atOnce   int32  // how many nodes may be without a pod while some are replaced
}

type intentKind int

const (
	readEnvironment intentKind = iota // what else is there that explains the trouble of a target
	readEvidence                      // everything, because a finding is about to decide
	freePods                          // the pods of a revision that keep a StatefulSet from moving
	replacePods                       // old pods of a DaemonSet, of which some nodes are to get new ones
	readForeign                       // who has changed the target meanwhile
)

// answer is what came of an intent.
type answer struct {
	intent
	evidence diagnosis.Evidence
	pods     []string
	replaced []Replaced
	note     string
	kept     []patch.Kept
	err      error
}

// follow begins to follow targets. The watch below goes on until stop is called: evidence is read from it after the
// verdict.
func (r *run) follow(targets []rollout.Target) (f *follower, stop func()) {
	ctx, cancel := context.WithCancel(r.course.root)
	r.treat(targets)
	f = &follower{
		r: r, w: r.g.Cluster.Watch(ctx, targets), targets: targets, states: make([]state, len(targets)),
		answers: make(chan answer), services: servicesBefore(r.writes),
	}
	for _, c := range r.report.Changes {
		f.together = append(f.together, c.Object)
	}
	for i := range f.states {
		f.states[i] = newState(targets[i], r.patienceFor(targets[i]))
		f.states[i].write = r.writeOf(targets[i].Ref)
		f.states[i].awaits = len(targets[i].Awaited) > 0
	}
	return f, func() { cancel(); f.w.Wait() }
}

// writeOf is what this run wrote of an object; nil when it is none of its objects.
func (r *run) writeOf(ref manifest.Ref) *patch.Write {
	var unchanged *patch.Write
	for i := len(r.writes) - 1; i >= 0; i-- { // the last step of several
		switch w := &r.writes[i]; {
		case w.Ref != ref:
		case w.Action != patch.Unchanged:
			return w
		case unchanged == nil:
			unchanged = w
		}
	}
	return unchanged
}

// until follows the targets until there is a verdict, at the latest when ctx ends. judged says that the criteria are
// asked.
func (f *follower) until(ctx context.Context, p Phase, judged bool) Verdict {
	heartbeat := time.NewTicker(f.r.g.Heartbeat)
	defer heartbeat.Stop()
	recheck := time.NewTimer(0)
	defer recheck.Stop()
	reading, stopReading := context.WithCancel(ctx)
	defer func() { stopReading(); f.pending.Wait() }()
	if judged {
		defer f.finishMeasuring()
	}
	started := time.Now()
	for {
		began := time.Now()
		intents, next := f.look()
		for _, x := range intents {
			f.perform(reading, x)
		}
		if judged {
			f.measureWhenCome(ctx)
		}
		if ctx.Err() != nil {
			f.finishMeasuring()
		}
		next = min(next, f.holding(reading), f.nextDue())
		if v, over := judge(f.situation(ctx, p)); over {
			return v
		}
		if f.measurement != nil {
			f.measurement.Update(f.workloads())
		}
		if f.asking == Rolling && complete(f.observed()) && !f.awaitsTest() {
			f.openWindow()
		}
		recheck.Reset(next)
		pause := time.Since(began)
		select {
		case <-ctx.Done():
		case <-f.w.Changed():
			wait(ctx, min(max(coalesce, pause), mostCoalesce))
		case <-recheck.C:
		case <-heartbeat.C:
			f.tellWaiting(time.Since(started), ctx)
		case a := <-f.answers:
			f.take(a)
		case n := <-f.news:
			f.hear(n)
		case <-f.trial.more():
			f.testSaid()
		case err := <-f.trial.ended:
			f.tested(err)
		case d := <-f.approval.answers:
			f.answered(d)
		}
	}
}

// wait lets time pass, unless ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// perform does what an intent wants, beside the loop. A target has at most one reading at a time.
func (f *follower) perform(ctx context.Context, x intent) {
	state, workload := &f.states[x.target], f.w.Workload(x.target)
	state.busy[x.kind] = true
	status, write := state.status, state.write
	f.pending.Go(func() {
		a := answer{intent: x}
		switch x.kind {
		case readEnvironment, readEvidence:
			a.evidence = f.w.Read(ctx, x.target, status, diagnosis.Needs)
		case replacePods:
			a.replaced, a.note, a.err = f.r.replace(ctx, workload, x.atOnce)
		case freePods:
			a.pods, a.err = f.r.g.Cluster.FreeStuck(ctx, workload.Live, x.revision)
		case readForeign:
			a.kept, a.err = f.r.g.Cluster.Foreign(ctx, *write)
		}
		select {
		case f.answers <- a:
		case <-ctx.Done():
		}
	})
}

// take takes an answer in.
func (f *follower) take(a answer) {
	state, ref := &f.states[a.target], f.targets[a.target].Ref
	state.busy[a.kind], state.again = false, time.Time{}
	switch a.kind {
	case readEnvironment:
		state.environment = a.evidence.Environment()
	case readEvidence:
		f.confirm(a.target, a.evidence)
	case replacePods:
		f.replaced(a)
		return
	case freePods:
		for _, pod := range a.pods {
			f.r.tell(ref, Freed{Pod: pod, Undone: f.undone != nil})
		}
	case readForeign:
		if len(a.kept) > 0 {
			f.r.tell(ref, Foreign{a.kept})
		}
	}
	if a.err != nil {
		f.r.tell(ref, Trouble{a.err.Error()})
	}
}

// situation is everything that a verdict goes by, now.
func (f *follower) situation(ctx context.Context, p Phase) Situation {
	s := Situation{
		Workloads: f.observed(), Undoing: f.undone != nil, Criteria: f.asking, Results: f.r.report.Criteria,
		Policy: f.r.g.Policy, RequirePods: f.r.g.RequirePods, Ended: f.r.course.response(ctx, p),
	}
	s.Signal, _ = f.r.course.cancelled()
	s.Unaccepted = f.r.g.Cluster.Unaccepted()
	s.CalledOff = f.r.course.calledOff() != nil
	s.Holding, s.Test, s.Approval = f.inHold() || f.awaitsTest(), f.trial.state, f.approval.state()
	return s
}

// inHold tells whether the stage is to go on although everything is where it should be.
func (f *follower) inHold() bool {
	least := max(f.stage.Hold, f.stage.Rest)
	return least > 0 && (f.held.IsZero() || time.Since(f.held) < least)
}

// holding begins the test when everything has come to where it should be, the hold after it, and asks for the approval
// after that. It returns when to look again because of that.
func (f *follower) holding(ctx context.Context) time.Duration {
	least := max(f.stage.Hold, f.stage.Rest)
	if least <= 0 && f.stage.Approval == nil && !f.awaitsTest() || f.held.IsZero() && !complete(f.observed()) {
		return longest
	}
	if f.awaitsTest() {
		f.testing(ctx)
		return longest
	}
	if f.held.IsZero() {
		f.held = time.Now()
		if least > 0 {
			f.r.step(Step{Name: StepHold, Stage: f.r.stage, Limit: least})
		}
	}
	if f.inHold() {
		return max(least-time.Since(f.held), coalesce)
	}
	return f.ask(ctx)
}

func (f *follower) observed() []Observed {
	out := make([]Observed, len(f.states))
	for i := range f.states {
		s := &f.states[i]
		out[i] = Observed{
			Status: s.status, Known: f.w.Synced(i), Held: s.held, Deciding: s.decided, Evidence: s.evidence, Before: s.before,
			Overdue: s.overdue(),
		}
	}
	return out
}

func (f *follower) statuses() []rollout.Status {
	out := make([]rollout.Status, len(f.states))
	for i := range f.states {
		out[i] = f.states[i].status
	}
	return out
}

// tellWaiting names what is not complete yet.
func (f *follower) tellWaiting(since time.Duration, ctx context.Context) {
	w := Waiting{Since: since, Test: f.trial.state == Testing, Stage: f.r.stage}
	switch {
	case f.held.IsZero():
	case f.inHold():
		w.Hold = max(f.stage.Hold, f.stage.Rest) - time.Since(f.held)
	case f.approval.state() == Awaited:
		w.Approve = f.r.report.Run.ID
	}
	if deadline, limited := ctx.Deadline(); limited {
		w.Limit = since + time.Until(deadline)
	}
	for _, s := range f.observed() {
		switch {
		case s.Status.Phase == rollout.Complete && s.Status.Reason == rollout.ReasonBeside && len(w.Staged) < 3:
			w.Staged = append(w.Staged, s.Status)
		case s.Status.Phase == rollout.Complete || s.Before:
		case len(w.Workloads) == 3:
			w.More++
		default:
			w.Workloads = append(w.Workloads, s.Status)
		}
	}
	f.r.tell(manifest.Ref{}, w)
}
