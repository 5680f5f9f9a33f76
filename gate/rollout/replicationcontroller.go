package rollout

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var replicationControllerKind = Kind{
	GroupKind: schema.GroupKind{Kind: "ReplicationController"},
	Resource:  manifest.Resource{Version: "v1", Resource: "replicationcontrollers", Namespaced: true},
	Type:      (*corev1.ReplicationController)(nil), Evaluate: replicaSet,
	Spec: func(o Object) Spec {
		c := o.(*corev1.ReplicationController)
		return Spec{
			Template: c.Spec.Template, Selector: &metav1.LabelSelector{MatchLabels: c.Spec.Selector}, Replicas: replicas(c.Spec.Replicas),
			MinReadySeconds: c.Spec.MinReadySeconds, Observed: c.Status.ObservedGeneration >= c.Generation,
		}
	},
	Template: "spec.template",
	PodNames: generated,
	Serves:   true,
}
