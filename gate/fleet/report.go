package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// worst are the outcomes in the order in which they decide how the whole has ended: what a person has to look at first, then
// what the pipeline asked for, then what was bad, then what has changed nothing.
var worst = []gate.Outcome{
	gate.UndoBroken, gate.Internal, gate.Interrupted, gate.Terminated, gate.NotUndone, gate.RolloutFailed, gate.TimedOut,
	gate.CriteriaFailed, gate.Rejected, gate.Inconclusive, gate.Superseded, gate.Invalid, gate.Denied, gate.Refused, gate.Retry,
	gate.CalledOff, gate.Parked, gate.Passed,
}

// Worst are all outcomes, those that decide first.
func Worst() []gate.Outcome { return slices.Clone(worst) }

// unchanging are the outcomes that say that nothing was changed.
var unchanging = []gate.Outcome{gate.Internal, gate.Invalid, gate.Denied, gate.Refused, gate.Retry}

func rank(e gate.Exit) int {
	i := slices.IndexFunc(worst, func(o gate.Outcome) bool { return o.Code() == e.Code && o.Name() == e.Name })
	if i < 0 {
		return 1 // as a bug
	}
	return i
}

// Report is one report of all parts. The run is what is known of it beyond its parts.
func (f Fleet) Report(run gate.Run, parts []Part) gate.Report {
	r := gate.Report{SchemaVersion: gate.SchemaVersion, Run: run}
	for i, p := range parts {
		m := f.Members[i]
		r.Clusters = append(r.Clusters, gate.ClusterReport{Name: m.Name, Wave: m.Wave, Report: p.whole()})
	}
	slices.SortStableFunc(r.Clusters, func(a, b gate.ClusterReport) int { return cmp.Compare(a.Wave, b.Wave) })
	r.Exit = exitOf(r.Clusters, begun(parts))
	r.Undo = undoOf(r.Clusters)
	byRank := slices.Clone(r.Clusters)
	slices.SortStableFunc(byRank, func(a, b gate.ClusterReport) int { return cmp.Compare(rank(a.Report.Exit), rank(b.Report.Exit)) })
	for _, c := range byRank {
		if c.Report.Exit.Code == 0 && r.Exit.Code != 0 {
			continue // remarks beside a good end explain nothing
		}
		for _, found := range c.Report.Findings {
			found.Cause = "cluster " + c.Name + ": " + found.Cause
			r.Findings = append(r.Findings, found)
		}
	}
	for _, c := range r.Clusters {
		for _, mark := range []struct{ to, from *time.Time }{
			{&r.Marks.Applied, &c.Report.Marks.Applied}, {&r.Marks.Undone, &c.Report.Marks.Undone},
		} {
			if !mark.from.IsZero() && (mark.to.IsZero() || mark.from.Before(*mark.to)) {
				*mark.to = *mark.from
			}
		}
	}
	return r
}

// whole is the report of a part, with what came after its run.
func (p Part) whole() gate.Report {
	r := p.Report
	if p.Err != nil && r.SchemaVersion == "" {
		r = gate.Gate{}.Unbegun("", gate.Internal, p.Err)
	}
	if p.Undo == nil {
		return r
	}
	u := *p.Undo
	r.Run.Finished, r.Undo, r.Marks.Undone = u.Run.Finished, u.Undo, u.Marks.Undone
	r.Timeline = append(slices.Clone(r.Timeline), u.Timeline...)
	r.Notes = append(slices.Clone(r.Notes), u.Notes...)
	if len(u.Workloads) > 0 {
		r.Workloads = u.Workloads
	}
	was := r.Exit.Name
	switch {
	case u.Exit.Code == 0:
		r.Exit = exit(gate.CalledOff, u.Exit.State+", after it had "+was)
	case u.Exit.Name == gate.Interrupted.Name() && u.Undo == nil:
		r.Exit = u.Exit
		r.Exit.State = "it had " + was + ", and was NOT taken back"
	case u.Exit.Name == gate.Interrupted.Name():
		r.Exit = u.Exit
	default:
		r.Exit = exit(gate.UndoBroken, fmt.Sprintf("it had %s, and was NOT taken back: %s", was, strings.TrimPrefix(u.Exit.State, "nothing was changed")))
		r.Exit.Error = u.Exit.Error
	}
	return r
}

func exit(o gate.Outcome, state string) gate.Exit {
	return gate.Exit{Code: o.Code(), Name: o.Name(), State: strings.TrimSuffix(strings.TrimSpace(state), ":")}
}

// exitOf is how the whole has ended: as the worst of its parts. Where some have a new version that is to stay, the end of another
// one does not say that nothing was changed.
func exitOf(clusters []gate.ClusterReport, begun bool) gate.Exit {
	decides, left := gate.Exit{Name: gate.Passed.Name()}, false
	for i, c := range clusters {
		if e := c.Report.Exit; i == 0 || rank(e) < rank(decides) {
			decides = e
		}
		left = left || changed(c.Report, begun)
	}
	state := stateOf(clusters)
	if left && slices.ContainsFunc(unchanging, func(o gate.Outcome) bool { return o.Code() == decides.Code }) {
		e := exit(gate.NotUndone, state)
		e.Error, e.File, e.Line = decides.Error, decides.File, decides.Line
		return e
	}
	decides.State = state
	return decides
}

// maxStates is of how many clusters the last line tells.
const maxStates = 6

// stateOf says how every cluster was left, the worst first; those that are alike are told together.
func stateOf(clusters []gate.ClusterReport) string {
	type group struct {
		names []string
		rank  int
		text  string
	}
	var groups []group
	for _, c := range clusters {
		e := c.Report.Exit
		text := e.State
		if n := rank(e); n != rank(gate.Exit{Name: gate.Passed.Name()}) {
			text = e.Name + ", " + text
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.text == text })
		if i < 0 {
			i, groups = len(groups), append(groups, group{rank: rank(e), text: text})
		}
		groups[i].names = append(groups[i].names, c.Name)
	}
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(a.rank, b.rank) })
	var parts []string
	for i, g := range groups {
		if i == maxStates {
			parts = append(parts, fmt.Sprintf("and %d more", len(groups)-i))
			break
		}
		names := g.names
		if more := len(names) - maxStates; more > 0 {
			names = append(names[:maxStates:maxStates], fmt.Sprintf("%d more", more))
		}
		parts = append(parts, strings.Join(names, ", ")+": "+g.text)
	}
	return strings.Join(parts, "; ")
}

// undoOf is what became of putting things back, altogether: the worst of it. The objects are in the parts.
func undoOf(clusters []gate.ClusterReport) *gate.Undo {
	order := []gate.UndoResult{gate.UndoFailed, gate.UndoUnverified, gate.UndoVerified, gate.UndoSkipped, gate.UndoNothing}
	var all *gate.Undo
	for _, c := range clusters {
		u := c.Report.Undo
		if u == nil {
			continue
		}
		if all == nil {
			all = &gate.Undo{Result: u.Result, Run: u.Run, State: u.State}
		}
		if slices.Index(order, u.Result) < slices.Index(order, all.Result) {
			all.Result = u.Result
		}
		all.Duration = max(all.Duration, u.Duration)
		for _, found := range u.Findings {
			found.Cause = "cluster " + c.Name + ": " + found.Cause
			all.Findings = append(all.Findings, found)
		}
	}
	return all
}
