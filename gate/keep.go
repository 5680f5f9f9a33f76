package gate

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

const (
	// keepTime is how long the store may take to put a run on record.
	keepTime = 20 * time.Second
	// sealTime is how long it may take for the end of a run: nothing waits for that but the process.
	sealTime = 45 * time.Second
)

// onRecord are stages as they are kept.
func onRecord(stages []Stage) []record.Stage {
	var all []record.Stage
	for _, s := range stages {
		all = append(all, record.Stage{Name: s.Name, Judge: s.Judge, Writes: s.Writes})
	}
	return all
}

// keep puts the run on record before its first write. What cannot be kept is said, with what it means; the run goes on.
func (r *run) keep(stages []Stage) error {
	if r.g.Store == nil || r.g.Keep == KeepNothing {
		return nil
	}
	if slices.ContainsFunc(stages, func(s Stage) bool { return makes(s.Writes, r.g.Namespace) }) {
		r.unhoused = true
		return nil
	}
	ctx, release := r.course.enter(Planning, 0)
	defer release()
	err := r.save(ctx)
	if r.unhoused {
		r.note("namespace %s does not exist, so this run is not on record: if it is killed, no other command can put it back", r.g.Namespace)
		r.unhoused = false
	}
	return err
}

// save writes the record of a run that is about to write. Where this run makes the namespace of the record, it is written
// right after that. A run that was on record before, with what it has taken over, stays so when it cannot be written again:
// nobody else would put that back.
func (r *run) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	err := r.whileOurs(ctx, func() error { return r.g.Store.SaveRecord(ctx, r.record(record.Running)) })
	r.unhoused = apierrors.IsNotFound(err)
	counts := r.recorded && !r.unhoused && len(r.carried) > 0
	r.recorded = err == nil || counts
	switch {
	case lostLease(err):
		return err
	case err == nil:
		r.leaveTo(ctx)
	case r.unhoused:
	case OutcomeOf(err) == Denied:
		r.note("this account may not keep the run on record in namespace %s: if it is killed, no other command can put it back: %v", r.g.Namespace, err)
	default:
		if !counts {
			r.withdraw()
		}
		if ended := r.interrupted(ctx, "putting the run on record"); ended != nil {
			return ended
		}
		return err // a run that could not be put back is not begun
	}
	return nil
}

// withdraw deletes the record of a run that does not begin: it may be there, and only the answer was lost.
func (r *run) withdraw() {
	ctx, cancel := context.WithTimeout(r.course.root, keepTime)
	defer cancel()
	_ = r.whileOurs(ctx, func() error {
		return r.g.Store.ForgetRecord(ctx, r.g.Namespace, record.Summary{ID: r.report.Run.ID})
	})
}

// What the store is asked for is tried so often, with this pause, when the API server has a moment of trouble.
const (
	keepTries = 16
	keepPause = 500 * time.Millisecond
)

// insist tries something again that does no harm when it is done twice: how a run has ended must not be lost by one answer
// that was.
func insist(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == keepTries || OutcomeOf(err) != Retry || ctx.Err() != nil {
			return err
		}
		wait(ctx, keepPause)
	}
}

// whileOurs insists on something for as long as the run has its lock: it may have slept between two tries.
func (r *run) whileOurs(ctx context.Context, do func() error) error {
	return insist(ctx, func() error {
		if err := r.lock.holds(ctx); lostLease(err) {
			r.course.lose(err)
			return err
		}
		return do()
	})
}

// confirm makes sure, before a run says how it has ended, that it was not taken for dead while it slept.
func (r *run) confirm() {
	ctx, cancel := context.WithTimeout(r.course.root, keepTime)
	defer cancel()
	if err := r.lock.holds(ctx); lostLease(err) {
		r.course.lose(err)
		if !r.began.IsZero() && r.found == nil {
			r.exit(Superseded, "another run has taken over: "+err.Error())
		}
	}
}

// seal writes how the run has ended, forgets the oldest runs, and gives the lock back. A run that does not hold its lock
// any more is another one's business.
func (r *run) seal() {
	if len(r.adopted) > 0 && r.course.yielded() == nil && !r.began.IsZero() {
		ctx, cancel := context.WithTimeout(r.course.root, keepTime)
		r.leaveTo(ctx)
		cancel()
	}
	if r.recorded && r.course.yielded() == nil && !r.close() {
		return // its lease has to run out, as that of any run that did not end
	}
	if silent := r.lock.silent(); silent > record.Silence {
		r.note("for %s this run could not say that it goes on: another one could have taken it for dead", silent.Round(time.Second))
	}
	if r.parked() && r.park() {
		return
	}
	r.unlock()
}

