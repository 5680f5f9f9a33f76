package gate

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// knownTime is how long the Service for the new pods is there before requests are sent to it: until it has them behind it,
// and whatever sends the requests of routes knows them.
const knownTime = 5 * time.Second

// traffic gives the new pods shares of the requests that come by HTTPRoutes. All of them run beside the old ones, to which
// every Service is pinned meanwhile; the new ones are reached by Services of the run, between which and the others the
// routes divide their requests. At the end the Services lead to the new pods, as with blue/green, and the routes are as
// they are without shares.
func traffic(d Delivery) Planner {
	return Planner{Name: "traffic", Stages: func(p patch.Plan) ([]Stage, error) {
		if !d.shares() {
			return nil, nil
		}
		replaced, err := surged(d, p, "given shares of the requests")
		if err != nil || len(replaced) == 0 {
			return nil, err
		}
		b := builder{Delivery: d, plan: p, replaced: replaced}
		if err := b.leads(); err != nil {
			return nil, err
		}
		first := b.stage("beside")
		first.Writes = b.others()
		for _, w := range b.pins() {
			if !w.OfRun {
				if err := b.pin(&first, w, w.Pin.Old); err != nil {
					return nil, err
				}
			}
		}
		if err := b.surge(&first); err != nil {
			return nil, err
		}
		none := b.stage("traffic 0%")
		none.Rest = knownTime
		for _, w := range b.ofRun() {
			if err := b.pin(&none, w, ""); err != nil {
				return nil, err
			}
		}
		stages := []Stage{first, none}
		for _, part := range d.Parts {
			s := b.stage("traffic " + strconv.FormatFloat(part.Traffic, 'f', -1, 64) + "%")
			s.Service, s.Test, s.Hold, s.Approval, s.Judge = b.ofRun()[0].Ref.Name, part.Test, part.Hold, part.Approval, true
			if err := b.split(&s, part.Traffic); err != nil {
				return nil, err
			}
			stages = append(stages, s)
		}
		return b.unsplit(stages)
	}}
}

// ofRun are the writes of the Services for the new pods, splits those of the routes.
func (b *builder) ofRun() []patch.Write {
	return slices.DeleteFunc(b.pins(), func(w patch.Write) bool { return !w.OfRun })
}

func (b *builder) splits() []patch.Write {
	return slices.DeleteFunc(slices.Clone(b.plan.Writes), func(w patch.Write) bool { return w.Split == nil })
}

// leads refuses what no request would come to by a route.
func (b *builder) leads() error {
	made := map[string]bool{}
	for _, w := range b.ofRun() {
		made[w.Ref.Namespace+"/"+w.Ref.Name] = true
	}
	for _, w := range b.splits() {
		for service, name := range w.Split.To {
			if !made[w.Ref.Namespace+"/"+name] {
				return fmt.Errorf("%s sends requests to service/%s as well, whose pods become new in another stage of this release\n  hint: release them in the same stage, or in a run of their own", w.Ref, service)
			}
		}
	}
	if len(b.splits()) > 0 {
		return nil
	}
	names := "it has none"
	for n, w := range b.pins() {
		if n == 0 {
			names = w.Ref.String()
			continue
		}
		names += ", " + w.Ref.String()
	}
	return fmt.Errorf("the requests for %s cannot be shared: no HTTPRoute sends any to its Services (%s)\n  hint: only what comes by an HTTPRoute of the same namespace can be shared, one that is there before this release; canary: 5%% gives a few pods the new version",
		b.replaced[0].Ref, names)
}

// split adds the steps that give the new pods a share.
func (b *builder) split(s *Stage, percent float64) error {
	for _, w := range b.splits() {
		step, err := w.SplitAt(b.next(w.Ref), percent)
		if err != nil {
			return err
		}
		s.Writes = append(s.Writes, step)
	}
	return nil
}

// unsplit adds the stages after the last share: the Services lead to the new pods, so that the routes can name them alone
// again; what the run has made for itself goes at the end.
func (b *builder) unsplit(stages []Stage) ([]Stage, error) {
	stages, err := b.finish(stages, Part{})
	if err != nil {
		return nil, err
	}
	all := &stages[slices.IndexFunc(stages, func(s Stage) bool { return s.Name == "switch" })]
	all.Name, all.Unsplit = "traffic 100%", true
	for _, w := range b.splits() {
		if w.Added {
			continue
		}
		step, err := w.Unsplit(b.next(w.Ref))
		if err != nil {
			return nil, err
		}
		all.Writes = append(all.Writes, step)
	}
	last := &stages[len(stages)-1]
	for _, w := range b.ofRun() {
		last.Deletes = append(last.Deletes, w.Ref)
	}
	return stages, nil
}

// routes are those whose requests a stage splits, in the order of writing.
func (s Stage) routes() []manifest.Ref {
	var refs []manifest.Ref
	for _, w := range s.Writes {
		if w.Split != nil {
			refs = append(refs, w.Ref)
		}
	}
	return refs
}
