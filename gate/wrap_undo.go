package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// arriveTime is how long what a command has asked for may take to be there when it has ended: a deletion, the write of a
// tool that works elsewhere.
const arriveTime = 10 * time.Second

// undoByCommand lets a command take a bad release back, and proves what it has made: every workload is watched until it is
// complete, and every difference from what was there before the release is named. Where the command fails, the run does
// what it does without one, as far as it knows what was changed.
func (r *run) undoByCommand(v Verdict) {
	kept := r.keepPod()
	began := time.Now()
	judged := r.generations()
	r.report.Marks.Undone = now()
	r.step(Step{Name: StepUndo, Limit: r.g.UndoTimeout})
	undo := &Undo{Result: UndoUnverified, KeptPod: kept}
	r.report.Undo = undo
	ctx, release := r.course.enter(Undoing, r.g.UndoTimeout)
	if r.mayWrite(ctx) == nil {
		undo.Command = r.execute(ctx, r.g.UndoCommand, true, r.g.UndoTimeout)
	}
	release()
	left := max(r.g.UndoTimeout-time.Since(began), 0)
	var state string
	switch {
	case undo.Command == nil:
	case undo.Command.Failure != "":
		state = r.undoAnyway(undo, left)
	case len(r.writes) == 0:
		state = r.seeChanged(undo, judged, left)
	default:
		state = r.seeBack(undo, left)
	}
	undo.Duration = time.Since(began).Seconds()
	if err := r.course.yielded(); err != nil {
		r.exit(Superseded, "another run has taken over: "+err.Error())
		return
	}
	if v.Outcome == CriteriaFailed && undo.Result == UndoVerified {
		r.recheck()
	}
	outcome := v.Outcome
	if undo.Result != UndoVerified {
		outcome = orCancelled(UndoBroken, v.Outcome)
		if s, cancelled := r.course.cancelled(); cancelled { // it has cut the proof short
			outcome = cancelledBy(s)
		}
	}
	r.exit(outcome, state)
}

// commandUndoes tells whether there is something that a command has to take back. Where nothing was changed, it would take
// back the release before this one; where all that was changed is to stay, it would take that back.
func (r *run) commandUndoes() bool {
	if len(r.g.UndoCommand) > 0 && r.scope != nil && !r.scope.Found && len(r.stages) > 0 {
		_ = r.findOut(r.stages[0].Writes) // what the command has changed could not be told when it had ended
	}
	return len(r.g.UndoCommand) > 0 && (r.report.Run.Command == "watch" || slices.ContainsFunc(r.changedWrites(), func(w patch.Write) bool { return !r.stays(w) }))
}

// undoAnyway takes back what the command of the undo has not, and says so. Whatever comes of that, somebody has to look:
// whoever keeps the history of the release does not know of it.
func (r *run) undoAnyway(undo *Undo, budget time.Duration) string {
	name := commandName(r.g.UndoCommand)
	undo.Result = UndoFailed
	undo.Findings = append(undo.Findings, diagnosis.UndoCommandFailed(name, undo.Command.Failure, undo.Command.Output))
	if len(r.writes) == 0 {
		return fmt.Sprintf("the undo command %s has failed: %s", name, undo.Command.Failure)
	}
	undone, _ := r.goBack()
	undo.Objects = undoneObjects(undone)
	result := UndoFailed
	if !slices.ContainsFunc(undone, failedToUndo) {
		result = UndoUnverified
		if r.verify(undone, undo, budget) {
			result = UndoVerified
		}
	}
	return fmt.Sprintf("the undo command %s has failed (%s), and this run has put the objects back itself: %s", name, undo.Command.Failure, undoState(undone, result))
}

