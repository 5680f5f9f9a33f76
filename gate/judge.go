package gate

import (
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Verdict is what a rollout, or an undo, was judged to be.
type Verdict struct {
	Outcome Outcome
	// Target is the number of the workload that decided; -1 when none did.
	Target int
	// Finding is the rule that decided, on Evidence; nil when none did.
	Finding  *diagnosis.Finding
	Evidence *diagnosis.Evidence
	// Action is what follows when criteria decided; "" otherwise.
	Action analysis.Action
	// Awaited says that there was nothing to judge: the version that was to come has not.
	Awaited bool
	// Unaccepted says that nothing could be seen any more, for the API server does not accept the credentials of the run.
	Unaccepted bool
	// Nothing says that the rollout is complete, and runs no pod: the numbers of those workloads.
	Nothing []int
}

// Situation is everything that a verdict goes by, at one moment.
type Situation struct {
	Workloads []Observed
	// Undoing is set for the rollout of an undo. Whether it runs anything is not the question: only whether it is back.
	Undoing bool
	// Criteria is how far the criteria are, and Results what they have answered so far, or in the end.
	Criteria Asking
	Results  []analysis.Result
	Policy   analysis.Policy
	// RequirePods makes a rollout inconclusive that is complete without a pod.
	RequirePods bool
	// Approval is how far the answer is that the stage waits for.
	Approval ApprovalState
	// Test is how far the command is that the stage is tested by.
	Test TestState
	// Holding is set while a complete rollout is to go on before it has passed.
	Holding bool
	// Ended is what came from outside, GoOn while nothing did, and Signal the first signal.
	Ended  Response
	Signal syscall.Signal
	// CalledOff says that it is another part of a larger run that has ended this one.
	CalledOff bool
	// Unaccepted is for how long the API server has not accepted the credentials of the run.
	Unaccepted time.Duration
}

// credentialPatience is how long an API server may refuse the credentials of a run that goes on: whoever makes them may be late.
const credentialPatience = time.Minute

// Observed is one workload in a situation.
type Observed struct {
	Status rollout.Status
	// Known is false until the first answer about it has arrived.
	Known bool
	// Held is set while something about a complete workload may still decide.
	Held bool
	// Deciding is a finding that was seen for long enough, and again on all the evidence; nil when there is none.
	Deciding *diagnosis.Finding
	Evidence *diagnosis.Evidence
	// Overdue is set when the time of its own is up for a workload that was never complete.
	Overdue bool
	// Before is set for a workload that this run does not change and that was in trouble when it began. Its trouble is
	// not this run's.
	Before bool
}

// Asking is how far the criteria of a stage are.
type Asking int

// How far the criteria are.
const (
	NotAsked Asking = iota // there are none, or this stage is not judged by any
	Rolling                // asked while the rollout goes on: they can fail it, not pass it
	InWindow               // the rollout is complete; their window runs
	Answered               // Results are final
)

// judge says what a situation means; over is false while nothing does. It is the only place that calls a rollout good
// or bad.
func judge(s Situation) (v Verdict, over bool) {
	if s.Ended == Yield {
		return Verdict{Outcome: Superseded, Target: -1}, true
	}
	if s.Ended == TakeBack || s.Ended == Stop || s.Ended == CutShort || s.Ended == Abandon {
		if s.Signal != 0 {
			return Verdict{Outcome: cancelledBy(s.Signal), Target: -1}, true
		}
		if s.CalledOff {
			return Verdict{Outcome: CalledOff, Target: -1}, true
		}
	}
	for i, w := range s.Workloads {
		switch {
		case !w.Known || w.Before:
		case w.Status.Phase == rollout.Superseded:
			return Verdict{Outcome: Superseded, Target: i}, true
		case w.Status.Phase == rollout.Failed:
			return Verdict{Outcome: RolloutFailed, Target: i}, true
		case w.Deciding != nil:
			return Verdict{Outcome: RolloutFailed, Target: i, Finding: w.Deciding, Evidence: w.Evidence}, true
		}
	}
	if s.Unaccepted >= credentialPatience || s.Unaccepted > 0 && s.Ended != GoOn { // what is known is old
		return Verdict{Outcome: Inconclusive, Target: -1, Action: s.Policy.For(analysis.Inconclusive), Unaccepted: true}, true
	}
	if s.Criteria == Answered {
		if v := byCriteria(s); v.Outcome != Passed {
			return v, true
		}
	}
	if s.Test == TestFailed {
		return Verdict{Outcome: RolloutFailed, Target: -1}, true
	}
	switch s.Approval {
	case Refusal, Silence:
		return Verdict{Outcome: Rejected, Target: -1}, true
	case Awaited:
		s.Holding = true
	}
	if complete(s.Workloads) && !s.Holding && (s.Criteria == NotAsked || s.Criteria == Answered) {
		return passed(s), true
	}
	if s.Ended != GoOn {
		return overdue(s), true
	}
	for i, w := range s.Workloads {
		if w.Overdue && !w.Before && w.Status.Phase != rollout.Complete {
			v := overdue(s)
			if v.Outcome == TimedOut {
				v.Target = i
			}
			return v, true
		}
	}
	return Verdict{}, false
}

// passed is a complete rollout, unless it runs nothing and something has to run. One that somebody has scaled to zero
// while it went on has proven nothing, whoever asked for pods.
func passed(s Situation) Verdict {
	v := Verdict{Outcome: Passed, Target: -1}
	for i, w := range s.Workloads {
		if w.Status.Reason != rollout.ReasonZeroReplicas {
			continue
		}
		v.Nothing = append(v.Nothing, i)
		if !s.Undoing && (s.RequirePods || w.Status.ScaledToZero) {
			v.Outcome = Inconclusive
		}
	}
	return v
}

// overdue is a rollout whose time is up. A criterion that is violated by then says more than that it was late.
func overdue(s Situation) Verdict {
	breached := s.Criteria != NotAsked && analysis.Overall(s.Results) == analysis.Fail
	if breached || s.Criteria == InWindow && complete(s.Workloads) {
		return byCriteria(s)
	}
	if onlyAwaited(s.Workloads) {
		return Verdict{Outcome: Inconclusive, Target: -1, Awaited: true}
	}
	return Verdict{Outcome: TimedOut, Target: -1}
}

// onlyAwaited tells whether all that a rollout lacks are versions that have not come.
func onlyAwaited(workloads []Observed) bool {
	awaited := false
	for _, w := range workloads {
		is := w.Status.Reason == rollout.ReasonAwaited
		if !is && !complete([]Observed{w}) {
			return false
		}
		awaited = awaited || is
	}
	return awaited
}

// byCriteria is what the criteria's results mean, by the policy.
func byCriteria(s Situation) Verdict {
	verdict, action := s.Policy.Decide(s.Results)
	switch {
	case verdict == analysis.Pass, action == analysis.ActionPass:
		return Verdict{Outcome: Passed, Target: -1}
	case verdict == analysis.Fail:
		return Verdict{Outcome: CriteriaFailed, Target: -1, Action: action}
	}
	return Verdict{Outcome: Inconclusive, Target: -1, Action: action}
}

// complete tells whether every workload is where it should be, apart from those whose trouble is older than the run.
func complete(workloads []Observed) bool {
	for _, w := range workloads {
		if !w.Known || w.Held || w.Status.Phase != rollout.Complete && !w.Before {
			return false
		}
	}
	return true
}
