package gate

import (
	"slices"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/order"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// inOrder are the stages of a plan whose objects wait for each other: those of one group after those of the one before.
// The planners see a group at a time. The criteria judge the last stage with objects that stay, which all before it lead
// to, and each canary.
func inOrder(o order.Order, p patch.Plan, planners []Planner) ([]Stage, error) {
	if len(o.Groups) == 0 { // of a plan without manifests
		return planned(p, planners)
	}
	parts := partsOf(p, o.Groups)
	judged := judgedGroup(o.Groups)
	var all []Stage
	last := make([]int, len(o.Groups)) // stage of each group
	for i, g := range o.Groups {
		stages, err := planned(parts[i], planners)
		if err != nil {
			return nil, err
		}
		for n := range stages {
			s := &stages[n]
			final := n == len(stages)-1
			switch {
			case final && i == judged:
				s.Judge = p.Changes()
			case final || i > judged:
				s.Judge = false
			}
			s.hooksOf(g)
			if len(o.Groups) > 1 {
				s.Name = nameIn(g, *s, len(stages))
			}
		}
		all = append(all, stages...)
		last[i] = len(all) - 1
	}
	for _, g := range o.Groups {
		for _, object := range g.Objects {
			if object.DeleteOnSuccess {
				s := &all[last[object.Until]]
				s.Deletes = append(s.Deletes, object.Ref())
			}
		}
	}
	return all, nil
}

// planned asks the planners.
func planned(p patch.Plan, planners []Planner) ([]Stage, error) {
	for _, planner := range planners {
		if stages, err := planner.Stages(p); err != nil || len(stages) > 0 {
			return stages, err
		}
	}
	return nil, nil
}

// judgedGroup is the last group with objects that stay, or the last one that is no test.
func judgedGroup(groups []order.Group) int {
	judged := 0
	stays := false
	for i, g := range groups {
		ordinary := slices.ContainsFunc(g.Objects, func(o order.Object) bool { return !o.Hook })
		if !g.Test && (ordinary || !stays) {
			judged, stays = i, stays || ordinary
		}
	}
	return judged
}

// partsOf is what a plan writes of each group, in the order of the group.
func partsOf(p patch.Plan, groups []order.Group) []patch.Plan {
	type place struct{ group, object int }
	places := map[manifest.Ref]place{}
	for i, g := range groups {
		for n, object := range g.Objects {
			places[object.Ref()] = place{i, n}
		}
	}
	parts := make([]patch.Plan, len(groups))
	for _, w := range p.Writes {
		of := w.Ref
		if _, known := places[of]; !known && w.Pin != nil { // it goes with the pods that it is about
			of = w.Pin.Of
		} else if !known && w.Split != nil {
			of = w.Split.Of
		}
		part := &parts[places[of].group]
		part.Writes = append(part.Writes, w)
	}
	for i := range parts {
		slices.SortStableFunc(parts[i].Writes, func(a, b patch.Write) int { return places[a.Ref].object - places[b.Ref].object })
	}
	return parts
}

// hooksOf notes which objects of a stage are hooks.
func (s *Stage) hooksOf(g order.Group) {
	for _, object := range g.Objects {
		if !object.Hook {
			continue
		}
		s.Hooks = append(s.Hooks, object.Ref())
		if object.DeleteOnFailure {
			s.DeletesFailed = append(s.DeletesFailed, object.Ref())
		}
	}
}

// nameIn is the name of one of the stages of a group; no other stage of the run has it.
func nameIn(g order.Group, s Stage, stages int) string {
	if stages == 1 {
		return g.Name
	}
	return g.Name + ": " + s.Name
}

// isHook tells whether an object of a stage is a hook.
func (s Stage) isHook(ref manifest.Ref) bool { return slices.Contains(s.Hooks, ref) }
