package rollout

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Counts are the pods of a workload by version.
type Counts struct{ New, NewReady, Old, OldReady int32 }

// CountVersions says how many pods of which version a workload has and how many of these are ready, given its status.
// Where a controller counts the ready pods of all versions together and the pods are not known, the old ones are taken to
// be ready first.
func CountVersions(w Workload, s Status) Counts {
	c := Counts{New: s.Updated, NewReady: s.Ready, Old: s.Old}
	ready := s.Ready // of all versions
	switch live := typed(w.Live).(type) {
	case *appsv1.Deployment:
		ready = live.Status.ReadyReplicas
	case *appsv1.StatefulSet, *appsv1.DaemonSet:
		c.NewReady = max(0, ready-c.Old)
		if w.PodsKnown && c.Old > 0 {
			c.NewReady = readyOf(NewPods(w))
		}
	}
	c.NewReady = max(0, min(c.NewReady, c.New))
	c.OldReady = max(0, min(ready-c.NewReady, c.Old))
	return c
}

func readyOf(pods []*corev1.Pod) (n int32) {
	for _, p := range pods {
		if IsReady(p) {
			n++
		}
	}
	return n
}
