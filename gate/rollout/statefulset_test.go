package rollout

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestStranded: only a pod of the release that was taken back is in the way of the old version.
func TestStranded(t *testing.T) {
	set := func(generation int64, policy appsv1.PodManagementPolicyType) *appsv1.StatefulSet {
		s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", Generation: generation}}
		s.Spec.PodManagementPolicy = policy
		s.Status = appsv1.StatefulSetStatus{ObservedGeneration: 3, CurrentRevision: "db-old", UpdateRevision: "db-old"}
		return s
	}
	pod := func(revision string, ready corev1.ConditionStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "db-1", Labels: map[string]string{appsv1.ControllerRevisionHashLabelKey: revision}},
			Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
		}
	}
	for name, c := range map[string]struct {
		w        Workload
		revision string
		known    bool
	}{
		"a pod of the bad release":       {Workload{Live: set(3, ""), PodsKnown: true, Pods: []*corev1.Pod{pod("db-bad", "False")}}, "db-bad", true},
		"it is ready":                    {Workload{Live: set(3, ""), PodsKnown: true, Pods: []*corev1.Pod{pod("db-bad", "True")}}, "", true},
		"a pod of the old version":       {Workload{Live: set(3, ""), PodsKnown: true, Pods: []*corev1.Pod{pod("db-old", "False")}}, "", true},
		"no pod":                         {Workload{Live: set(3, ""), PodsKnown: true}, "", true},
		"the controller has not seen it": {Workload{Live: set(4, ""), PodsKnown: true, Pods: []*corev1.Pod{pod("db-bad", "False")}}, "", false},
		"pods that were not read":        {Workload{Live: set(3, "")}, "", false},
		"another kind":                   {Workload{Live: &appsv1.DaemonSet{}, PodsKnown: true}, "", false},
	} {
		if revision, known := Stranded(c.w, set(2, "")); revision != c.revision || known != c.known {
			t.Errorf("%s: %q, %v", name, revision, known)
		}
	}
	if !OneByOne(set(1, "")) || OneByOne(set(1, appsv1.ParallelPodManagement)) || OneByOne(&appsv1.DaemonSet{}) {
		t.Error("which ones replace one pod after another")
	}
}
