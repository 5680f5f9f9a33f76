package gate

import (
	"maps"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// idle is how long a workload may stand still before its pods are followed one by one; a big one, whose pods are
	// many, may stand still for longer.
	idle, idleBig = 10 * time.Second, 30 * time.Second
	big           = 50 // pods
	// worthTelling is how long a finding has to stay before it is told of.
	worthTelling = time.Second
	// longest is the longest time between two looks: rules that count seconds need one without a change.
	longest = 5 * time.Second
	// environmentAfter is how long something has to be wrong before the environment of a workload is read, and
	// environmentEvery how often after that.
	environmentAfter = 15 * time.Second
	environmentEvery = 30 * time.Second
	// freeEvery is how often pods may be deleted that keep a StatefulSet from moving.
	freeEvery = time.Second
)

// state is what the follower remembers of one target.
type state struct {
	status   rollout.Status
	write    *patch.Write // what this run wrote of it; nil when it wrote nothing
	confirm  diagnosis.Confirmer
	progress progress
	patience diagnosis.Patience

	warned map[string]time.Time // since when each code is there; zero once it was told
	best   int32                // the most progress seen, and since when nothing more came
	since  time.Time

	// accepted is the object with the changes that others have made meanwhile, and that took nothing over.
	accepted rollout.Object

	awaits  bool // the version that is to be judged has not come
	renewed bool // it has, and is another one than there was
	// arrivals is how much had arrived when it was looked at last, and again when it is looked at without more; zero: now.
	arrivals uint64
	again    time.Time

	held    bool // complete, but something about it can still decide
	checked time.Time
	looked  bool // at least once
	sound   bool // it was complete at some time
	before  bool // see Observed.Before

	troubled        time.Time // since when something is wrong with it; zero while nothing is
	environment     diagnosis.Evidence
	environmentRead time.Time
	evidenceRead    time.Time
	freed           time.Time
	asked           time.Time // which old pods are to be replaced next
	cannotReplace   string    // what kept the last one from being replaced
	busy            map[intentKind]bool
	due             time.Time // when it has to be complete; zero: when all have to
	decided         *diagnosis.Finding
	evidence        *diagnosis.Evidence
}

func newState(t rollout.Target, p diagnosis.Patience) state {
	return state{
		status:   rollout.Status{Ref: t.Ref, Phase: rollout.Progressing, Watched: true},
		patience: p, warned: map[string]time.Time{}, busy: map[intentKind]bool{}, since: time.Now(),
	}
}

// look evaluates the targets of which something is new, and those whose time has come: with many of them, most are as they
// were a moment ago. It returns what it wants done, and when to look again if nothing happens.
func (f *follower) look() (intents []intent, next time.Duration) {
	next = longest
	for i := range f.targets {
		s := &f.states[i]
		arrivals := f.w.Arrivals(i) // before it is looked at: what comes meanwhile is news then
		if left := time.Until(s.again); left > 0 && arrivals == s.arrivals {
			next = min(next, left)
			continue
		}
		if !f.w.Synced(i) {
			continue
		}
		wanted, again := f.lookAt(i)
		intents = append(intents, wanted...)
		s.arrivals, s.again = arrivals, time.Now().Add(again)
		next = min(next, again)
	}
	return intents, max(next, coalesce)
}

// lookAgain has every target looked at the next time, because what is asked of them has changed.
func (f *follower) lookAgain() {
	for i := range f.states {
		f.states[i].again = time.Time{}
	}
}

