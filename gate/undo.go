package gate

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// goneEvery is how often is asked whether a deleted object is gone.
	goneEvery = 250 * time.Millisecond
	// freeTime is how long a cancelled run goes on for the pods that would keep its undo from having an effect: a
	// controller takes a template in within that.
	freeTime = 3 * time.Second
)

// undo takes every write back, in reverse order, on a budget of its own that no signal takes away, and watches the old
// version return. A cancelled run is not watched: whoever cancelled it does not wait.
func (r *run) undo(v Verdict) {
	if r.commandUndoes() {
		r.undoByCommand(v)
		return
	}
	kept := r.keepPod()
	began := time.Now()
	started := began // anew for a process that was stopped meanwhile
	r.report.Marks.Undone = now()
	limit := r.undoTime()
	r.step(Step{Name: StepUndo, Limit: limit})
	r.hooksRan()
	undone, pinned := r.goBack()
	if overslept(started, r.g.UndoTimeout) && slices.ContainsFunc(undone, failedToUndo) {
		undone, pinned = r.goBack()
		started = time.Now()
	}
	undo := &Undo{Result: UndoUnverified, Objects: undoneObjects(undone), KeptPod: kept}
	r.report.Undo = undo
	switch {
	case len(undone) == 0 && r.found == nil && !pinned:
		undo.Result = UndoNothing
	case slices.ContainsFunc(undone, failedToUndo):
		undo.Result = UndoFailed
	case len(undone) > 0 && !slices.ContainsFunc(undone, goesBack):
		undo.Result = UndoSkipped
	default:
		seen, budget := time.Now(), max(limit-time.Since(started), 0)
		verified := r.verify(undone, undo, budget)
		if !verified && overslept(seen, budget) {
			undo.Findings = nil
			verified = r.verify(undone, undo, limit)
		}
		if verified {
			undo.Result = UndoVerified
		}
	}
	if undo.Result == UndoFailed && (r.recorded || r.found != nil) {
		r.note("to put it back later: %s", r.undoLine())
	}
	if kept != nil && undo.Result == UndoUnverified {
		r.note("%s, which was kept, takes room that the old version may lack", kept.Object)
	}
	if pinned {
		undone = r.unpinLast(undone, undo)
	}
	undo.Duration = time.Since(began).Seconds()
	if v.Outcome == CriteriaFailed && undo.Result != UndoFailed {
		r.recheck()
	}
	if signal, cancelled := r.course.cancelled(); cancelled && undo.Result != UndoVerified {
		v.Outcome = cancelledBy(signal) // it has cut the undo's proof short
	}
	if err := r.course.yielded(); err != nil {
		r.exit(Superseded, "another run has taken over: "+err.Error())
		return
	}
	r.exit(r.afterUndo(v.Outcome, undone, undo.Result))
}

func failedToUndo(u patch.Undone) bool { return u.Err != nil }

// goesBack tells whether an object is not to stay as it was written.
func goesBack(u patch.Undone) bool { return u.Action != patch.AsWritten }

// afterUndo is how a run ends after its undo, and what is left.
func (r *run) afterUndo(verdict Outcome, undone []patch.Undone, result UndoResult) (Outcome, string) {
	var outcome Outcome
	var state string
	switch {
	case len(undone) == 0 && result == UndoUnverified:
		outcome, state = orCancelled(UndoBroken, verdict), nothingChanged+", for nothing of that run is left, but its workloads are not complete"
	case len(undone) == 0 && r.found != nil:
		outcome, state = verdict, nothingChanged+", for nothing of that run is left (verified)"
	case len(undone) == 0:
		outcome, state = r.outcomeOfNothing(verdict), nothingChanged
	case result == UndoSkipped && r.found == nil:
		outcome, state = orCancelled(NotUndone, verdict), undoState(undone, result)
	case result == UndoSkipped:
		outcome, state = verdict, undoState(undone, result)
	default:
		outcome, state = outcomeOfUndo(verdict, undone, result), undoState(undone, result)
	}
	if len(r.unrecorded) > 0 {
		state += "; " + list(r.unrecorded, "", " NOT restored")
		outcome = orCancelled(UndoBroken, outcome)
	}
	return outcome, state
}

