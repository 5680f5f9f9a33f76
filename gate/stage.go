package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// Stage is a part of a run that is written, watched and judged before the next one is begun. A plain run has one. What
// all stages so far have written is what an undo takes back.
type Stage struct {
	Name string
	// Writes are the objects of the stage, in the order of writing. Those that are as they should be are among them:
	// they are watched, too. An object that an earlier stage has written is written once more as a further step.
	Writes []patch.Write
	// Goals are how many new pods of a workload are to run beside the old ones, for those that are not to be complete.
	Goals map[manifest.Ref]int32
	// Test has to succeed when the stage has come to where it should be, before its hold begins; nil: there is none.
	Test *Test
	// Service is one that leads to the new pods alone, for the test; empty: there is none.
	Service string
	// Hold is how long the stage goes on after it has come to where it should be. It takes the place of the criteria's
	// window.
	Hold time.Duration
	// Approval is asked for when the stage has passed otherwise; nil: nobody has to say anything.
	Approval *Approval
	// Judge says that the criteria are asked when the stage is complete, and that the stage passes when they hold.
	// While a stage is going on they are asked in any case.
	Judge bool
	// Alone says that the old pods which are there have no users any more.
	Alone bool
	// Rest is how long the stage goes on at least after it has come to where it should be; the criteria's window is part of
	// that.
	Rest time.Duration
	// Unsplit puts HTTPRoutes back that the run has written only to split their requests, when all else is written.
	Unsplit bool
	// Unpin puts back, before the stage writes anything, what the run has written only to lead traffic: those HTTPRoutes,
	// and the Services that are pinned.
	Unpin bool
	// Hooks are those of the objects that do their work at their moment in the run: the stage is complete when they have
	// done it.
	Hooks []manifest.Ref
	// Deletes are the hooks of this stage and earlier ones, and what the run has made for itself, that are deleted when it has
	// passed; DeletesFailed the hooks of it that are deleted when they have failed.
	Deletes, DeletesFailed []manifest.Ref
}

// Planner makes stages out of a plan. It is pure: what it needs to know of the cluster is in the plan.
type Planner struct {
	Name string
	// Stages are the stages of this plan; none when the planner has nothing to say about it. The error is something that
	// cannot work, in words for a person.
	Stages func(patch.Plan) ([]Stage, error)
}

// planners are asked in this order, and the first that answers decides. The last one always does.
func (g Gate) planners() []Planner {
	return append(g.Planners, blueGreen(g.Delivery), traffic(g.Delivery), drain(g.Delivery), canary(g.Delivery), plain)
}

// plain writes everything at once.
var plain = Planner{Name: "plain", Stages: func(p patch.Plan) ([]Stage, error) {
	p = unpinnedPlan(p)
	return []Stage{{Name: "all", Writes: p.Writes, Judge: p.Changes()}}, nil
}}

// stagesOf asks the planners about what is written together, and then the API server about each step of an object that is written in several.
func (r *run) stagesOf(p patch.Plan) ([]Stage, error) {
	p, tests := withoutTests(p)
	p.Prunes = nil // what is deleted goes when all stages have passed
	if err := checkHooks(p); err != nil {
		return nil, refusedError{err}
	}
	if err := r.g.Delivery.unknown(p.Writes); err != nil {
		return nil, err
	}
	if r.unpinnable != nil {
		return nil, r.unpinnable
	}
	stages, err := inOrder(r.order, p, r.g.planners())
	if err == nil {
		stages, err = r.testedByJobs(stages, tests)
	}
	if err != nil {
		return nil, refusedError{err}
	}
	if err := errors.Join(r.canCompare(), r.canWait(stages)); err != nil {
		return nil, err
	}
	if err := r.hasRoom(stages); err != nil {
		return nil, err
	}
	if err := r.optionsFit(stages); err != nil {
		return nil, err
	}
	return stages, r.tryStages(stages)
}

