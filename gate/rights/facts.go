package rights

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// facts are what rows ask about an object.
type facts struct {
	object   Object
	kind     rollout.Kind
	typed    rollout.Object
	template *corev1.PodTemplateSpec
	watched  bool
}

func factsOf(o Object) facts {
	gk := o.Ref().GroupKind()
	k, _ := rollout.KindOf(gk)
	typed := rollout.Typed(o.Unstructured)
	return facts{object: o, kind: k, typed: typed, template: rollout.PodTemplate(typed), watched: rollout.Watched(gk) || o.Own}
}

func undone(u Use, _ facts) bool    { return !u.NeverUndo }
func pinned(u Use, f facts) bool    { return u.Pins && f.kind.Staged == rollout.BySurge }
func shared(u Use, f facts) bool    { return u.Shares && f.kind.Staged == rollout.BySurge }
func prunes(u Use, f facts) bool    { return u.Prunes && !f.object.Hook }
func pruned(u Use, f facts) bool    { return u.Prunes && f.object.Resource.Namespaced }
func isHook(_ Use, f facts) bool    { return f.object.Hook }
func watched(_ Use, f facts) bool   { return f.watched }
func watchedIn(_ Use, f facts) bool { return f.watched && f.object.Resource.Namespaced }

// hasPods is true of kinds whose pods are followed. Those of a CronJob are not: it makes them when their time comes.
func hasPods(_ Use, f facts) bool { return f.watched && f.kind.Spec != nil }

func told(u Use, f facts) bool { return u.Events && f.kind.Replaces }

func owns(r rollout.Revisions) func(Use, facts) bool {
	return func(_ Use, f facts) bool { return f.kind.Owns == r }
}

// getsStuck is true of StatefulSets that replace one pod after another.
func getsStuck(u Use, f facts) bool {
	return !u.KeepStuckPods && rollout.OneByOne(f.typed)
}

// keepsPod is true of what runs pods of which a run leaves a bad one.
func keepsPod(u Use, f facts) bool { return u.KeepBadPod && !u.NeverUndo && hasPods(u, f) }

// replacesPods is true of kinds whose old pods a run deletes, so that some become new first.
func replacesPods(u Use, f facts) bool { return u.Canaries && f.kind.Staged == rollout.ByDeletion }

// mountsClaims is true of claims and of workloads that mount some.
func mountsClaims(u Use, f facts) bool {
	switch o := f.typed.(type) {
	case *corev1.PersistentVolumeClaim:
		return true
	case *appsv1.StatefulSet:
		if len(o.Spec.VolumeClaimTemplates) > 0 {
			return true
		}
	}
	return hasPods(u, f) && f.template != nil && slices.ContainsFunc(f.template.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil || v.Ephemeral != nil
	})
}

func namesPriority(u Use, f facts) bool {
	return hasPods(u, f) && f.template != nil && f.template.Spec.PriorityClassName != ""
}

func namesRuntime(u Use, f facts) bool {
	return hasPods(u, f) && f.template != nil && f.template.Spec.RuntimeClassName != nil
}

// forwarded are places for a run that can reach Prometheus by port-forward; needed says whether it has no other way.
func forwarded(needed bool, group, resource string) func(Use) []Place {
	return func(u Use) []Place {
		if u.Prometheus.Name == "" || u.Prometheus.NoProxy != needed {
			return nil
		}
		return []Place{{group, resource, u.Prometheus.Namespace}}
	}
}

// proxied is where a run asks Prometheus, or an endpoint, by way of the API server.
func proxied(u Use) (out []Place) {
	for _, s := range append([]Service{u.Prometheus}, u.Endpoints...) {
		place := Place{"", "services/proxy", s.Namespace}
		if s.Name != "" && !s.NoProxy && !slices.Contains(out, place) {
			out = append(out, place)
		}
	}
	return out
}

func serviceOfPrometheus(u Use) []Place {
	if u.Prometheus.Name == "" {
		return nil
	}
	return []Place{{"", "services", u.Prometheus.Namespace}}
}

// leases are where a run says that it is going on: in each namespace that it writes to, and in its own for what belongs to
// none.
func leases(u Use) []Place {
	var all []Place
	for _, o := range u.Objects {
		namespace := o.GetNamespace()
		if namespace == "" {
			namespace = u.Home
		}
		all = append(all, Place{"coordination.k8s.io", "leases", namespace})
	}
	return all
}

// records are where a run is kept, in objects of a kind.
func records(resource string) func(Use) []Place {
	return func(u Use) []Place {
		if !u.Record {
			return nil
		}
		return []Place{{"", resource, u.Home}}
	}
}

// definedKinds are the kinds of the CRDs among the objects, which an undo may remove.
func definedKinds(u Use) []Place {
	var all []Place
	for _, o := range u.Objects {
		if _, r, ok := definition(o.Unstructured); ok && !u.NeverUndo {
			all = append(all, Place{r.Group, r.Resource, ""})
		}
	}
	return all
}

// createdNamespaces are the Namespaces among the objects, which an undo may remove: whatever there is has to be looked for.
func createdNamespaces(u Use) []Place {
	var all []Place
	for _, o := range u.Objects {
		if !u.NeverUndo && o.Ref().GroupKind() == (schema.GroupKind{Kind: "Namespace"}) {
			all = append(all, Place{"*", "*", o.GetName()})
		}
	}
	return all
}
