package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// oneWrite is how long one write may take. A write is not cut short by a signal: its effect would be unknown.
const oneWrite = 20 * time.Second

// write writes the objects of a stage, in their order. Each of them is remembered before the next one is written, also
// when its answer was lost, so that an undo takes back what is there. The verdict is Passed when all are written.
func (r *run) write(s Stage) (Verdict, error) {
	r.step(Step{Name: StepApply, Stage: r.stage, Stages: r.stageNames()})
	ctx, release := r.course.enter(Writing, r.remaining())
	defer release()
	var moved bool // traffic has left pods
	if s.Unpin {
		if err := r.mayWrite(ctx); err != nil {
			return r.unwritten(ctx, err)
		}
		if moved, r.failure = r.unpin(ctx); r.failure != nil {
			return r.unwritten(ctx, r.failure)
		}
	}
	for _, w := range s.Writes {
		if moved && changesPods(w) { // those that had the traffic of a killed run may end by this
			r.step(Step{Name: StepHold, Stage: r.stage, Limit: drainTime})
			wait(ctx, drainTime)
			moved = false
		}
		moved = moved || w.Pinned() && w.Step == 0 && w.Written == nil && w.Action != patch.Unchanged
		if err := r.mayWrite(ctx); err != nil {
			return r.unwritten(ctx, err)
		}
		err := r.makeWay(ctx, w)
		if ended := r.mayWrite(ctx); ended != nil {
			return r.unwritten(ctx, ended)
		}
		if err == nil {
			err = r.writeOne(w)
		}
		if err != nil {
			r.findings = append(r.findings, diagnosis.ExplainApply(err, sent(w)))
			r.failure = fmt.Errorf("applying %s: %w", w.Ref, err)
			return r.unwritten(ctx, r.failure)
		}
		if w.Ref.Group == "" && w.Ref.Kind == "Namespace" && w.Action == patch.Created {
			if err := r.moveIn(ctx, w.Ref.Name); err != nil {
				r.failure = err
				return r.unwritten(ctx, err)
			}
		}
	}
	if s.Unsplit {
		if err := r.mayWrite(ctx); err != nil {
			return r.unwritten(ctx, err)
		}
		if _, r.failure = r.giveBack(isSplit); r.failure != nil {
			return r.unwritten(ctx, r.failure)
		}
	}
	return Verdict{Outcome: Passed, Target: -1}, nil
}

// sent is what a write sends, as the manifest that it came from where there is one.
func sent(w patch.Write) manifest.Object {
	if w.Object.Unstructured != nil {
		return w.Object
	}
	return manifest.Object{Unstructured: w.Sent, Source: w.Source}
}

// moveIn takes the lease in a namespace that was just made, and puts the run on record there when that is where it belongs.
func (r *run) moveIn(ctx context.Context, namespace string) error {
	err := r.settle(ctx, namespace)
	if OutcomeOf(err) == Denied {
		r.noLease(err)
	} else if err != nil {
		return err
	}
	if r.unhoused && namespace == r.g.Namespace {
		return r.save(ctx)
	}
	return nil
}

func (r *run) writeOne(w patch.Write) error {
	if w.Action == patch.Unchanged || w.Written != nil {
		r.writes = append(r.writes, w)
		return nil
	}
	if w.Step > 0 {
		w.Last = r.writeOf(w.Ref).Written
	}
	ctx, cancel := context.WithTimeout(r.course.root, oneWrite)
	defer cancel()
	err := r.g.Cluster.Write(ctx, &w)
	if err == nil || w.Written != nil || uncertain(err) {
		r.writes = append(r.writes, w)
	}
	if err == nil {
		r.tell(w.Ref, Applied{Action: w.Action, Pin: w.Pin, Split: w.Split})
	}
	return err
}

// mayWrite is why this run must not write now; nil when it may.
func (r *run) mayWrite(ctx context.Context) error {
	if err := r.lock.holds(ctx); lostLease(err) {
		r.course.lose(err)
	}
	return context.Cause(ctx)
}

// uncertain tells an answer that was lost from a no: what was asked for may have been done.
func uncertain(err error) bool {
	var stale *patch.StaleError
	return OutcomeOf(err) == Retry && !errors.As(err, &stale)
}

// unwritten is the verdict on a stage that could not be written.
func (r *run) unwritten(ctx context.Context, err error) (Verdict, error) {
	v := Verdict{Outcome: RolloutFailed, Target: -1}
	if r.course.yielded() != nil {
		v.Outcome = Superseded
	} else if s, ok := r.course.cancelled(); ok {
		v.Outcome = cancelledBy(s)
	} else if r.course.calledOff() != nil {
		v.Outcome = CalledOff
	} else if errors.Is(context.Cause(ctx), errTimeUp) {
		v.Outcome = TimedOut
	}
	return v, err
}