// canWait refuses stages that wait for somebody who could not answer, or could not go on.
func (r *run) canWait(stages []Stage) error {
	for _, s := range stages {
		if s.Test.limit() > 0 && r.g.RunTest == nil {
			return invalidError{fmt.Errorf("stage %s is tested by a command, and nobody here can carry one out", s.Name)}
		}
		switch {
		case s.Approval == nil || r.report.Run.Command == "plan":
		case r.lock == nil:
			return refusedError{fmt.Errorf("stage %s has to be approved, which is written to the lease of the run, and this run has none\n  hint: let the account use leases, and do not run with --record file", s.Name)}
		case s.Approval.Park && r.g.Keep == KeepNothing:
			return refusedError{fmt.Errorf("a run that is not on record cannot be parked: nothing could go on with it\n  hint: run without --record none")}
		}
	}
	return nil
}

// tryStages asks the API server what it would make of each step. Those that end as the plan says were asked already.
func (r *run) tryStages(stages []Stage) error {
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	for _, s := range stages {
		for i := range s.Writes {
			w := &s.Writes[i]
			if _, partly := s.Goals[w.Ref]; !partly && !w.Steers() {
				continue
			}
			err := r.g.Cluster.TryStep(ctx, w)
			if err == nil && w.Added && w.Step == 0 { // a pin that could not be taken away again would stay
				err = r.g.Cluster.TryBack(ctx, *w)
			}
			if err != nil {
				if ended := r.interrupted(ctx, "asking the API server about the stages"); ended != nil {
					return ended
				}
				return fmt.Errorf("stage %s of %s: %w", s.Name, w.Ref, err)
			}
		}
	}
	return nil
}

// perform goes through the stages until one does not pass. The error is one of writing.
func (r *run) perform(stages []Stage) (v Verdict, err error) {
	for n, s := range stages {
		passed := slices.Contains(r.passed, s.Name)
		if passed {
			s = s.asPassed()
		}
		if len(stages) > 1 {
			r.stage, r.between = s.Name, n < len(stages)-1
			r.time(time.Now(), r.refsUntil(s), s.Judge, s.Test.limit()+s.Hold+s.answerTime())
		} else {
			r.time(r.began, r.refsUntil(s), s.Judge, 0)
		}
		r.begun = n + 1
		r.enterStage(n, passed)
		if err = r.resolve(n, s); err != nil && !passed {
			r.failure = err
			r.leaveStage(n, RolloutFailed)
			return r.unwritten(r.course.root, err)
		}
		if v, err = r.write(s); v.Outcome == Passed && !passed {
			v = r.watchStage(s, stages[n+1:])
		}
		r.leaveStage(n, v.Outcome)
		r.compared = r.compared || s.Judge && len(s.Goals) > 0 && !s.Alone
		if v.Outcome != Passed {
			return v, err
		}
		r.finish(s)
		if n < len(stages)-1 || len(s.Deletes) > 0 { // who goes on with this run must not run again what is deleted
			r.stages[n].Passed = true
			if s.Approval != nil && s.Approval.Park && !passed {
				r.leaveStage(n, Parked)
				return Verdict{Outcome: Parked, Target: -1}, nil
			}
			if err := r.keepOn(); err != nil {
				return Verdict{Outcome: Superseded, Target: -1}, nil
			}
		}
		r.clear(s.Deletes)
	}
	return v, nil
}

// notBegun says which stages are missing of a release that is left as it is.
func (r *run) notBegun(stages []Stage) {
	if r.report.Undo != nil && r.report.Undo.Result != UndoSkipped {
		return
	}
	for _, s := range stages[r.begun:] {
		r.note("stage %s was not begun: it is no part of what was left", s.Name)
	}
}

// finish notes what of a stage has come to its end: nothing that happens to it later is about this run any more. A Job
// may be removed by its ttlSecondsAfterFinished.
func (r *run) finish(s Stage) {
	for _, w := range s.Writes {
		if !runsOnce(w) || slices.Contains(r.finished, w.Ref) {
			continue
		}
		r.finished = append(r.finished, w.Ref)
		for _, status := range r.report.Workloads {
			if status.Ref == w.Ref {
				r.results = append(r.results, status)
			}
		}
	}
}

