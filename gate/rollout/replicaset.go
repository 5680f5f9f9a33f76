package rollout

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var replicaSetKind = Kind{
	GroupKind: schema.GroupKind{Group: "apps", Kind: "ReplicaSet"},
	Resource:  manifest.Resource{Group: "apps", Version: "v1", Resource: "replicasets", Namespaced: true},
	Type:      (*appsv1.ReplicaSet)(nil), Evaluate: replicaSet,
	Spec: func(o Object) Spec {
		s := o.(*appsv1.ReplicaSet)
		return Spec{
			Template: &s.Spec.Template, Selector: s.Spec.Selector, Replicas: replicas(s.Spec.Replicas),
			MinReadySeconds: s.Spec.MinReadySeconds, Observed: s.Status.ObservedGeneration >= s.Generation,
		}
	},
	Template: "spec.template",
	PodNames: generated,
	Serves:   true,
}

// replicaSet waits for the pods that a ReplicaSet, or its predecessor ReplicationController, is to keep. Another template
// does not replace pods that exist, so there are no revisions to tell apart.
func replicaSet(w Workload) Status {
	var s Status
	switch o := w.Live.(type) {
	case *appsv1.ReplicaSet:
		s = Status{Desired: replicas(o.Spec.Replicas), Updated: o.Status.Replicas, Ready: o.Status.ReadyReplicas, Available: o.Status.AvailableReplicas}
	case *corev1.ReplicationController:
		s = Status{Desired: replicas(o.Spec.Replicas), Updated: o.Status.Replicas, Ready: o.Status.ReadyReplicas, Available: o.Status.AvailableReplicas}
	default:
		return wrongType(w)
	}
	switch {
	case s.Available < s.Desired:
		return awaitPods(s, s.Desired)
	case s.Updated > s.Desired:
		extra := s.Updated - s.Desired
		return progressing(s, ReasonOldPods, "waiting for %d surplus %s to stop", extra, plural(extra, "pod"))
	case s.Desired == 0:
		return complete(s, ReasonZeroReplicas, "spec.replicas is 0, so nothing runs")
	}
	return complete(s, "", "")
}