// seeBack proves that what a command was to put back is as it was before the release.
func (r *run) seeBack(undo *Undo, budget time.Duration) string {
	ctx, release := r.course.enter(Verifying, max(min(budget, arriveTime), 1))
	differ, after := r.awaitSame(ctx)
	release()
	var undone []patch.Undone
	var states []string
	for _, w := range r.changedWrites() {
		u := patch.Undone{Write: w, Action: patch.Restored, At: w.At}
		if w.Origin() == nil {
			u.Action = patch.Deleted
		}
		d := differ[w.Ref]
		if r.stays(w) && d.what != "" { // the command need not leave it, but may
			u.Action, d = patch.AsWritten, difference{}
		}
		if u.Restored = d.live; d.live != nil {
			u.At = d.at
		}
		undone = append(undone, u)
		shown := Undone{Object: w.Ref, Action: string(u.Action), Result: "ok"}
		if d.what != "" {
			shown.Result = d.what
			states = append(states, w.Ref.String()+" "+d.what)
		}
		undo.Objects = append(undo.Objects, shown)
		r.tell(w.Ref, Taken{Action: u.Action, Failure: d.what})
	}
	back := undone
	if len(states) > 0 { // what is still there is not waited for
		back = slices.DeleteFunc(slices.Clone(undone), func(u patch.Undone) bool { return u.Action == patch.Deleted })
	}
	complete := r.verify(back, undo, budget)
	if len(states) > 0 {
		r.rewritten(after)
		undo.Findings = append([]diagnosis.Finding{diagnosis.UndoDiffers(commandName(r.g.UndoCommand), states)}, undo.Findings...)
		return "the undo command has ended, and not everything is as it was before: " + strings.Join(states, "; ")
	}
	if complete {
		undo.Result = UndoVerified
	}
	return undoState(undone, undo.Result)
}

// changedWrites are the writes that a command has to take back, each object once.
func (r *run) changedWrites() []patch.Write {
	var all []patch.Write
	for _, w := range slices.Backward(r.writes) {
		known := slices.ContainsFunc(all, func(o patch.Write) bool { return o.Ref == w.Ref })
		if known || w.Action == patch.Unchanged || w.Ended || w.Written == nil && w.Action != patch.Removed {
			continue
		}
		all = append(all, w)
	}
	return all
}

// difference is what an object still is that should be as before; what is empty for one that is.
type difference struct {
	live *unstructured.Unstructured
	at   time.Time
	what string
}

// awaitSame compares the objects with what they were before until none differs, or its time is over.
func (r *run) awaitSame(ctx context.Context) (differ map[manifest.Ref]difference, after []patch.Write) {
	for {
		differ, after, all := r.compareBack()
		if all || ctx.Err() != nil {
			return differ, after
		}
		wait(ctx, time.Second)
	}
}

// rewritten puts on record what both commands together have changed: that is what a later undo puts back.
func (r *run) rewritten(after []patch.Write) {
	if len(after) == 0 {
		return
	}
	stages := []record.Stage{{Name: "all", Judge: true, Writes: after}}
	if r.found != nil {
		scope := *r.found.Scope
		scope.Found = true
		r.found.Stages, r.found.Scope = stages, &scope
		return
	}
	r.stages, r.writes = stages, append(slices.Clone(r.carried), after...)
}

// compareBack compares the objects with what they were before. all says that none differs that is to go back.
func (r *run) compareBack() (differ map[manifest.Ref]difference, after []patch.Write, all bool) {
	ctx, cancel := context.WithTimeout(r.course.root, compareTime)
	defer cancel()
	differ, all = map[manifest.Ref]difference{}, true
	before := r.changedWrites()
	for i := range before {
		before[i].Before, before[i].Base = before[i].Origin(), nil
		before[i].Command = true
	}
	after, _, err := r.g.Cluster.Compare(ctx, record.Scope{}, before)
	for _, w := range before {
		var d difference
		i := slices.IndexFunc(after, func(o patch.Write) bool { return o.Ref == w.Ref })
		switch {
		case err != nil:
			d.what = "could not be read: " + err.Error()
		case i < 0: // it was not there before, and is not there
		default:
			d.live, d.at = after[i].Written, after[i].At
			d.what = notBack(after[i])
		}
		all = all && (d.what == "" || r.stays(w))
		differ[w.Ref] = d
	}
	return differ, after, all
}

