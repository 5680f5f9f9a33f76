package rollout

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// RunningPod is a pod that ran before anything was changed, and the workload that it was found for.
type RunningPod struct {
	Owner manifest.Ref
	Pod   *corev1.Pod
	// Revision is the pod's pod-template-hash or controller-revision-hash; empty for pods without one.
	Revision string
}
