package gate

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// replaceEvery is how often it is asked which old pods of a DaemonSet are to be replaced next, when that is known to be
	// time; replaceAgain is how often it is asked in any case, and after it could not be done.
	replaceEvery = 500 * time.Millisecond
	replaceAgain = 15 * time.Second
)

// replacing says when old pods of a DaemonSet are to be deleted, because a stage gives the new version to a few nodes.
// What the watch knows only says that it is time to ask; see [rollout.ToReplace].
func (f *follower) replacing(i int, w rollout.Workload) (intent, bool) {
	s := &f.states[i]
	k, _ := rollout.KindOf(f.targets[i].Ref.GroupKind())
	if w.Goal == 0 || k.Staged != rollout.ByDeletion || f.undone != nil || s.write == nil || s.busy[replacePods] {
		return intent{}, false
	}
	f.w.LookCloser(i)
	pace := replaceAgain
	atOnce := unavailable(*s.write)
	if s.cannotReplace == "" && len(rollout.ToReplace(w, nil, atOnce)) > 0 {
		pace = replaceEvery
	}
	if rollout.NewRevision(w) == "" || time.Since(s.asked) < pace {
		return intent{}, false
	}
	s.asked = time.Now()
	return intent{kind: replacePods, target: i, atOnce: atOnce}, true
}

// replace deletes the old pods whose time has come, one after the other, as long as this run may write.
func (r *run) replace(ctx context.Context, w rollout.Workload, atOnce int32) (replaced []Replaced, note string, err error) {
	next, note, err := r.g.Cluster.NextOld(ctx, w, atOnce)
	for _, p := range next {
		if r.mayWrite(ctx) != nil {
			return replaced, note, nil // whoever ended it says so
		}
		if err := r.g.Cluster.Replace(ctx, p); err != nil {
			return replaced, note, err
		}
		replaced = append(replaced, Replaced{Pod: p.Name, Node: rollout.NodeOf(p)})
	}
	return replaced, note, err
}

// replaced tells of the pods that were deleted, and once of what is in the way.
func (f *follower) replaced(a answer) {
	s, ref := &f.states[a.target], f.targets[a.target].Ref
	for _, p := range a.replaced {
		f.r.tell(ref, p)
	}
	if a.note != "" {
		f.r.note("%s", a.note)
	}
	said := s.cannotReplace
	if s.cannotReplace = ""; a.err != nil {
		s.cannotReplace = a.err.Error()
	}
	if s.cannotReplace != "" && s.cannotReplace != said {
		f.r.tell(ref, Trouble{s.cannotReplace})
	}
}

// unavailable is how many nodes the manifest lets be without a pod while its DaemonSet is updated; one, when it says
// nothing. A new pod beside the old one of its node, as maxSurge has it, is not what a deletion can give.
func unavailable(w patch.Write) int32 {
	set, ok := rollout.Typed(w.Object.Unstructured).(*appsv1.DaemonSet)
	if !ok || set.Spec.UpdateStrategy.RollingUpdate == nil || set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable == nil {
		return 1
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable, int(rollout.Replicas(rollout.Typed(w.After))), true)
	if err != nil {
		return 1
	}
	return max(1, int32(n))
}
