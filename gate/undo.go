package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// conclude acts on the ending: it undoes what has to be undone and sets the exit.
func (r *run) conclude(ctx context.Context, e ending, changes []cluster.Change) {
	r.report.Findings = append(r.report.Findings, e.frozen...)
	r.tell(EventVerdict, manifest.Ref{}, "%s", verdictText(e, r.report.Findings))
	switch e.outcome {
	case Passed:
		r.exit(Passed, r.passedState(changes))
		return
	case Overtaken:
		s := r.report.Workloads[e.target]
		r.exit(Overtaken, fmt.Sprintf("%s was left as it is: %s", s.Ref, s.Message))
		return
	case Inconclusive:
		if e.action != analysis.ActionUndo {
			r.exit(Inconclusive, "the release was kept: it is running, and its criteria could not be judged")
			return
		}
	}
	cancelled := e.outcome.Name == Interrupted.Name
	switch {
	case !written(changes):
		r.report.Undo = &Undo{Result: UndoNothing}
		r.exit(orCancelled(NotUndone, e.outcome, cancelled), "this run changed nothing, so nothing was undone")
	case e.action == analysis.ActionStop:
		r.report.Undo = &Undo{Result: UndoSkipped}
		r.exit(NotUndone, "the new version was left in place, as on.fail asks")
	case r.g.NeverUndo || cancelled && r.g.LeaveOnCancel:
		r.report.Undo = &Undo{Result: UndoSkipped}
		r.exit(orCancelled(NotUndone, e.outcome, cancelled), "the new version was left in place, as asked")
	default:
		r.undo(ctx, e.outcome, changes, cancelled)
	}
}

func orCancelled(o, cancelledAs Outcome, cancelled bool) Outcome {
	if cancelled {
		return cancelledAs
	}
	return o
}

func verdictText(e ending, findings []diagnosis.Finding) string {
	if len(findings) == 0 {
		return e.outcome.Name
	}
	return fmt.Sprintf("%s: %s: %s", e.outcome.Name, findings[0].Code, findings[0].Cause)
}

func (r *run) passedState(changes []cluster.Change) string {
	var parts []string
	for _, s := range r.report.Workloads {
		if s.Watched {
			parts = append(parts, s.Ref.String())
		}
	}
	if !written(changes) && changes != nil {
		return list(parts, "nothing to change", " healthy, nothing to change")
	}
	return list(parts, "everything is applied", " complete")
}

// list joins at most three names before the suffix.
func list(names []string, none, suffix string) string {
	switch n := len(names); {
	case n == 0:
		return none
	case n == 1:
		return names[0] + " is" + suffix
	case n <= 3:
		return strings.Join(names, ", ") + " are" + suffix
	default:
		return fmt.Sprintf("%s and %d more are%s", strings.Join(names[:2], ", "), n-2, suffix)
	}
}

// undo puts everything back, on a budget of its own that a cancelled run still has, and watches it until the old
// version is seen serving. A cancelled run has only the time for the writes.
func (r *run) undo(ctx context.Context, outcome Outcome, changes []cluster.Change, cancelled bool) {
	parent := ctx
	budget := r.g.UndoTimeout
	if cancelled {
		budget = cancelTime
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), budget, errTimeout)
	defer cancel()
	started := time.Now()
	r.report.Marks.Undone = started.UTC().Truncate(time.Millisecond)
	r.tell(EventStep, manifest.Ref{}, "undo, for at most %s", budget)
	undone := r.g.Cluster.Undo(ctx, changes, func(u cluster.Undone) { r.tell(EventUndo, u.Ref(), "%s", undoneText(u)) })

	report := &Undo{Result: UndoUnverified, Objects: undoneObjects(undone)}
	r.report.Undo = report
	switch {
	case slices.ContainsFunc(undone, func(u cluster.Undone) bool { return u.Err != nil }):
		report.Result = UndoFailed
	case cancelled:
	case r.verify(ctx, undone, report):
		report.Result = UndoVerified
	}
	report.Duration = time.Since(started).Seconds()
	if outcome == CriteriaFail && !cancelled && report.Result != UndoFailed {
		r.recheck(parent)
	}
	r.exitOfUndo(outcome, undone, report.Result, cancelled)
}