// maxDifferences are as many fields of an object as are named.
const maxDifferences = 5

// notBack says in which way an object is not as it was before.
func notBack(w patch.Write) string {
	switch w.Action {
	case patch.Removed:
		return "is missing"
	case patch.Created:
		return "is still there, and was not before"
	case patch.Unchanged:
		return ""
	}
	paths := w.Differences(nil)
	if len(paths) == 0 { // it was deleted and made again, with the same content
		return ""
	}
	text := "differs in " + strings.Join(paths[:min(len(paths), maxDifferences)], ", ")
	if more := len(paths) - maxDifferences; more > 0 {
		text += fmt.Sprintf(" and %d more fields", more)
	}
	return text
}

// generations are those of the watched workloads, which their controllers have not made.
func (r *run) generations() map[manifest.Ref]int64 {
	if len(r.writes) > 0 || len(r.targets) == 0 {
		return nil
	}
	f, stop := r.follow(r.targets)
	defer stop()
	ctx, cancel := context.WithTimeout(r.course.root, firstAnswer)
	defer cancel()
	_ = f.firstLook(ctx)
	all := map[manifest.Ref]int64{}
	for i, t := range f.targets {
		if live := f.w.Workload(i).Live; live != nil {
			all[t.Ref] = live.GetGeneration()
		}
	}
	return all
}

// seeChanged waits until a command that was to take a rollout back has changed its workloads, and until they are complete.
// What they were before is not known here.
func (r *run) seeChanged(undo *Undo, judged map[manifest.Ref]int64, budget time.Duration) string {
	began := time.Now()
	ctx, release := r.course.enter(Verifying, max(budget, 1))
	now, same := r.awaitChanged(ctx, judged)
	release()
	for _, t := range now {
		shown := Undone{Object: t.Ref, Action: string(patch.Restored), Result: "ok"}
		if slices.Contains(same, t.Ref.String()) {
			shown.Action, shown.Result = string(patch.Left), "the command has not changed it"
		}
		undo.Objects = append(undo.Objects, shown)
	}
	if len(same) == len(now) {
		undo.Findings = append(undo.Findings, diagnosis.UndoDiffers(commandName(r.g.UndoCommand), []string{list(same, "", " as it was")}))
		return "the undo command has ended, and has not changed " + strings.Join(same, ", ")
	}
	ctx, release = r.course.enter(Verifying, max(budget-time.Since(began), 1))
	defer release()
	f, stop := r.follow(now)
	defer stop()
	f.undone = map[manifest.Ref]string{}
	v := f.until(ctx, Verifying, false)
	names := make([]string, len(now))
	for i, t := range now {
		names[i] = t.Ref.String()
	}
	if v.Outcome == Passed {
		undo.Result = UndoVerified
		return list(names, "", " complete again after the undo command (verified)")
	}
	if _, cancelled := r.course.cancelled(); !cancelled {
		undo.Findings = f.explain(v)
	}
	return list(names, "", " not complete after the undo command (unverified)")
}

// awaitChanged waits until at least one of the workloads has another generation than the one that was judged. It returns
// them as they are then, and the names of those that have not changed.
func (r *run) awaitChanged(ctx context.Context, judged map[manifest.Ref]int64) (now []rollout.Target, same []string) {
	f, stop := r.follow(r.targets)
	defer stop()
	_ = f.firstLook(ctx)
	for {
		now, same = slices.Clone(r.targets), nil
		for i := range now {
			live := f.w.Workload(i).Live
			if live == nil || live.GetGeneration() == judged[now[i].Ref] {
				same = append(same, now[i].Ref.String())
				continue
			}
			now[i].Previous, now[i].Applied, now[i].Restored, now[i].Since = now[i].Applied, live, true, time.Now()
		}
		if len(same) < len(now) || ctx.Err() != nil {
			return now, same
		}
		wait(ctx, goneEvery)
	}
}
