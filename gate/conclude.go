package gate

import (
	"fmt"
	"strings"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// conclude acts on the verdict: it takes back what has to be taken back, and sets the exit.
func (r *run) conclude(v Verdict) {
	said := judged(v.Outcome, r.findings)
	said.Nothing = v.Outcome == Passed && len(v.Nothing) > 0
	r.tell(manifest.Ref{}, said)
	_, cancelled := r.course.cancelled()
	switch {
	case r.course.yielded() != nil:
		r.exit(Superseded, "another run has taken over: "+r.course.yielded().Error())
	case v.Outcome == Parked:
		r.exit(Parked, fmt.Sprintf("the stages up to %s have passed; go on: rolloutgate resume %s, or take it all back: rolloutgate undo %s", r.stage, r.report.Run.ID, r.report.Run.ID))
	case v.Outcome == Passed:
		r.notePolicy()
		r.exit(Passed, r.passedState(v))
	case v.Outcome == Superseded:
		s := r.report.Workloads[v.Target]
		r.exit(Superseded, fmt.Sprintf("%s was left as it is: %s", s.Ref, s.Message))
	case v.Outcome == Inconclusive && v.Action != analysis.ActionUndo && !r.between:
		r.exit(Inconclusive, r.inconclusiveState(v))
	case r.untouched() && v.Outcome == CalledOff:
		r.report.Undo = &Undo{Result: UndoNothing}
		r.exit(CalledOff, nothingChanged)
	case r.untouched() && !r.undoesForOthers(v):
		r.report.Undo = &Undo{Result: UndoNothing}
		r.exit(orCancelled(NotUndone, v.Outcome), "this run changed nothing, so nothing was undone")
	case v.Action == analysis.ActionStop && v.Outcome != Inconclusive:
		r.report.Undo = &Undo{Result: UndoSkipped}
		r.exit(NotUndone, "the new version was left in place, as on.fail asks")
	case r.g.NeverUndo, cancelled && r.g.LeaveOnCancel:
		r.report.Undo = &Undo{Result: UndoSkipped}
		r.exit(orCancelled(NotUndone, v.Outcome), "the new version was left in place, as asked")
	default:
		r.undo(v)
	}
}

// undoesForOthers tells whether a bad rollout that this run only watches is to be taken back by a command. A watch that was
// cancelled says nothing about the rollout.
func (r *run) undoesForOthers(v Verdict) bool {
	return r.report.Run.Command == "watch" && len(r.g.UndoCommand) > 0 && v.Outcome != Interrupted && v.Outcome != Terminated
}

// orCancelled is the outcome, unless the run was cancelled: then that is what the pipeline has to know.
func orCancelled(o, verdict Outcome) Outcome {
	if verdict == Interrupted || verdict == Terminated {
		return verdict
	}
	return o
}

// passedState says what a passed run has left, and what of it proves nothing.
func (r *run) passedState(v Verdict) string {
	var complete []string
	for _, s := range r.report.Workloads {
		if s.Watched {
			complete = append(complete, s.Ref.String())
		}
	}
	state := list(complete, "everything is applied", " complete")
	if len(r.writes) > 0 && r.untouched() {
		state = list(complete, "nothing to change", " healthy, nothing to change")
	}
	if pruned := r.pruned(); len(pruned) > 0 {
		state += "; " + list(pruned, "", " pruned")
	}
	if len(v.Nothing) > 0 {
		state += "; nothing runs: " + list(r.names(v.Nothing), "", " at 0 replicas, so nothing was proven")
	}
	return state
}

func (r *run) inconclusiveState(v Verdict) string {
	if v.Awaited {
		var missing []string
		for _, s := range r.report.Workloads {
			if s.Reason == rollout.ReasonAwaited {
				missing = append(missing, s.Ref.String())
			}
		}
		return "nothing was judged: the version to wait for has not come to " + strings.Join(missing, ", ")
	}
	if v.Unaccepted {
		return "the release was left as it is, for the credentials are not accepted any more, and nobody has seen it complete; take it back with: " + r.undoLine()
	}
	if len(v.Nothing) > 0 {
		return "the release was kept, and nothing of it runs: " + list(r.names(v.Nothing), "", " at 0 replicas")
	}
	return "the release was kept: it is running, and its criteria could not be judged"
}

// undoLine is the command that puts this run back later.
func (r *run) undoLine() string {
	id := r.report.Run.ID
	if r.found != nil {
		id = r.found.ID
	}
	line := "rolloutgate undo " + id
	if r.g.Namespace != "" {
		line += " -n " + r.g.Namespace
	}
	if r.g.Context != "" {
		line += " --context " + r.g.Context
	}
	return line
}

func (r *run) names(workloads []int) []string {
	names := make([]string, len(workloads))
	for n, i := range workloads {
		names[n] = r.report.Workloads[i].Ref.String()
	}
	return names
}

// undoState says what an undo has left of each object.
func undoState(undone []patch.Undone, result UndoResult) string {
	var back, again, gone, left, stuck, partly, stays []string
	for _, u := range undone {
		name := u.Write.Ref.String()
		switch {
		case u.Err != nil:
			stuck = append(stuck, name)
		case u.Action == patch.AsWritten:
			stays = append(stays, name)
		case u.Action == patch.Left:
			left = append(left, name)
		case u.Action == patch.Recreated:
			again = append(again, name)
		case u.Action == patch.Deleted:
			gone = append(gone, name)
		case len(u.Kept) > 0:
			partly = append(partly, name)
		default:
			back = append(back, name)
		}
	}
	var parts []string
	for _, p := range []struct {
		names  []string
		suffix string
	}{
		{back, " back at the previous version"},
		{partly, " back but for what somebody else has changed"},
		{again, " there again"},
		{gone, " removed again"},
		{left, " left alone: changed by somebody else"},
		{stays, " left as this run wrote it, as asked"},
		{stuck, " NOT restored"},
	} {
		if len(p.names) > 0 {
			parts = append(parts, list(p.names, "", p.suffix))
		}
	}
	return fmt.Sprintf("%s (%s)", strings.Join(parts, "; "), result)
}

// plannedState counts what a plan would do.
func plannedState(p patch.Plan) string {
	counts := map[patch.Action]int{}
	for _, w := range p.Writes {
		switch {
		case w.Test > 0:
		case w.Manager == patch.PinManager && w.Object.Unstructured != nil:
			counts[patch.Unchanged]++ // it is pinned for a while, and ends as it is
		case w.Manager != patch.PinManager && !w.OfRun:
			counts[w.Action]++
		}
	}
	text := fmt.Sprintf("%s: %d to create, %d to change, %d as they are", nothingChanged, counts[patch.Created], counts[patch.Configured], counts[patch.Unchanged])
	if len(p.Prunes) > 0 {
		text += fmt.Sprintf(", %d to prune", len(p.Prunes))
	}
	return text
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
