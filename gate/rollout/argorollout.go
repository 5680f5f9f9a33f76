package rollout

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var argoRolloutKind = Kind{
	GroupKind: schema.GroupKind{Group: "argoproj.io", Kind: "Rollout"},
	Resource:  manifest.Resource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts", Namespaced: true},
	Evaluate:  argoRollout,
}

// argoRollout judges an Argo Rollout by status.phase, since its Available condition is true all through a rollout
// (github.com/argoproj/argo-rollouts, pkg/apis/rollouts/v1alpha1, RolloutPhase).
func argoRollout(w Workload) Status {
	o, ok := toUnstructured(w.Live)
	if !ok {
		return wrongType(w)
	}
	get := func(fields ...string) int32 {
		value, _, _ := unstructured.NestedFieldNoCopy(o.Object, fields...)
		n, _ := number(value)
		return int32(n)
	}
	s := Status{
		Desired: 1, Updated: get("status", "updatedReplicas"), Ready: get("status", "readyReplicas"),
		Available: get("status", "availableReplicas"),
	}
	if _, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "replicas"); found {
		s.Desired = get("spec", "replicas")
	}
	seen, known := observedGeneration(o)
	if !known || seen < o.GetGeneration() {
		return notObserved(s)
	}
	s.Revision, _, _ = unstructured.NestedString(o.Object, "status", "currentPodHash")
	s.PreviousRevision, _, _ = unstructured.NestedString(o.Object, "status", "stableRS")
	if s.PreviousRevision == s.Revision {
		s.PreviousRevision = ""
	}
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	message, _, _ := unstructured.NestedString(o.Object, "status", "message")
	switch phase {
	case "Healthy":
		if s.Desired == 0 {
			return complete(s, ReasonZeroReplicas, "spec.replicas is 0, so nothing runs")
		}
		return complete(s, "", message)
	case "Degraded":
		s.Phase, s.Reason, s.Message = Failed, "Degraded", message
		return s
	case "Paused":
		s.Phase, s.Reason, s.Message = Paused, orElse(message, ReasonPaused), "the rollout waits to be promoted"
		return s
	}
	return progressing(s, "Progressing", "%s", orElse(message, "waiting for the rollout controller"))
}
