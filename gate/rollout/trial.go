package rollout

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// trialTime is how long a container without a readiness probe has to run before it counts.
const trialTime = 5 * time.Second

// never is later than any time that is compared with it.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// trial holds back a complete workload whose pods are ready only because nobody asked them. A container without a
// readiness probe is Ready the moment it starts (Kubernetes, "Container probes"), so a program that ends a moment
// later has been "available" for that moment, and a gate that looks just then passes an outage. With a probe, or with
// minReadySeconds, the manifest itself says what ready means.
func trial(w Workload, s Status) Status {
	if s.Reason == ReasonSucceeded || s.Reason == ReasonZeroReplicas || specOf(w.Live).MinReadySeconds > 0 && w.Goal == 0 || probed(PodTemplate(w.Live)) {
		return s
	}
	if w.PodsComing {
		return progressing(s, ReasonTrial, "reading the new pods")
	}
	for _, p := range NewPods(w) {
		if p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
			continue // an evicted pod stays as it is, and another one stands in for it
		}
		for _, c := range lasting(&p.Spec) {
			started := startedAt(p, c.Name)
			if c.ReadinessProbe == nil && !started.IsZero() && w.Now.Sub(started) < trialTime {
				return onTrial(s)
			}
		}
	}
	return s
}

func onTrial(s Status) Status {
	return progressing(s, ReasonTrial, "available, which proves little without a readiness probe: waiting until it has run for %s", trialTime)
}

// probed tells whether every container is asked whether it is ready.
func probed(template *corev1.PodTemplateSpec) bool {
	return template == nil || !slices.ContainsFunc(lasting(&template.Spec), func(c corev1.Container) bool { return c.ReadinessProbe == nil })
}

// lasting are the containers that run for as long as the pod does: the main ones, and the init containers that are
// sidecars, whose restart policy is Always.
func lasting(spec *corev1.PodSpec) []corev1.Container {
	out := slices.Clone(spec.Containers)
	for _, c := range spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			out = append(out, c)
		}
	}
	return out
}

// startedAt is when the running container of that name started. One that does not run, because it has just ended, will
// start at some time to come; the controller's counts may be from before it ended.
func startedAt(p *corev1.Pod, container string) time.Time {
	for _, c := range slices.Concat(p.Status.ContainerStatuses, p.Status.InitContainerStatuses) {
		if c.Name != container {
			continue
		}
		switch {
		case c.State.Running != nil:
			return c.State.Running.StartedAt.Time
		case c.State.Terminated != nil, c.State.Waiting != nil:
			return never
		}
	}
	return time.Time{} // a status that says nothing holds nothing back
}
