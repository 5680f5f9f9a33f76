package gate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// targetsOf are the written objects that have a rollout or a status to wait for, each once. One that this run leaves as an
// unfinished one has written it counts as that one's; one that both have written counts as this run's.
func (r *run) targetsOf(writes []patch.Write) []rollout.Target {
	var targets []rollout.Target
	for _, w := range writes {
		there := slices.IndexFunc(targets, func(t rollout.Target) bool { return t.Ref == w.Ref })
		if w.Action == patch.Pruned {
			continue
		}
		if w.Action == patch.Unchanged {
			w.Written = w.Before
			if there >= 0 {
				continue
			}
		}
		if w.Written == nil || !r.watches(w.Ref) {
			continue
		}
		t := rollout.Target{Ref: w.Ref, Resource: w.Resource, Applied: rollout.Typed(w.Written), Previous: rollout.Typed(w.Before), Since: w.At, Warnings: w.Warnings}
		if w.Object.Unstructured != nil {
			t.Manifest = &w.Object
		}
		if w.Action == patch.Unchanged {
			t.Since = w.Written.GetCreationTimestamp().Time
		}
		if there >= 0 {
			targets[there] = t
			continue
		}
		targets = append(targets, t)
	}
	return targets
}

// targetsOfUndo are the restored objects that have a rollout to wait for.
func (r *run) targetsOfUndo(undone []patch.Undone) []rollout.Target {
	var targets []rollout.Target
	for _, u := range undone {
		if u.Action != patch.Restored && u.Action != patch.Recreated || u.Restored == nil || !r.watches(u.Write.Ref) {
			continue
		}
		targets = append(targets, rollout.Target{
			Ref: u.Write.Ref, Resource: u.Write.Resource, Applied: rollout.Typed(u.Restored), Previous: rollout.Typed(u.Write.Written), Restored: true, Since: u.At,
		})
	}
	return targets
}

// targetsOfPlan are the objects of a plan as targets, before anything is written.
func (r *run) targetsOfPlan(plan patch.Plan) []rollout.Target {
	var targets []rollout.Target
	for _, w := range plan.Writes {
		if r.watches(w.Ref) && w.Test == 0 {
			targets = append(targets, rollout.Target{Ref: w.Ref, Resource: w.Resource, Applied: rollout.Typed(w.After), Previous: rollout.Typed(w.Before)})
		}
	}
	return targets
}

// liveOf are the objects of a plan as they are now, for those that exist.
func liveOf(plan patch.Plan) []rollout.Object {
	var out []rollout.Object
	for _, w := range plan.Writes {
		if w.Before != nil {
			out = append(out, w.Before)
		}
	}
	return out
}

// changedConfig says which ConfigMaps and Secrets a plan changes, by key; their values stay here.
func changedConfig(plan patch.Plan) []diagnosis.Changed {
	var all []diagnosis.Changed
	for _, w := range plan.Writes {
		if w.Action != patch.Configured || w.Before == nil || w.After == nil { // planning may have failed half-way
			continue
		}
		ref := w.Ref
		if ref.Group != "" || ref.Kind != "ConfigMap" && ref.Kind != "Secret" {
			continue
		}
		var keys []string
		for _, field := range []string{"data", "binaryData"} {
			before, _, _ := unstructured.NestedStringMap(w.Before.Object, field)
			after, _, _ := unstructured.NestedStringMap(w.After.Object, field)
			for key, value := range after {
				if was, known := before[key]; !known || was != value {
					keys = append(keys, key)
				}
			}
			for key := range before {
				if _, still := after[key]; !still {
					keys = append(keys, key)
				}
			}
		}
		slices.Sort(keys)
		all = append(all, diagnosis.Changed{Object: ref, Keys: keys})
	}
	return all
}

// servicesBefore are the Services that were changed, as they were before.
func servicesBefore(writes []patch.Write) []*corev1.Service {
	var all []*corev1.Service
	for _, w := range writes {
		if w.Ref.Group != "" || w.Ref.Kind != "Service" || w.Action != patch.Configured || w.Before == nil || w.Pin != nil {
			continue
		}
		var before corev1.Service
		if runtime.DefaultUnstructuredConverter.FromUnstructured(w.Before.Object, &before) == nil {
			all = append(all, &before)
		}
	}
	return all
}