// outcomeOfNothing is how a run ends whose writes, as only the undo has found out, have never arrived.
func (r *run) outcomeOfNothing(verdict Outcome) Outcome {
	if r.failure == nil || verdict == Interrupted || verdict == Terminated {
		return verdict
	}
	return OutcomeOf(r.failure)
}

// goBack takes back what the run has written. Where it leads traffic, the old pods get that first, from routes and by
// Services that are pinned to them; pinned says that they have it, and that the pins are still there. Otherwise routes and
// pins go first: there would be no pods behind them.
func (r *run) goBack() (undone []patch.Undone, pinned bool) {
	if len(r.carriers()) == 0 {
		return r.takeBack(func(patch.Write) bool { return true }), false
	}
	ctx, release := r.course.enter(Undoing, r.g.UndoTimeout)
	var serve, moved bool
	if r.mayWrite(ctx) == nil {
		serve, moved = r.pinBack(ctx)
	}
	release()
	rest := func(w patch.Write) bool { return !r.carries(w) }
	if !serve {
		undone = r.takeBack(r.carries)
		return append(undone, r.takeBack(rest)...), false
	}
	undone = r.takeBack(func(w patch.Write) bool { return r.carries(w) && isSplit(*r.writeOf(w.Ref)) })
	if moved || slices.ContainsFunc(undone, func(u patch.Undone) bool { return u.Action == patch.Restored && u.Err == nil }) {
		r.rest()
	}
	return append(undone, r.takeBack(rest)...), true
}

// unpinLast gives the Services back to all pods when the old version has come back. Whoever has cancelled the run waits
// for that only as long as it takes the controller to end the new pods.
func (r *run) unpinLast(undone []patch.Undone, undo *Undo) []patch.Undone {
	if undo.Result == UndoFailed {
		for _, ref := range r.carriers() {
			if pin := r.writeOf(ref).Pin; pin == nil || pin.Old == "" {
				continue
			}
			r.note("%s sends traffic to the pods of the old version alone, because not everything could be put back; `rolloutgate undo` tries again", ref)
		}
		return undone
	}
	r.awaitEndOfNew()
	pins := r.takeBack(func(w patch.Write) bool {
		return r.carries(w) && !slices.ContainsFunc(undone, func(u patch.Undone) bool { return u.Write.Ref == w.Ref })
	})
	undone = append(undone, pins...)
	undo.Objects = undoneObjects(undone)
	if slices.ContainsFunc(pins, failedToUndo) {
		undo.Result = UndoFailed
	}
	return undone
}

// takeBack sends the inverse of every write. An error with one of them does not stop the others. A write that was never
// carried out, which shows only now, is not among the answers.
func (r *run) takeBack(part func(patch.Write) bool) []patch.Undone {
	ctx, release := r.course.enter(Undoing, r.g.UndoTimeout)
	defer release()
	var undone []patch.Undone
	behind := map[manifest.Ref]bool{}  // those that are back behind everything that was written before
	stepped := map[manifest.Ref]bool{} // those that are back behind the earlier steps of this run
	for last := len(r.writes); last > 0 && r.course.yielded() == nil; {
		first := r.alike(last)
		for _, u := range r.takeBackAlike(ctx, first, last, func(i int, w patch.Write) bool {
			return part(w) && w.Action != patch.Unchanged && !w.Ended && !behind[w.Ref] && !(stepped[w.Ref] && i >= len(r.carried))
		}) {
			w := u.Write
			behind[w.Ref], stepped[w.Ref] = w.Base != nil || w.Replaces != "" || u.Action == patch.AsWritten, w.Step > 0
			undone = append(undone, u)
			if u.Action == patch.Recreated && u.Err == nil && r.watches(w.Ref) {
				r.note("%s was created again: it has another UID, and whatever it runs is new", w.Ref)
			}
			taken := Taken{Action: u.Action, Kept: u.Kept, Why: u.Why}
			if u.Err != nil {
				taken.Failure = u.Err.Error()
			}
			r.tell(w.Ref, taken)
		}
		last = first
	}
	return undone
}

