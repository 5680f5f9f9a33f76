package rollout

import (
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var podKind = Kind{
	GroupKind: schema.GroupKind{Kind: "Pod"},
	Resource:  manifest.Resource{Version: "v1", Resource: "pods", Namespaced: true},
	Type:      (*corev1.Pod)(nil), Evaluate: pod,
	Spec: func(o Object) Spec {
		p := o.(*corev1.Pod)
		return Spec{
			Template: &corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}, Replicas: 1,
			// Kubelets before 1.33 leave observedGeneration at 0 (KEP-5067).
			Observed: p.Status.ObservedGeneration == 0 || p.Status.ObservedGeneration >= p.Generation,
		}
	},
	PodNames: regexp.QuoteMeta,
	Serves:   true, Standalone: true,
}

// pod judges a bare Pod: done when it is ready, or when it ran to its end, if that is what is waited for.
func pod(w Workload) Status {
	p, ok := w.Live.(*corev1.Pod)
	if !ok {
		return wrongType(w)
	}
	s := Status{Desired: 1, Updated: 1}
	switch {
	case p.Status.Phase == corev1.PodSucceeded:
		return complete(s, ReasonSucceeded, "the pod ran to its end")
	case p.Status.Phase == corev1.PodFailed:
		s.Phase, s.Reason, s.Message = Failed, p.Status.Reason, p.Status.Message
		if s.Reason == "" {
			s.Reason, s.Message = "PodFailed", "the pod failed and is not restarted"
		}
		return s
	case w.Ends:
		return progressing(s, ReasonRunning, "waiting for the pod to end (%s)", phaseOf(p))
	case IsReady(p):
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

// IsReady tells whether a pod is ready: its containers are, and its readiness gates are open.
func IsReady(p *corev1.Pod) bool { return isTrue(p, corev1.PodReady) }

// ReadySince is since when a pod is ready; zero while it is not.
func ReadySince(p *corev1.Pod) time.Time {
	if c := PodCondition(p, corev1.PodReady); c != nil && c.Status == corev1.ConditionTrue {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// PodCondition is a condition of a pod; nil when it has none of that type.
func PodCondition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == kind {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

func isTrue(p *corev1.Pod, kind corev1.PodConditionType) bool {
	c := PodCondition(p, kind)
	return c != nil && c.Status == corev1.ConditionTrue
}
