package gate

import (
	"fmt"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// drainTime is how long old pods live on after their Services have left them: until every node's proxy knows, and what is
// on its way has been answered.
const drainTime = 10 * time.Second

// blueGreen makes all new pods beside the old ones while every Service stays pinned to the old ones, gives the traffic to
// the new ones at once, and lets the old ones end when nobody asks them any more.
func blueGreen(d Delivery) Planner {
	return Planner{Name: "blue-green", Stages: func(p patch.Plan) ([]Stage, error) {
		preview := d.preview()
		if preview == nil {
			return nil, nil
		}
		replaced, err := surged(d, p, "blue/green")
		if err != nil || len(replaced) == 0 {
			return nil, err
		}
		b := builder{Delivery: d, plan: p, replaced: replaced}
		first := b.stage("preview")
		first.Writes = b.others()
		for _, w := range b.pins() {
			if w.Pin.Old != "" {
				if err := b.pin(&first, w, w.Pin.Old); err != nil {
					return nil, err
				}
			}
		}
		if err := b.surge(&first); err != nil {
			return nil, err
		}
		stages := []Stage{first}
		if preview.Preview.Service != "" {
			shown := b.stage("preview service")
			for _, w := range b.pins() {
				if w.Pin.Old == "" {
					if err := b.pin(&shown, w, ""); err != nil {
						return nil, err
					}
				}
			}
			stages = append(stages, shown)
		}
		shown := &stages[len(stages)-1]
		shown.Service = preview.Preview.Service
		shown.Test, shown.Hold, shown.Approval = preview.Test, preview.Hold, preview.Approval
		return b.finish(stages, switched(d))
	}}
}

// switched is the part in which the users change over.
func switched(d Delivery) Part {
	for _, p := range d.Parts {
		if p.Switch {
			return p
		}
	}
	return Part{Switch: true}
}

// builder makes stages that pin Services.
type builder struct {
	Delivery
	plan     patch.Plan
	replaced []patch.Write        // the Deployments whose pods become new
	steps    map[manifest.Ref]int // how many writes of an object there are so far
	goals    map[manifest.Ref]int32
}

func (b *builder) stage(name string) Stage { return Stage{Name: name, Goals: b.goals} }

// pins are the writes that pin Services.
func (b *builder) pins() []patch.Write {
	return slices.DeleteFunc(slices.Clone(b.plan.Writes), func(w patch.Write) bool { return w.Pin == nil })
}

// others are the writes of the plan that nothing is staged of.
func (b *builder) others() []patch.Write {
	return slices.DeleteFunc(slices.Clone(b.plan.Writes), func(w patch.Write) bool { return w.Steers() || b.stages(w) })
}

// next is the number of a further write to an object.
func (b *builder) next(ref manifest.Ref) int {
	if b.steps == nil {
		b.steps = map[manifest.Ref]int{}
	}
	b.steps[ref]++
	return b.steps[ref] - 1
}

// pin adds a step that pins a Service to a revision; an empty one is the new one.
func (b *builder) pin(s *Stage, w patch.Write, revision string) error {
	step, err := w.PinnedTo(b.next(w.Ref), revision)
	s.Writes = append(s.Writes, step)
	return err
}

// surge adds the step after which all new pods run beside all old ones.
func (b *builder) surge(s *Stage) error {
	b.goals = map[manifest.Ref]int32{}
	for _, w := range b.replaced {
		pods := rollout.Replicas(rollout.Typed(w.After))
		step, err := w.AsStep(b.next(w.Ref), stepped(w), few(w, pods)...)
		if err != nil {
			return err
		}
		s.Writes = append(s.Writes, step)
		b.goals[w.Ref] = pods
	}
	s.Goals = b.goals
	return nil
}

// finish adds the stages after all new pods run: the traffic goes to them, the old ones end, and the pins go.
func (b *builder) finish(stages []Stage, asked Part) ([]Stage, error) {
	change := b.stage("switch")
	change.Test, change.Hold, change.Approval = asked.Test, asked.Hold, asked.Approval
	change.Judge, change.Alone, change.Rest = true, true, drainTime
	if change.Hold > 0 { // a forecast says how long it really is
		change.Hold = max(change.Hold, change.Rest)
	}
	promote, last := Stage{Name: "promote"}, Stage{Name: "unpin", Judge: true, Unpin: true}
	for _, w := range b.pins() {
		if w.Pin.Old != "" {
			if err := b.pin(&change, w, ""); err != nil {
				return nil, err
			}
		}
	}
	for _, w := range b.replaced {
		step, err := w.AsStep(b.next(w.Ref), stepped(w))
		if err != nil {
			return nil, err
		}
		promote.Writes = append(promote.Writes, step)
	}
	for _, w := range b.pins() {
		if w.Added || w.OfRun {
			continue
		}
		step, err := w.Unpinned(b.next(w.Ref))
		if err != nil {
			return nil, err
		}
		last.Writes = append(last.Writes, step)
	}
	if len(b.pins()) == 0 { // no Service knows these pods
		promote.Judge = true
		return append(stages, promote), nil
	}
	return append(stages, change, promote, last), nil
}

// surged are the writes of a plan that replace pods, all of which can run twice as many for a while.
func surged(d Delivery, p patch.Plan, what string) ([]patch.Write, error) {
	var all []patch.Write
	for _, w := range p.Writes {
		if !d.stages(w) {
			continue
		}
		k, _ := rollout.KindOf(w.Ref.GroupKind())
		if k.Staged != rollout.BySurge {
			return nil, fmt.Errorf("%s cannot be %s: only a Deployment can run all its new pods beside all old ones\n  hint: release it in a run of its own, or let the stages be for others: --workloads deployment/NAME", w.Ref, what)
		}
		if why := cannotStage(w); why != "" {
			return nil, fmt.Errorf("%s cannot be %s: %s\n  hint: change that, or release it in another way", w.Ref, what, why)
		}
		if rollout.Replicas(rollout.Typed(w.After)) == 0 {
			return nil, fmt.Errorf("%s cannot be %s: it wants 0 pods\n  hint: scale it first", w.Ref, what)
		}
		all = append(all, w)
	}
	return all, nil
}
