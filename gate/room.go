package gate

import (
	"fmt"
	"slices"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// hasRoom refuses stages whose new pods could not run beside the old ones, before anything is written.
func (r *run) hasRoom(stages []Stage) error {
	var extras []diagnosis.Extra
	for _, s := range stages {
		for _, w := range s.Writes {
			k, _ := rollout.KindOf(w.Ref.GroupKind())
			if k.Staged != rollout.BySurge || s.Goals[w.Ref] == 0 || w.After == nil {
				continue
			}
			after := rollout.Typed(w.After)
			extra := diagnosis.Extra{Of: w.Ref, Template: rollout.PodTemplate(after), Have: rollout.Replicas(after), New: s.Goals[w.Ref]}
			i := slices.IndexFunc(extras, func(e diagnosis.Extra) bool { return e.Of == w.Ref })
			if i < 0 {
				extras = append(extras, extra)
			} else if extras[i].New < extra.New {
				extras[i] = extra
			}
		}
	}
	if r.resumed != "" || len(r.carried) > 0 { // some of the new pods are there already
		return nil
	}
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	var asked []string
	for _, e := range extras {
		if slices.Contains(asked, e.Of.Namespace) {
			continue
		}
		asked = append(asked, e.Of.Namespace)
		room, err := r.g.Cluster.Room(ctx, e.Of.Namespace, slices.ContainsFunc(extras, diagnosis.Extra.MountsClaims))
		if ended := r.interrupted(ctx, "asking how much room there is"); ended != nil {
			return ended
		}
		if err != nil {
			return fmt.Errorf("finding out how much room namespace %s has: %w", e.Of.Namespace, err)
		}
		if why := room.Lacks(extras); why != "" {
			return refusedError{fmt.Errorf("%s\n  hint: make room, give fewer pods at once, or run without stages", why)}
		}
	}
	return nil
}
