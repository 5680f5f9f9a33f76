package gate

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// pinned is for how long the controller of a Deployment does not count new pods as available: longer than anybody holds
// a stage. It goes on with the rest only when they are, so a run that died leaves as many new pods as there were.
const pinned = 30 * 24 * time.Hour

// canary gives a few pods of each workload the new version first. What has no pods to replace is written in the first
// stage, in its place among the others.
func canary(d Delivery) Planner {
	return Planner{Name: "canary", Stages: func(p patch.Plan) ([]Stage, error) {
		if !d.canaries() {
			return nil, nil
		}
		var staged []patch.Write
		for _, w := range p.Writes {
			if d.stages(w) {
				if why := cannotStage(w); why != "" {
					return nil, fmt.Errorf("%s cannot have a canary: %s\n  hint: change that, or run without --canary", w.Ref, why)
				}
				staged = append(staged, w)
			}
		}
		if len(staged) == 0 {
			return nil, nil // nothing that could be given to a few first
		}
		return canaryStages(d, p, staged)
	}}
}

// canaryStages are the stages of some writes, and in the first of them all others.
func canaryStages(d Delivery, p patch.Plan, staged []patch.Write) ([]Stage, error) {
	p = unpinnedPlan(p)
	var stages []Stage
	before := map[manifest.Ref]int32{}
	for n, c := range d.Parts {
		s := Stage{Name: "canary " + c.Canary.String(), Goals: map[manifest.Ref]int32{}, Test: c.Test, Hold: c.Hold, Approval: c.Approval, Judge: true}
		if n == 0 {
			s.Writes = append(s.Writes, p.Writes...)
		} else {
			s.Writes = append(s.Writes, staged...)
		}
		for i, w := range s.Writes {
			if !d.stages(w) {
				continue
			}
			pods, err := goal(w, c.Canary, before[w.Ref])
			if err != nil {
				return nil, err
			}
			if s.Writes[i], err = w.AsStep(n, stepped(w), few(w, pods)...); err != nil {
				return nil, err
			}
			s.Goals[w.Ref], before[w.Ref] = pods, pods
		}
		stages = append(stages, s)
	}
	promote := Stage{Name: "promote", Judge: true}
	for _, w := range staged {
		last, err := w.AsStep(len(d.Parts), stepped(w))
		if err != nil {
			return nil, err
		}
		promote.Writes = append(promote.Writes, last)
	}
	return append(stages, promote), nil
}

// changesPods tells whether a write replaces the pods of a workload that there was before.
func changesPods(w patch.Write) bool {
	k, known := rollout.KindOf(w.Ref.GroupKind())
	if !known || !k.Replaces || w.Action != patch.Configured || w.Origin() == nil || w.After == nil {
		return false
	}
	return !equality.Semantic.DeepEqual(rollout.PodTemplate(rollout.Typed(w.Origin())), rollout.PodTemplate(rollout.Typed(w.After)))
}

// onDelete is why a workload with that strategy has no stages: there is nothing to promote it to.
const onDelete = "spec.updateStrategy.type is OnDelete, by which pods become new when somebody deletes them"

// cannotStage is why not only some pods of a workload can become new; empty when they can.
func cannotStage(w patch.Write) string {
	why := ""
	switch o := rollout.Typed(w.After).(type) {
	case *appsv1.Deployment:
		switch {
		case o.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
			why = "spec.strategy.type is Recreate, by which all old pods end before the first new one starts"
		case o.Spec.Paused:
			why = "spec.paused is true, so no pod becomes new"
		}
	case *appsv1.StatefulSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
			why = onDelete
		}
	case *appsv1.DaemonSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
			why = onDelete
		}
	default:
		why = "no controller of its kind can keep some pods old"
	}
	if why == "" && w.Deferred {
		why = "it is not there yet"
	}
	return why
}

// goal is how many pods of a workload are to be new in a stage, after a stage with fewer.
func goal(w patch.Write, share Share, before int32) (int32, error) {
	after := rollout.Typed(w.After)
	desired := rollout.Replicas(after)
	pods := share.of(desired)
	k, _ := rollout.KindOf(w.Ref.GroupKind())
	switch {
	case desired == 0 && k.OnEachNode:
		return 0, fmt.Errorf("%s cannot have a canary: no node is to run it\n  hint: run without --canary", w.Ref)
	case desired == 0:
		return 0, fmt.Errorf("%s cannot have a canary: it wants 0 pods\n  hint: scale it first, or run without --canary", w.Ref)
	case k.Staged == rollout.ByPartition && pods >= desired:
		return 0, fmt.Errorf("a canary of %s is %d of %s's %d %s: all of them\n  hint: give fewer, or more replicas, or run without --canary",
			share, pods, w.Ref, desired, podsWord(desired))
	case k.Staged == rollout.ByDeletion && pods == desired:
		return 0, fmt.Errorf("a canary of %s is %d of %s's %d %s: all of them\n  hint: give fewer, or run without --canary", share, pods, w.Ref, desired, podsWord(desired))
	case pods > desired:
		return 0, fmt.Errorf("a canary of %s pods is more than the %d that %s wants\n  hint: give fewer, or a percentage", share, desired, w.Ref)
	case desired == 1 && share.Percent > 0 && share.Percent < 50:
		return 0, fmt.Errorf("a canary of %s cannot be: %s wants 1 pod, and 1 new pod beside it gets half of the requests\n  hint: --canary 1 if that is meant, or more replicas", share, w.Ref)
	case pods <= before:
		return 0, fmt.Errorf("a canary of %s is no more than the stage before: %d of %d pods of %s\n  hint: leave one of them out", share, pods, desired, w.Ref)
	}
	return pods, nil
}

func podsWord(n int32) string {
	if n == 1 {
		return "pod"
	}
	return "pods"
}

// few are the fields by which so many pods become new, and no more. They are tried on a real cluster.
//
// A Deployment makes that many beside all the old ones, and goes on only when they are available, which they will not be.
// A StatefulSet replaces its highest ordinals. A DaemonSet replaces none, and the run itself deletes the old pods of so
// many nodes (see replacing); its minReadySeconds would not do, because they count for the old pods as well.
func few(w patch.Write, pods int32) []patch.Set {
	after := rollout.Typed(w.After)
	k, _ := rollout.KindOf(w.Ref.GroupKind())
	switch k.Staged {
	case rollout.ByPartition:
		return []patch.Set{{Path: "spec.updateStrategy.rollingUpdate.partition", Value: int64(rollout.Replicas(after) - pods)}}
	case rollout.ByDeletion:
		return []patch.Set{{Path: "spec.updateStrategy.type", Value: string(appsv1.OnDeleteDaemonSetStrategyType)}, {Path: "spec.updateStrategy.rollingUpdate"}}
	}
	return []patch.Set{
		{Path: "spec.strategy.type", Value: "RollingUpdate"},
		{Path: "spec.strategy.rollingUpdate.maxSurge", Value: int64(pods)},
		{Path: "spec.strategy.rollingUpdate.maxUnavailable", Value: int64(0)},
		{Path: "spec.minReadySeconds", Value: int64(pinned.Seconds())},
		{Path: "spec.progressDeadlineSeconds", Value: int64((2 * pinned).Seconds())},
	}
}

// stepped are the paths of these fields.
func stepped(w patch.Write) []string {
	var paths []string
	for _, f := range few(w, 1) {
		paths = append(paths, f.Path)
	}
	return paths
}
