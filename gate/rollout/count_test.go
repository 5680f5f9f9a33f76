package rollout

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

func TestCountVersions(t *testing.T) {
	pod := func(name, revision string, ready corev1.ConditionStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{appsv1.ControllerRevisionHashLabelKey: revision}},
			Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
		}
	}
	deployment := func(all, updated, ready int32) Workload {
		return Workload{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}, Live: &appsv1.Deployment{
			Status: appsv1.DeploymentStatus{Replicas: all, UpdatedReplicas: updated, ReadyReplicas: ready, AvailableReplicas: ready},
		}}
	}
	set := func(all, updated, ready int32, pods ...*corev1.Pod) Workload {
		three := int32(3)
		return Workload{
			Ref: manifest.Ref{Group: "apps", Kind: "StatefulSet", Name: "db"}, Pods: pods, PodsKnown: len(pods) > 0,
			Live: &appsv1.StatefulSet{
				Spec:   appsv1.StatefulSetSpec{Replicas: &three},
				Status: appsv1.StatefulSetStatus{Replicas: all, UpdatedReplicas: updated, ReadyReplicas: ready, AvailableReplicas: ready, UpdateRevision: "new", CurrentRevision: "old"},
			},
		}
	}
	for name, c := range map[string]struct {
		w    Workload
		want Counts
	}{
		"before anything happens":       {deployment(3, 0, 3), Counts{Old: 3, OldReady: 3}},
		"one new pod that is not ready": {deployment(4, 1, 3), Counts{New: 1, Old: 3, OldReady: 3}},
		"one new pod that is ready":     {deployment(4, 1, 4), Counts{New: 1, NewReady: 1, Old: 3, OldReady: 3}},
		"old pods that are broken":      {deployment(3, 1, 1), Counts{New: 1, Old: 2, OldReady: 1}},
		"all new":                       {deployment(3, 3, 3), Counts{New: 3, NewReady: 3}},
		"a set, pods unknown":           {set(3, 1, 2), Counts{New: 1, Old: 2, OldReady: 2}},
		"a set, the new pod is ready": {
			set(3, 1, 2, pod("db-0", "old", "False"), pod("db-1", "old", "True"), pod("db-2", "new", "True")),
			Counts{New: 1, NewReady: 1, Old: 2, OldReady: 1},
		},
		"a set, all new": {set(3, 3, 2), Counts{New: 3, NewReady: 2}},
		"nothing":        {Workload{}, Counts{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := CountVersions(c.w, Evaluate(c.w)); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// TestCountsAreSane: whatever a controller says, no version has more ready pods than pods.
func TestCountsAreSane(t *testing.T) {
	for n := range 5 * 5 * 5 {
		w := Workload{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}, Live: &appsv1.Deployment{Status: appsv1.DeploymentStatus{
			Replicas: int32(n % 5), UpdatedReplicas: int32(n / 5 % 5), ReadyReplicas: int32(n / 25),
		}}}
		c := CountVersions(w, Evaluate(w))
		if c.NewReady < 0 || c.OldReady < 0 || c.NewReady > c.New || c.OldReady > c.Old {
			t.Error(fmt.Sprint(n, c))
		}
	}
}