const (
	// manyAlike is from how many objects of one kind and one stage on they are taken back several at a time: somebody who has
	// cancelled the run is waiting, and so are the users of the bad version.
	manyAlike = 20
	// undoneAtOnce is how many that are.
	undoneAtOnce = 8
)

// alike finds where the writes begin that come before last, are of one kind and one stage, and are to an object each. When
// they are few, it is one write alone.
func (r *run) alike(last int) (first int) {
	newest := r.writes[last-1]
	stage, known := r.stageOf(newest.Ref), map[manifest.Ref]bool{}
	for first = last; first > len(r.carried) && stage >= 0; first-- {
		w := r.writes[first-1]
		if w.Ref.GroupKind() != newest.Ref.GroupKind() || w.Step > 0 || known[w.Ref] || r.stageOf(w.Ref) != stage {
			break
		}
		known[w.Ref] = true
	}
	if last-first < manyAlike {
		return last - 1
	}
	return first
}

// stageOf is the number of the only stage that writes an object; -1 when there are several, or none.
func (r *run) stageOf(ref manifest.Ref) int {
	if r.stageOfRef == nil {
		r.stageOfRef = map[manifest.Ref]int{}
		stages := r.stages
		if r.found != nil {
			stages = r.found.Stages
		}
		for i, s := range stages {
			for _, w := range s.Writes {
				if _, several := r.stageOfRef[w.Ref]; several {
					r.stageOfRef[w.Ref] = -1
				} else {
					r.stageOfRef[w.Ref] = i
				}
			}
		}
	}
	stage, known := r.stageOfRef[ref]
	if !known {
		return -1
	}
	return stage
}

// takeBackAlike sends the inverse of those writes of a part of all that are wanted, the last one first, and several at a time.
func (r *run) takeBackAlike(ctx context.Context, first, last int, wanted func(int, patch.Write) bool) []patch.Undone {
	answers := make([]*patch.Undone, last-first)
	slots := make(chan struct{}, undoneAtOnce)
	var sending sync.WaitGroup
	for i := last - 1; i >= first; i-- {
		w := r.writes[i]
		if !wanted(i, w) {
			continue
		}
		if r.stays(w) {
			if w.Written != nil || r.found == nil && i >= len(r.carried) {
				answers[last-1-i] = &patch.Undone{Write: w, Action: patch.AsWritten}
			}
			continue
		}
		slots <- struct{}{}
		if r.mayWrite(ctx); r.course.yielded() != nil {
			break
		}
		sending.Go(func() {
			u := r.g.Cluster.Undo(ctx, w)
			answers[last-1-i] = &u
			<-slots
		})
	}
	sending.Wait()
	var undone []patch.Undone
	for _, u := range answers {
		if u != nil && (u.Action != patch.NotWritten || u.Err != nil) {
			undone = append(undone, *u)
		}
	}
	return undone
}

// outcomeOfUndo is how a bad run ends after its undo. When nothing was still this run's, others have taken over.
func outcomeOfUndo(verdict Outcome, undone []patch.Undone, result UndoResult) Outcome {
	theirs := func(u patch.Undone) bool { return u.Action == patch.Left && u.Err == nil }
	partial := func(u patch.Undone) bool { return u.Action == patch.Left || slices.ContainsFunc(u.Kept, unlessScaled) }
	undone = slices.DeleteFunc(slices.Clone(undone), func(u patch.Undone) bool { return !goesBack(u) })
	switch {
	case verdict == Interrupted || verdict == Terminated:
		return verdict
	case !slices.ContainsFunc(undone, func(u patch.Undone) bool { return !theirs(u) }):
		return Superseded
	case result != UndoVerified || slices.ContainsFunc(undone, partial):
		return UndoBroken
	}
	return verdict
}

// unlessScaled tells whether a part that stayed makes an undo partial. How many replicas there are is up to whoever
// scales, and is no part of a version.
func unlessScaled(k patch.Kept) bool { return k.Path != "spec.replicas" }

