package diagnosis

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// algebra is the arithmetic of a Deployment's rolling update, as its controller does it.
type algebra struct {
	rolling                         bool // a Deployment with strategy RollingUpdate: else nothing here applies
	replicas, surge, unavailable    int  // surge rounds up, unavailable down
	surgeText, unavailableText      string
	oldPods, newPods                int // not counting pods that are being deleted
	availableOld, availableNew      int
	leaving                         int // old pods that are being deleted, and will give back what they hold
	mayStillRemove, neededAvailable int
	// other is what the pods of the other revision are called: old, and after an undo undone.
	other string
}

// algebra resolves maxSurge and maxUnavailable, which may not both be 0 (pkg/controller/deployment/util,
// ResolveFenceposts), and counts the pods.
func (s *facts) algebra() algebra {
	a := algebra{replicas: 1, unavailable: 1, oldPods: len(s.old), newPods: len(s.pods), leaving: len(s.leaving), other: "old"}
	if s.Undoing {
		a.other = "undone"
	}
	d, ok := s.w.Live.(*appsv1.Deployment)
	if !ok {
		return a
	}
	a.availableOld, a.availableNew = s.available(s.old, d.Spec.MinReadySeconds), s.available(s.pods, d.Spec.MinReadySeconds)
	if d.Spec.Replicas != nil {
		a.replicas = int(*d.Spec.Replicas)
	}
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		a.unavailable = a.replicas
		return a
	}
	a.rolling = true
	quarter := intstr.FromString("25%")
	most, least := &quarter, &quarter
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		if r.MaxSurge != nil {
			most = r.MaxSurge
		}
		if r.MaxUnavailable != nil {
			least = r.MaxUnavailable
		}
	}
	a.surge, _ = intstr.GetScaledValueFromIntOrPercent(most, a.replicas, true)
	a.unavailable, _ = intstr.GetScaledValueFromIntOrPercent(least, a.replicas, false)
	a.surgeText, a.unavailableText = resolved(most, a.surge), resolved(least, a.unavailable)
	if a.surge == 0 && a.unavailable == 0 {
		a.unavailable, a.unavailableText = 1, least.String()+" = 1 (both may not be 0)"
	}
	a.unavailable = min(a.unavailable, a.replicas)
	// maxScaledDown = all - minAvailable - (new - availableNew), which is what the old ReplicaSets want and the new one
	// has, less what must stay (pkg/controller/deployment/rolling.go, reconcileOldReplicaSets).
	a.neededAvailable = a.replicas - a.unavailable
	a.mayStillRemove = max(0, max(a.oldPods, s.oldWanted())+a.availableNew-a.neededAvailable)
	return a
}

// resolved prints a number or, for a share, what it comes to: "25% = 1".
func resolved(v *intstr.IntOrString, n int) string {
	if v.Type == intstr.String {
		return fmt.Sprintf("%s = %d", v.StrVal, n)
	}
	return fmt.Sprint(n)
}

// oldWanted is how many pods the ReplicaSets of other revisions want. Where that differs from the pods that there are,
// the controller is still at work, and nothing is proven.
func (s *facts) oldWanted() int {
	current := s.newReplicaSet()
	wanted := 0
	for _, rs := range s.w.ReplicaSets {
		if rs.Spec.Replicas != nil && (current == nil || rs.UID != current.UID) {
			wanted += int(*rs.Spec.Replicas)
		}
	}
	return wanted
}

// available counts the pods that have been ready for as long as they must.
func (s *facts) available(pods []*corev1.Pod, minReady int32) int {
	n := 0
	for _, p := range pods {
		if rollout.IsReady(p) && s.now.Sub(rollout.PodCondition(p, corev1.PodReady).LastTransitionTime.Time) >= time.Duration(minReady)*time.Second {
			n++
		}
	}
	return n
}

// blocked reports whether old pods are there and none of them leaves until another new pod is available. With an
// obstacle that only the leaving of an old pod removes, the rollout can never end.
func (a algebra) blocked() bool {
	return a.rolling && a.oldPods > 0 && a.leaving == 0 && a.mayStillRemove == 0
}

// mayLeave is how many old pods at most leave, or have left, before a new one is available.
func (a algebra) mayLeave() int { return max(a.replicas-a.oldPods, a.leaving, 0) + a.mayStillRemove }

// sentence is the arithmetic with its numbers.
func (a algebra) sentence() string {
	text := fmt.Sprintf("replicas %d, maxSurge %s, maxUnavailable %s: ", a.replicas, a.surgeText, a.unavailableText)
	text += fmt.Sprintf("%s, %d of %s available", plural(a.oldPods, a.other+" pod"), a.availableNew, plural(a.newPods, "new pod"))
	if a.blocked() {
		return text + fmt.Sprintf("; %d must stay, so no %s pod leaves until a new one is available", a.neededAvailable, a.other)
	}
	return text + fmt.Sprintf("; %s may leave first", plural(a.mayStillRemove+a.leaving, a.other+" pod"))
}

// surge resolves a Deployment's maxSurge and maxUnavailable.
func (s *facts) surge() (surge, unavailable int) {
	a := s.algebra()
	return a.surge, a.unavailable
}
