package gate

import (
	"slices"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// drain lets old pods end only when their Services have left them. All new pods of a Deployment run beside the old ones for
// that, and both serve; then the traffic goes to the new ones alone. What replaces its pods one by one does so as ever.
func drain(d Delivery) Planner {
	return Planner{Name: "drain", Stages: func(p patch.Plan) ([]Stage, error) {
		if !d.Drain || d.preview() != nil {
			return nil, nil
		}
		stages, err := canary(d).Stages(p)
		if err != nil {
			return nil, err
		}
		b := builder{Delivery: d, plan: p, steps: map[manifest.Ref]int{}}
		beside := b.stage("beside")
		if len(stages) > 0 {
			stages = stages[:len(stages)-1] // all that promotes comes later here
			beside.Judge = true
		} else {
			beside.Writes = b.others()
		}
		var others []patch.Write // that cannot have all their pods twice
		for _, w := range p.Writes {
			if w.Pin != nil && !w.Added && len(stages) > 0 {
				b.steps[w.Ref] = 1 // the first canary has written it
			}
			if !d.stages(w) {
				continue
			}
			k, _ := rollout.KindOf(w.Ref.GroupKind())
			switch drains := k.Staged == rollout.BySurge && cannotStage(w) == "" && rollout.Replicas(rollout.Typed(w.After)) > 0; {
			case drains:
				b.replaced = append(b.replaced, w)
			case len(stages) == 0:
				beside.Writes = append(beside.Writes, w)
			default:
				others = append(others, w)
			}
			b.steps[w.Ref] = len(stages)
		}
		if len(b.replaced) == 0 || len(b.pins()) == 0 {
			return nil, nil
		}
		first := &beside
		if len(stages) > 0 {
			first = &stages[0]
		}
		if err := b.unpinFirst(first); err != nil {
			return nil, err
		}
		if err := b.surge(&beside); err != nil {
			return nil, err
		}
		stages = append(stages, beside)
		all, err := b.finish(stages, Part{})
		if err != nil {
			return nil, err
		}
		promote := slices.IndexFunc(all, func(s Stage) bool { return s.Name == "promote" })
		all[promote-1].Name = "drain"
		for _, w := range others {
			step, err := w.AsStep(b.next(w.Ref), stepped(w))
			if err != nil {
				return nil, err
			}
			all[promote].Writes = append(all[promote].Writes, step)
		}
		return all, nil
	}}
}

// unpinFirst has a stage give the Services back to all pods that an unfinished run has pinned: those that it had given to
// its new pods would have none, as soon as these are replaced.
func (b *builder) unpinFirst(s *Stage) error {
	var steps []patch.Write
	for _, w := range b.pins() {
		if !w.Pinned() || b.steps[w.Ref] > 0 {
			continue
		}
		step, err := w.Unpinned(b.next(w.Ref))
		if err != nil {
			return err
		}
		steps = append(steps, step)
	}
	s.Writes = append(steps, s.Writes...)
	return nil
}