func undoneObjects(undone []patch.Undone) []Undone {
	out := make([]Undone, len(undone))
	for i, u := range undone {
		out[i] = Undone{Object: u.Write.Ref, Action: string(u.Action), Result: "ok", Kept: u.Kept}
		switch {
		case u.Err != nil:
			out[i].Result = u.Err.Error()
		case u.Why != "":
			out[i].Result = u.Why
		}
	}
	return out
}

// verify watches the restored workloads until they are complete again, and the deleted objects until they are gone.
func (r *run) verify(undone []patch.Undone, report *Undo, budget time.Duration) bool {
	ctx, release := r.course.enter(Verifying, max(budget, 1))
	defer release()
	if ctx.Err() != nil {
		r.freeOnly(undone)
		return false
	}
	f, stop := r.follow(r.waited(append(r.targetsOfUndo(undone), r.bystanders(undone)...)))
	defer stop()
	f.undone = map[manifest.Ref]string{}
	for _, s := range r.report.Workloads {
		f.undone[s.Ref] = s.Revision
	}
	if v := f.until(ctx, Verifying, false); v.Outcome != Passed {
		if _, cancelled := r.course.cancelled(); cancelled {
			r.freeOnly(undone)
		} else {
			report.Findings = f.explain(v)
		}
		return false
	}
	for _, u := range undone {
		if (u.Action == patch.Restored || u.Action == patch.Recreated) && !u.Exact() {
			r.note("%s was restored, but the API server keeps it different from before (an admission webhook?)", u.Write.Ref)
			return false
		}
		if u.Action == patch.Deleted && !r.gone(ctx, u) {
			return false
		}
	}
	return true
}

// freeOnly frees the pods of a cancelled run that would keep the old version from coming back. Nobody watches that one
// return, but nothing else would help it either.
func (r *run) freeOnly(undone []patch.Undone) {
	if r.g.KeepStuckPods || r.course.yielded() != nil {
		return
	}
	before := map[manifest.Ref]rollout.Object{}
	for _, u := range undone {
		before[u.Write.Ref] = rollout.Typed(u.Write.Origin())
	}
	targets := slices.DeleteFunc(r.targetsOfUndo(undone), func(t rollout.Target) bool { return !rollout.OneByOne(t.Applied) })
	if len(targets) == 0 {
		return
	}
	ctx, release := r.course.enter(Undoing, freeTime)
	defer release()
	f, stop := r.follow(targets)
	defer stop()
	var clear int // how often in a row there was nothing to free
	for clear < 2 && ctx.Err() == nil {
		clear++
		for i, t := range targets {
			f.w.LookCloser(i)
			revision, known := rollout.Stranded(f.w.Workload(i), before[t.Ref])
			if !known {
				clear = 0
			}
			if revision == "" {
				continue
			}
			pods, err := r.g.Cluster.FreeStuck(ctx, f.w.Workload(i).Live, revision)
			for _, pod := range pods {
				r.tell(t.Ref, Freed{Pod: pod, Undone: true})
			}
			if err != nil {
				r.tell(t.Ref, Trouble{err.Error()})
				return // it would be refused again, and said again
			}
			clear = 0
		}
		wait(ctx, goneEvery)
	}
}

// bystanders are the workloads of the run that its undo did not write: a restored ConfigMap has to let them run again.
// One that was not in order before this run proves nothing.
func (r *run) bystanders(undone []patch.Undone) []rollout.Target {
	changed := map[manifest.Ref]bool{}
	for _, u := range undone {
		changed[u.Write.Ref] = true
	}
	for _, w := range r.writes {
		changed[w.Ref] = changed[w.Ref] || w.Action != patch.Unchanged && w.Written != nil
	}
	for _, ref := range r.troubledBefore {
		changed[ref] = true
	}
	return slices.DeleteFunc(slices.Clone(r.targets), func(t rollout.Target) bool { return changed[t.Ref] })
}

// gone waits until a deleted object is gone.
func (r *run) gone(ctx context.Context, u patch.Undone) bool {
	for ctx.Err() == nil {
		if gone, err := r.g.Cluster.Gone(ctx, u); gone && err == nil {
			return true
		}
		wait(ctx, goneEvery)
	}
	return false
}
