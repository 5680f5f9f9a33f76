package gate

import (
	"context"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// Turn is a point of a run at which a larger one, of which it is a part, may have it wait.
type Turn string

// The turns, in their order. Nothing is written before the last of them but the lease and the record of the run.
const (
	BeforeLock   Turn = "lock"   // everything is planned
	BeforeWrites Turn = "writes" // everything is asked, and the run is on record
)

// planAge is how old a plan may be that is carried out: others may have written since.
const planAge = 3 * time.Second

// awaitTurn waits until the run may go on, and tells for how long.
func (r *run) awaitTurn(turn Turn) (waited time.Duration, err error) {
	if r.g.Turn == nil {
		return 0, nil
	}
	ctx, release := r.course.enter(Planning, 0)
	defer release()
	began := time.Now()
	err = r.g.Turn(ctx, turn)
	if ended := context.Cause(ctx); ended != nil {
		err = ended
	}
	return time.Since(began), err
}

// prepare does what has to be done between a plan and its first write. On an error the exit is set.
func (r *run) prepare(plan patch.Plan) ([]Stage, error) {
	if plan.Changes() {
		if err := r.preflight(r.waited(r.targetsOfPlan(plan)), r.judgedOf(plan)); err != nil {
			return nil, err
		}
		r.mayKeep(plan)
	}
	stages, err := r.stagesOf(plan)
	if err != nil {
		return nil, r.fail(err)
	}
	r.endCarried(stages)
	r.stages = onRecord(stages)
	r.changes = plan.Changes() || len(r.carried) > 0
	if r.changes || r.pruning.first {
		if err := r.keep(stages); err != nil {
			return nil, r.fail(err)
		}
	}
	return stages, nil
}

// takeTurn waits for the last turn before the first write. What was planned is old by then, so it is planned again. On an error
// the exit is set.
func (r *run) takeTurn(stages []Stage, objects []manifest.Object) ([]Stage, error) {
	waited, err := r.awaitTurn(BeforeWrites)
	if err != nil {
		return nil, r.fail(err)
	}
	if waited <= planAge {
		return stages, nil
	}
	r.report.Changes = nil
	plan, err := r.plan(objects)
	if err != nil {
		return nil, err
	}
	if plan, err = r.adoptAgain(plan); err != nil {
		return nil, r.fail(err)
	}
	return r.prepare(plan)
}

// adoptAgain rebases the writes of unfinished runs on a new plan. On an error, what was taken over before still is: those runs
// count as continued, and nobody else would put back what they have left.
func (r *run) adoptAgain(plan patch.Plan) (_ patch.Plan, err error) {
	carried, tookOver, adopted := r.carried, r.tookOver, r.adopted
	defer func() {
		if err != nil {
			r.carried, r.tookOver, r.adopted = carried, tookOver, adopted
		}
	}()
	r.carried, r.tookOver, r.adopted = nil, nil, nil
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	for _, u := range r.unfinishedRuns {
		if plan, err = r.adopt(ctx, plan, u); err != nil {
			if ended := r.interrupted(ctx, "finding out what unfinished runs have left"); ended != nil {
				err = ended
			}
			return plan, err
		}
	}
	return plan, nil
}

// notBegunWith ends a run that has come as far as its first write and may not make it. What it has taken over from a killed run
// goes back: nobody else would do that now. Otherwise nothing of it stays, not even its record.
func (r *run) notBegunWith(err error) (Report, error) {
	if len(r.carried) == 0 {
		if r.recorded && r.course.yielded() == nil {
			r.withdraw()
			r.recorded = false
		}
		return r.end(), err
	}
	r.begins()
	r.writes = append([]patch.Write(nil), r.carried...)
	v, _ := r.unwritten(r.course.root, err)
	switch o := OutcomeOf(err); {
	case v.Outcome != RolloutFailed:
	case o == CalledOff:
		v.Outcome = CalledOff
	default:
		r.failure = err
	}
	r.conclude(v)
	return r.end(), r.hushed(err)
}

// unfinishedRun remembers a run whose writes this one takes over, and tells of it once.
func (r *run) unfinishedRun(u record.Record) {
	r.unfinishedRuns = append(r.unfinishedRuns, u)
	r.tell(manifest.Ref{}, Adopted{Run: u.ID, Since: u.Started, Pipeline: u.Pipeline.URL})
}
