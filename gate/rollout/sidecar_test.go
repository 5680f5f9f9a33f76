package rollout

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A sidecar without a readiness probe is on trial like any container: its pod is ready for the moment that it runs.
func TestSidecarsAreOnTrial(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	probe := &corev1.Probe{}
	spec := corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "migrate"}, {Name: "proxy", RestartPolicy: &always}},
		Containers:     []corev1.Container{{Name: "web", ReadinessProbe: probe}},
	}
	if got := lasting(&spec); len(got) != 2 || got[1].Name != "proxy" {
		t.Fatalf("got %v", got)
	}
	if probed(&corev1.PodTemplateSpec{Spec: spec}) {
		t.Error("nobody asks the sidecar whether it is ready")
	}
	started := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	pod := &corev1.Pod{Spec: spec}
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "proxy", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started)}}}}
	if got := startedAt(pod, "proxy"); !got.Equal(started) {
		t.Errorf("the sidecar started at %s", got)
	}
	spec.InitContainers[1].ReadinessProbe = probe
	if !probed(&corev1.PodTemplateSpec{Spec: spec}) {
		t.Error("every lasting container has a probe now")
	}
}
