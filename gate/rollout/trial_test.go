package rollout

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// TestTrial: a program without a readiness probe has to run for a while before "available" means anything.
func TestTrial(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	probe := &corev1.Probe{}
	for name, c := range map[string]struct {
		probe    *corev1.Probe
		minReady int32
		age      time.Duration
		coming   bool
		ended    bool
		want     Phase
	}{
		"ended again":          {age: time.Minute, ended: true, want: Progressing},
		"just started":         {age: time.Second, want: Progressing},
		"long enough":          {age: 5 * time.Second, want: Complete},
		"with a probe":         {probe: probe, age: time.Second, want: Complete},
		"with minReadySeconds": {minReady: 1, age: time.Second, want: Complete},
		"pods not read yet":    {coming: true, want: Progressing},
		"pods are not read":    {want: Complete},
		"probed, not read yet": {probe: probe, coming: true, want: Complete},
	} {
		spec := corev1.PodSpec{Containers: []corev1.Container{{Name: "app", ReadinessProbe: c.probe}}}
		one := int32(1)
		live := &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "u", Generation: 1},
			Spec: appsv1.ReplicaSetSpec{
				Replicas: &one, MinReadySeconds: c.minReady, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}, Spec: spec},
			},
			Status: appsv1.ReplicaSetStatus{ObservedGeneration: 1, Replicas: 1, FullyLabeledReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1},
		}
		w := Workload{Ref: manifest.Ref{Group: "apps", Kind: "ReplicaSet", Name: "web"}, Live: live, Applied: live, Now: now, ServicesKnown: true, PodsComing: c.coming}
		if c.age > 0 {
			w.PodsKnown = true
			w.Pods = []*corev1.Pod{{
				ObjectMeta: metav1.ObjectMeta{Name: "web-1", Labels: map[string]string{"app": "web"}},
				Spec:       spec,
				Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
					Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-c.age))}},
				}}},
			}}
		}
		if c.ended {
			w.Pods[0].Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}
		}
		if s := Evaluate(w); s.Phase != c.want {
			t.Errorf("%s: %s %s: %s, want %s", name, s.Phase, s.Reason, s.Message, c.want)
		}
	}
}

// TestPodToItsEnd: a Pod that is to do its work once is not complete because it is ready.
func TestPodToItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		status corev1.PodStatus
		want   Phase
	}{
		"ready":     {corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}, Progressing},
		"succeeded": {corev1.PodStatus{Phase: corev1.PodSucceeded}, Complete},
		"failed":    {corev1.PodStatus{Phase: corev1.PodFailed}, Failed},
	} {
		live := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "check", UID: "u"}, Status: c.status}
		w := Workload{Ref: manifest.Ref{Kind: "Pod", Name: "check"}, Live: live, Applied: live, Ends: true, ServicesKnown: true, PodsKnown: true}
		if got := Evaluate(w); got.Phase != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, got.Phase, c.want, got.Message)
		}
	}
}
