package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// oneWrite is how long one write may take. A write is not cut short by a signal: its effect would be unknown.
const oneWrite = 20 * time.Second

// write writes the objects of a stage, in their order. Each of them is remembered before the next one is written, also
// when its answer was lost, so that an undo takes back what is there. The verdict is Passed when all are written.
func (r *run) write(s Stage) (Verdict, error) {
	r.step(Step{Name: StepApply, Stage: r.stage})
	ctx, release := r.course.enter(Writing, r.remaining())
	defer release()
	for _, w := range s.Writes {
		if ctx.Err() == nil && r.unhoused {
			if err := r.save(); err != nil {
				return r.unwritten(ctx, err)
			}
		}
		if err := r.mayWrite(ctx); err != nil {
			return r.unwritten(ctx, err)
		}
		if err := r.writeOne(w); err != nil {
			r.findings = append(r.findings, diagnosis.ExplainApply(err, w.Object))
			r.failure = fmt.Errorf("applying %s: %w", w.Ref, err)
			return r.unwritten(ctx, r.failure)
		}
	}
	return Verdict{Outcome: Passed, Target: -1}, nil
}

func (r *run) writeOne(w patch.Write) error {
	if w.Action == patch.Unchanged {
		r.writes = append(r.writes, w)
		return nil
	}
	ctx, cancel := context.WithTimeout(r.course.root, oneWrite)
	defer cancel()
	err := r.g.Cluster.Write(ctx, &w)
	if err == nil || w.Written != nil || uncertain(err) {
		r.writes = append(r.writes, w)
	}
	if err == nil {
		r.tell(w.Ref, Applied{w.Action})
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
func uncertain(err error) bool { return OutcomeOf(err) == Retry }

// unwritten is the verdict on a stage that could not be written.
func (r *run) unwritten(ctx context.Context, err error) (Verdict, error) {
	v := Verdict{Outcome: RolloutFailed, Target: -1}
	if r.course.yielded() != nil {
		v.Outcome = Superseded
	} else if s, ok := r.course.cancelled(); ok {
		v.Outcome = cancelledBy(s)
	} else if errors.Is(context.Cause(ctx), errTimeUp) {
		v.Outcome = TimedOut
	}
	return v, err
}