func (f *follower) lookAt(i int) (intents []intent, next time.Duration) {
	s := &f.states[i]
	if !f.came(i) {
		return nil, longest
	}
	workload := f.workload(i)
	status := rollout.Evaluate(workload)
	if status.Reason == rollout.ReasonTemplateChanged && f.accept(i, workload.Live) {
		intents = append(intents, intent{kind: readForeign, target: i})
		workload = f.workload(i)
		status = rollout.Evaluate(workload)
	}
	s.progress.observe(workload, status)
	f.count(workload, status)
	if status != s.status {
		f.changed(i, status)
	}
	f.compare(i, status)
	switch {
	case status.Phase == rollout.Superseded || status.Phase == rollout.Failed:
		return intents, longest
	case status.Phase == rollout.Complete && f.asking != InWindow:
		more, again := f.lookAtComplete(i, status)
		return append(intents, more...), again
	}
	s.held, s.checked = false, time.Time{}
	if status.Reason == rollout.ReasonCheckingServices {
		f.w.LookAtServices(i)
	}
	if x, stuck := f.stuck(i, workload, status); stuck {
		intents = append(intents, x)
	}
	if x, lacks := f.replacing(i, workload); lacks {
		intents = append(intents, x)
	}
	ev := f.evidence(i, f.w.Evidence(i, status))
	patience := idle
	if status.Desired > big {
		patience = idleBig
	}
	if time.Since(s.since) > patience || alarming(ev.Events) {
		f.w.LookCloser(i)
	}
	findings := diagnosis.Explain(ev.With(s.environment))
	if f.wantsEnvironment(i, findings) {
		intents = append(intents, intent{kind: readEnvironment, target: i})
	}
	f.warn(i, findings)
	more, again := f.decide(i, findings, workload.Now)
	if again == 0 { // only a change can decide
		again = longest
	}
	return append(intents, more...), min(again, worthTelling)
}

// workload is what is known of a target, with what was accepted of it since.
func (f *follower) workload(i int) rollout.Workload {
	w := f.known(i)
	if accepted := f.states[i].accepted; accepted != nil {
		w.Applied = accepted
	}
	return w
}

// lookAtComplete holds a complete rollout back as long as something about it can still decide: its pods are there, and
// a Service that sent traffic to the old ones does not know them.
func (f *follower) lookAtComplete(i int, status rollout.Status) ([]intent, time.Duration) {
	s := &f.states[i]
	if !s.held && !s.checked.IsZero() && time.Since(s.checked) < longest {
		return nil, longest
	}
	s.checked = time.Now()
	workload := f.workload(i)
	findings := slices.DeleteFunc(diagnosis.Explain(f.evidence(i, f.w.Evidence(i, status))), func(x diagnosis.Finding) bool {
		return x.Stage != "traffic" || !x.Decides()
	})
	f.warn(i, findings)
	if f.undone != nil {
		return nil, longest
	}
	intents, again := f.decide(i, findings, workload.Now)
	s.held = again > 0
	if !s.held {
		again = longest
	}
	return intents, again
}

// decide asks whether one of the findings has lasted. If so, everything else is read before it may decide: a program
// that says it waits for its database deserves more patience than one that says its configuration is wrong.
func (f *follower) decide(i int, findings []diagnosis.Finding, at time.Time) ([]intent, time.Duration) {
	s := &f.states[i]
	deciding, again := s.confirm.Confirm(findings, at, s.patience)
	if deciding == nil {
		return nil, again
	}
	if s.busy[readEvidence] || time.Since(s.evidenceRead) < longest {
		return nil, longest
	}
	s.evidenceRead = time.Now()
	return []intent{{kind: readEvidence, target: i}}, longest
}

// confirm asks again with all the evidence at hand.
func (f *follower) confirm(i int, read diagnosis.Evidence) {
	s := &f.states[i]
	s.evidenceRead = time.Now()
	ev := f.evidence(i, read)
	deciding, _ := s.confirm.Confirm(diagnosis.Explain(ev), ev.Workload.Now, s.patience)
	if deciding == nil {
		return
	}
	if f.unchanged(i) && !s.sound && deciding.FirstSeen.Before(f.r.began) {
		s.before = true
		return
	}
	s.decided, s.evidence = deciding, &ev
}

// compare finds out whether a workload that this run does not change was in trouble when it began. A run that changes
// nothing at all has nothing else to judge.
func (f *follower) compare(i int, status rollout.Status) {
	s := &f.states[i]
	first := !s.looked
	s.looked = true
	if status.Phase == rollout.Complete {
		s.sound, s.before = true, false
	}
	if f.unchanged(i) && !s.sound && (status.BrokenBefore || first && status.Phase == rollout.Failed) {
		s.before = true
	}
}