func (r *run) exitOfUndo(outcome Outcome, undone []cluster.Undone, result UndoResult, cancelled bool) {
	var back, gone, left, stuck []string
	for _, u := range undone {
		switch {
		case u.Err != nil:
			stuck = append(stuck, u.Ref().String())
		case u.Action == cluster.Left:
			left = append(left, u.Ref().String())
		case u.Action == cluster.Deleted:
			gone = append(gone, u.Ref().String())
		default:
			back = append(back, u.Ref().String())
		}
	}
	state := undoState(back, gone, left, stuck, result)
	switch {
	case cancelled:
		r.exit(outcome, state)
	case len(back)+len(gone)+len(stuck) == 0:
		r.exit(Overtaken, state)
	case result != UndoVerified || len(left) > 0:
		r.exit(UndoBroken, state)
	default:
		r.exit(outcome, state)
	}
}

func undoState(back, gone, left, stuck []string, result UndoResult) string {
	var parts []string
	if len(back) > 0 {
		parts = append(parts, list(back, "", " back at the previous version"))
	}
	if len(gone) > 0 {
		parts = append(parts, list(gone, "", " removed again"))
	}
	if len(left) > 0 {
		parts = append(parts, list(left, "", " left alone: changed by somebody else"))
	}
	if len(stuck) > 0 {
		parts = append(parts, list(stuck, "", " NOT restored"))
	}
	return fmt.Sprintf("%s (%s)", strings.Join(parts, "; "), result)
}

func undoneText(u cluster.Undone) string {
	switch {
	case u.Err != nil:
		return fmt.Sprintf("could not be %s: %v", u.Action, u.Err)
	case u.Action == cluster.Left:
		return "left alone: " + u.Why
	}
	return string(u.Action)
}

func undoneObjects(undone []cluster.Undone) []Undone {
	out := make([]Undone, len(undone))
	for i, u := range undone {
		out[i] = Undone{Object: u.Ref(), Action: string(u.Action), Result: "ok"}
		switch {
		case u.Err != nil:
			out[i].Result = u.Err.Error()
		case u.Action == cluster.Left:
			out[i].Result = u.Why
		}
	}
	return out
}

// verify watches the restored workloads until they are complete again, and the deleted objects until they are gone.
func (r *run) verify(ctx context.Context, undone []cluster.Undone, report *Undo) bool {
	targets := append(r.g.Cluster.TargetsOfUndo(undone), r.bystanders()...)
	watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := r.g.Cluster.Watch(watchCtx, targets)
	defer func() { stop(); w.Wait() }()
	l := r.watching(w, targets)
	l.undo = r.freeStuck(ctx, l)
	e := l.until(ctx, false)
	if e.outcome != Passed {
		report.Findings = l.explain(ctx, e)
		return false
	}
	for _, u := range undone {
		if u.Action == cluster.Restored && !u.Exact() {
			r.report.Notes = append(r.report.Notes, fmt.Sprintf("%s was restored, but the API server keeps it different from before (an admission webhook?)", u.Ref()))
			return false
		}
		if u.Action == cluster.Deleted && !r.gone(ctx, u) {
			return false
		}
	}
	return true
}

// bystanders are the workloads of the run that it did not change: a restored ConfigMap has to let them run again.
func (r *run) bystanders() []cluster.Target {
	changed := map[manifest.Ref]bool{}
	for _, c := range r.report.Changes {
		changed[c.Object] = c.Action != string(cluster.Unchanged)
	}
	return slices.DeleteFunc(slices.Clone(r.targets), func(t cluster.Target) bool { return changed[t.Ref] })
}

// gone waits until a deleted object is gone.
func (r *run) gone(ctx context.Context, u cluster.Undone) bool {
	for {
		if gone, err := r.g.Cluster.Gone(ctx, u); gone && err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// freeStuck deletes, at most once a second, the pods of the undone revision that block a StatefulSet.
func (r *run) freeStuck(ctx context.Context, l *watching) func(int, rollout.Status) {
	bad := map[manifest.Ref]string{}
	for _, s := range r.report.Workloads {
		bad[s.Ref] = s.Revision
	}
	last := time.Time{}
	return func(i int, s rollout.Status) {
		live := l.w.Workload(i).Live
		if r.g.KeepStuckPods || live == nil || time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		deleted, err := r.g.Cluster.FreeStuck(ctx, live, bad[s.Ref])
		for _, pod := range deleted {
			r.tell(EventUndo, s.Ref, "deleted pod %s of the undone revision, which blocked the others", pod)
		}
		if err != nil {
			r.tell(EventWarning, s.Ref, "%v", err)
		}
	}
}
