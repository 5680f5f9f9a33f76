package rollout

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var claimKind = Kind{
	GroupKind: schema.GroupKind{Kind: "PersistentVolumeClaim"},
	Resource:  manifest.Resource{Version: "v1", Resource: "persistentvolumeclaims", Namespaced: true},
	Type:      (*corev1.PersistentVolumeClaim)(nil), Evaluate: claim,
}

// claim judges a PersistentVolumeClaim.
func claim(w Workload) Status {
	c, ok := w.Live.(*corev1.PersistentVolumeClaim)
	if !ok {
		return wrongType(w)
	}
	var s Status
	switch {
	case c.Status.Phase == corev1.ClaimBound:
		return complete(s, "", "")
	case c.Status.Phase == corev1.ClaimLost:
		s.Phase, s.Reason, s.Message = Failed, "ClaimLost", "the volume that the claim was bound to is gone"
		return s
	case w.WaitsForConsumer:
		return complete(s, ReasonWaitsForConsumer, "the claim binds when a pod uses it")
	}
	return progressing(s, "ClaimPending", "waiting for the claim to be bound to a volume")
}