// park leaves the leases of a run that waits for somebody to go on with it, so that nobody else touches its objects.
func (r *run) park() bool {
	ctx, cancel := context.WithTimeout(r.course.root, sealTime)
	defer cancel()
	err := insist(ctx, func() error {
		return r.lock.mark(ctx, func(l *record.Lease) { l.Parked, l.Awaits = true, nil })
	})
	if err != nil {
		r.note("nothing keeps other runs from these objects until this one is resumed: %v", err)
		return false
	}
	r.lock.leave()
	r.lock = nil
	return true
}

// close writes the last state of the record, or deletes it where none is to stay. False: it still says that the run is
// going on.
func (r *run) close() bool {
	state := r.finalState()
	gone := r.g.History <= 0 && r.found == nil && state.Ended() && state != record.Partly
	if !gone {
		r.complete()
	}
	err := awake(r.course.root, sealTime, func(ctx context.Context) error {
		return r.whileOurs(ctx, func() error {
			if gone {
				return r.g.Store.ForgetRecord(ctx, r.g.Namespace, record.Summary{ID: r.report.Run.ID})
			}
			return r.g.Store.SaveRecord(ctx, r.record(state))
		})
	})
	switch {
	case lostLease(err):
		return false // it is another run's business now
	case err != nil && gone:
		r.note("the run is still on record: %v", err)
		return false
	case err != nil:
		r.note("how the run has ended could not be put on record, so it counts as unfinished: %v", err)
		return false
	}
	ctx, cancel := context.WithTimeout(r.course.root, sealTime)
	defer cancel()
	if r.found != nil {
		r.leaveTo(ctx)
	} else {
		r.forget(ctx)
	}
	return true
}

// complete adds to the record what the API server's answers said: of objects whose dry-run could not be asked, and of a
// release that stays, of all. What they have become is known then, whoever writes them later; after an undo the objects
// themselves tell.
func (r *run) complete() {
	stays := r.report.Undo == nil || r.report.Undo.Result == UndoSkipped
	for i := range r.stages {
		for j := range r.stages[i].Writes {
			w := &r.stages[i].Writes[j]
			own := r.writes[min(len(r.carried), len(r.writes)):] // those of others come first
			n := slices.IndexFunc(own, func(o patch.Write) bool {
				return o.Ref == w.Ref && o.Step == w.Step && o.Action == w.Action && o.Action != patch.Unchanged && o.Written != nil && !o.Ended
			})
			if n >= 0 && (stays || w.After == nil) {
				w.Written, w.After, w.Resource, w.At, w.Deferred = own[n].Written, nil, own[n].Resource, own[n].At, false
			}
		}
	}
}

// forget deletes the records of the oldest runs, beyond those that are to stay. What has not ended stays.
func (r *run) forget(ctx context.Context) {
	all, err := r.g.Store.Records(ctx, r.g.Namespace)
	if OutcomeOf(err) == Denied {
		r.note("this account may not list the runs on record in namespace %s, so none is ever forgotten: %v", r.g.Namespace, err)
	}
	if err != nil {
		return // the next run tries again
	}
	kept, own := 0, r.record(r.finalState()).Summary()
	for i, s := range all {
		lastOfSet := s.Set != "" && record.LastOf(s.Set, all) == i
		needed := lastOfSet || !s.State.Ended() || s.State == record.Partly && !slices.ContainsFunc(append(all[:i:i], own), s.Precedes)
		if kept++; kept <= r.g.History || needed {
			continue
		}
		if err := r.g.Store.ForgetRecord(ctx, r.g.Namespace, s); err != nil {
			return
		}
	}
}

// parked tells whether the run has ended for now, and another one is to go on with it.
func (r *run) parked() bool { return r.report.Exit.Name == Parked.Name() && r.found == nil }

// finalState is how far the run has come, for those who find it on record.
func (r *run) finalState() record.State {
	undo := r.report.Undo
	switch {
	case r.parked():
		return record.Parked
	case r.found == nil && r.untouched() && r.pruning.first && r.report.Exit.Code == Passed.Code():
		return record.Passed // it says what belongs to the set
	case r.found == nil && r.untouched():
		return record.Undone // nothing of it is there
	case r.found == nil && r.report.Exit.Code == Passed.Code():
		return record.Passed
	case r.found != nil && r.report.Exit.Code == Passed.Code():
		return record.Undone
	case r.found != nil:
		return record.Partly
	case undo == nil || undo.Result == UndoSkipped || r.report.Exit.Code == Superseded.Code():
		return record.Left
	case undo.Result == UndoNothing:
		return record.Undone
	case undo.Result == UndoVerified && r.report.Exit.Code != UndoBroken.Code():
		return record.Undone
	}
	return record.Partly
}
