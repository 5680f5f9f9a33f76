package diagnosis

import (
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestAlgebra compares with what the Deployment's controller does: surge rounds up, unavailable down, and old pods leave
// as long as enough of all pods stay available.
func TestAlgebra(t *testing.T) {
	for _, c := range []struct {
		replicas                int32
		most, least             string
		old, leaving, fresh     int // pods: old, being deleted, new
		ready                   int // of the new ones
		surge, unavailable, may int
		blocked                 bool
	}{
		{replicas: 1, most: "25%", least: "25%", old: 1, surge: 1, unavailable: 0, blocked: true},
		{replicas: 3, most: "25%", least: "25%", old: 3, fresh: 1, surge: 1, unavailable: 0, blocked: true},
		{replicas: 4, most: "25%", least: "25%", old: 4, surge: 1, unavailable: 1, may: 1},
		{replicas: 4, most: "25%", least: "25%", old: 3, surge: 1, unavailable: 1, blocked: true},
		{replicas: 4, most: "25%", least: "25%", old: 3, fresh: 2, ready: 1, surge: 1, unavailable: 1, may: 1},
		{replicas: 3, most: "0", least: "0", old: 3, surge: 0, unavailable: 1, may: 1},           // not both 0
		{replicas: 3, most: "0%", least: "10%", old: 2, surge: 0, unavailable: 1, blocked: true}, // both come to 0
		{replicas: 2, most: "1", least: "5", old: 2, surge: 1, unavailable: 2, may: 2},
		{replicas: 3, most: "1", least: "1", old: 2, leaving: 1, surge: 1, unavailable: 1},
		{replicas: 3, most: "1", least: "0", old: 5, surge: 1, unavailable: 0, may: 2}, // scaled down as well
		{replicas: 3, most: "1", least: "0", fresh: 3, surge: 1, unavailable: 0},
	} {
		s := &facts{old: make([]*corev1.Pod, c.old), leaving: make([]*corev1.Pod, c.leaving)}
		for i := range s.old {
			s.old[i] = &corev1.Pod{}
		}
		for i := range c.fresh {
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: types.UID(strconv.Itoa(i))}}
			if i < c.ready {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			}
			s.pods = append(s.pods, p)
		}
		most, least := intstr.Parse(c.most), intstr.Parse(c.least)
		s.w = rollout.Workload{Live: &appsv1.Deployment{Spec: appsv1.DeploymentSpec{
			Replicas: &c.replicas,
			Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &most, MaxUnavailable: &least}},
		}}}
		a := s.algebra()
		if a.surge != c.surge || a.unavailable != c.unavailable || a.mayStillRemove != c.may || a.blocked() != c.blocked {
			t.Errorf("%+v: surge %d, unavailable %d, may still remove %d, blocked %v\n%s", c, a.surge, a.unavailable, a.mayStillRemove, a.blocked(), a.sentence())
		}
		if c.blocked != strings.Contains(a.sentence(), "no old pod leaves") {
			t.Errorf("%+v: %s", c, a.sentence())
		}
	}
}

// TestAlgebraElsewhere: what is no rolling update of a Deployment has no deadlock of this kind.
func TestAlgebraElsewhere(t *testing.T) {
	old := []*corev1.Pod{{}}
	recreate := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}}}
	for _, live := range []rollout.Object{recreate, &appsv1.StatefulSet{}, &appsv1.DaemonSet{}, nil} {
		s := &facts{w: rollout.Workload{Live: live}, old: old}
		if a := s.algebra(); a.blocked() || a.unavailable != 1 {
			t.Errorf("%T: %+v", live, a)
		}
	}
}
