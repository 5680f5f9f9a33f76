package rollout

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// pod judges a bare Pod: done when it is ready, or when it ran to its end.
func pod(w Workload) Status {
	p, ok := w.Live.(*corev1.Pod)
	if !ok {
		return wrongType(w)
	}
	s := Status{Desired: 1, Updated: 1}
	// Kubelets before 1.33 leave observedGeneration at 0 (KEP-5067).
	if seen := p.Status.ObservedGeneration; seen != 0 && seen < p.Generation {
		return notObserved(s)
	}
	switch {
	case p.Status.Phase == corev1.PodSucceeded:
		return complete(s, ReasonSucceeded, "the pod ran to its end")
	case p.Status.Phase == corev1.PodFailed:
		s.Phase, s.Reason, s.Message = Failed, p.Status.Reason, p.Status.Message
		if s.Reason == "" {
			s.Reason, s.Message = "PodFailed", "the pod failed and is not restarted"
		}
		return s
	case isReady(p):
		s.Ready, s.Available = 1, 1
		return complete(s, "", "")
	}
	return progressing(s, ReasonNewPods, "waiting for the pod to be ready (%s)", phaseOf(p))
}

// phaseOf is the pod's phase, or why a container waits, which says more.
func phaseOf(p *corev1.Pod) string {
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if c.State.Waiting != nil && c.State.Waiting.Reason != "" {
			return c.State.Waiting.Reason
		}
	}
	if p.Status.Phase == "" {
		return string(corev1.PodPending)
	}
	return string(p.Status.Phase)
}

func isReady(p *corev1.Pod) bool { return isTrue(p, corev1.PodReady) }

func isTrue(p *corev1.Pod, condition corev1.PodConditionType) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == condition && c.Status == corev1.ConditionTrue
	})
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