// toWatch are the writes so far that a stage is about, with what unfinished runs have left, unless a later stage writes it.
func (r *run) toWatch(later []Stage) []patch.Write {
	return slices.DeleteFunc(slices.Clone(r.writes), func(w patch.Write) bool {
		carried := slices.ContainsFunc(r.carried, func(c patch.Write) bool { return c.Ref == w.Ref })
		return w.Ended || slices.Contains(r.finished, w.Ref) || carried && r.comes(w, later)
	})
}

// comes tells whether a write of an unfinished run is to an object that only a later stage writes. What has tested a stage
// of that run says nothing about this one.
func (r *run) comes(w patch.Write, later []Stage) bool {
	own := r.writes[min(len(r.carried), len(r.writes)):]
	of := func(o patch.Write) bool { return o.Ref == w.Ref }
	return !slices.ContainsFunc(own, of) && (w.Test > 0 || slices.ContainsFunc(later, func(s Stage) bool { return slices.ContainsFunc(s.Writes, of) }))
}

// asPassed is a stage that an earlier run has come through: what it has given to a few pods is there, and a hook that is
// not there any more has run.
func (s Stage) asPassed() Stage {
	s.Writes = slices.Clone(s.Writes)
	for i := range s.Writes {
		if w := &s.Writes[i]; s.Goals[w.Ref] > 0 || w.Steers() {
			w.Written = w.Before
		}
	}
	s.Writes = slices.DeleteFunc(s.Writes, func(w patch.Write) bool { return w.Hook && w.Action == patch.Created && w.Written == nil })
	return s
}

// watchStage follows what all stages so far have written, as far as this one is to get.
func (r *run) watchStage(s Stage, later []Stage) Verdict {
	targets := r.waited(r.targetsOf(r.toWatch(later)))
	for i := range targets {
		targets[i].Goal, targets[i].Ends = s.Goals[targets[i].Ref], s.isHook(targets[i].Ref)
	}
	timing := r.g.Timing
	if s.Hold > 0 {
		timing = within(timing, s.Hold)
	}
	r.criteria.Timing = timing
	asked, answered := r.askedIn(s)
	r.criteria.Criteria, r.answered = slices.DeleteFunc(asked, func(c analysis.Criterion) bool { return r.criteria.Idle(c, asWorkloads(targets)) }), answered
	return r.watch(targets, s)
}

// askedIn are the criteria of a stage. Those that compare new pods with old ones under the same traffic have answered for
// good in the stages in which both had some; answered is what they said.
func (r *run) askedIn(s Stage) (asked []analysis.Criterion, answered []analysis.Result) {
	if !r.compared || len(s.Goals) > 0 && !s.Alone {
		return slices.Clone(r.g.Criteria), nil
	}
	for _, c := range r.g.Criteria {
		if !c.Concurrent() {
			asked = append(asked, c)
			continue
		}
		for _, result := range r.report.Criteria {
			if result.Name == c.Name {
				answered = append(answered, result)
			}
		}
	}
	return asked, answered
}

// canCompare refuses criteria that need users with old and new pods at once, where these change over together.
func (r *run) canCompare() error {
	if d := r.g.Delivery; !d.pins() || d.canaries() || d.shares() {
		return nil
	}
	for _, c := range r.g.Criteria {
		if c.Concurrent() {
			return invalidError{fmt.Errorf("criterion %s compares the new pods with the old ones under the same traffic, and they never have any at the same time in this delivery\n  hint: baseline: before, or a canary", c.Name)}
		}
	}
	return nil
}

// keepOn puts on record how far the run has come. A record that cannot be written now still says what there is to undo.
func (r *run) keepOn() error {
	if !r.recorded {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.course.root, keepTime)
	defer cancel()
	err := r.whileOurs(ctx, func() error { return r.g.Store.SaveRecord(ctx, r.record(record.Running)) })
	if lostLease(err) {
		return err
	}
	if err != nil {
		r.note("how far the run has come could not be put on record: %v", err)
	}
	return nil
}