// unchanged tells whether a target is only there because it is in the manifests of a run that changes something else.
func (f *follower) unchanged(i int) bool {
	w := f.states[i].write
	return f.undone == nil && f.r.changes && w != nil && w.Action == patch.Unchanged
}

// accept takes what others have changed of a workload as given when everything is still there that this run has
// changed. It returns false when it is not: then somebody has taken over.
func (f *follower) accept(i int, live rollout.Object) bool {
	s := &f.states[i]
	if f.undone != nil || s.write == nil || live == nil || !patch.Holds(*s.write, live) {
		return false
	}
	s.accepted = live
	return true
}

// stuck says which pods keep a StatefulSet from moving: those of the revision that was taken back, or those of the
// version before a good new one.
func (f *follower) stuck(i int, w rollout.Workload, s rollout.Status) (intent, bool) {
	state := &f.states[i]
	if f.r.g.KeepStuckPods || w.Live == nil || state.busy[freePods] || time.Since(state.freed) < freeEvery {
		return intent{}, false
	}
	revision := s.BlockedBy
	if undone := f.undone[s.Ref]; revision == "" && undone != "" && undone != s.Revision { // an undo may have been carried out before this run
		revision = undone
	}
	if revision == "" || f.unchanged(i) || f.r.report.Run.Command == "watch" {
		return intent{}, false
	}
	state.freed = time.Now()
	return intent{kind: freePods, target: i, revision: revision}, true
}

// wantsEnvironment tells whether it is time to read the environment: some proofs need to know the nodes or the quota.
func (f *follower) wantsEnvironment(i int, findings []diagnosis.Finding) bool {
	s := &f.states[i]
	if !slices.ContainsFunc(findings, diagnosis.Finding.Blames) {
		s.troubled, s.environment = time.Time{}, diagnosis.Evidence{}
		return false
	}
	if s.troubled.IsZero() {
		s.troubled = time.Now()
	}
	if s.busy[readEnvironment] || time.Since(s.troubled) < environmentAfter || time.Since(s.environmentRead) < environmentEvery ||
		time.Since(f.environmentRead) < longest {
		return false
	}
	f.environmentRead, s.environmentRead = time.Now(), time.Now()
	return true
}

// alarming tells whether there is a warning that a healthy start does not cause. Probes fail while a program starts.
func alarming(events []diagnosis.Event) bool {
	return slices.ContainsFunc(events, func(e diagnosis.Event) bool { return e.Warning && e.Reason != "Unhealthy" })
}

// changed tells of a new status and notes when it is progress.
func (f *follower) changed(i int, status rollout.Status) {
	s := &f.states[i]
	old := s.status
	s.status = status
	if done := status.Updated + status.Ready + status.Available; done > s.best {
		s.best, s.since = done, time.Now()
	}
	// Once everything was complete and the criteria are being measured, a workload that is briefly incomplete (a pod was
	// evicted, an autoscaler scaled) is no news.
	if f.asking == InWindow && status.Phase == rollout.Progressing && old.Phase == rollout.Complete {
		return
	}
	f.r.tell(status.Ref, Status{status})
}

// warn tells of findings that stay, so that a reader of a log sees trouble coming. What is over within a moment (a
// controller that has not looked yet) is no trouble.
func (f *follower) warn(i int, findings []diagnosis.Finding) {
	warned := f.states[i].warned
	maps.DeleteFunc(warned, func(code string, since time.Time) bool { // it did not stay, and begins anew when it comes again
		return !since.IsZero() && !slices.ContainsFunc(findings, func(x diagnosis.Finding) bool { return x.Code == code })
	})
	for _, x := range findings {
		since, known := warned[x.Code]
		switch {
		case x.Terminal == diagnosis.TerminalContext, known && since.IsZero():
		case !known:
			warned[x.Code] = time.Now()
		case time.Since(since) >= worthTelling:
			warned[x.Code] = time.Time{}
			f.r.tell(x.Object.Ref, Warning{x.Code, x.Cause})
		}
	}
}
