package rollout

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// replicaSet waits for the pods that a ReplicaSet is to keep. Another template does not replace pods that exist, so
// there are no revisions to tell apart.
func replicaSet(w Workload) Status {
	rs, ok := w.Live.(*appsv1.ReplicaSet)
	if !ok {
		return wrongType(w)
	}
	s := Status{Desired: replicas(rs.Spec.Replicas)}
	if rs.Status.ObservedGeneration < rs.Generation {
		return notObserved(s)
	}
	s.Updated, s.Ready, s.Available = rs.Status.Replicas, rs.Status.ReadyReplicas, rs.Status.AvailableReplicas
	return keepPods(s)
}

// replicationController is the same for the ReplicaSet's predecessor.
func replicationController(w Workload) Status {
	rc, ok := w.Live.(*corev1.ReplicationController)
	if !ok {
		return wrongType(w)
	}
	s := Status{Desired: replicas(rc.Spec.Replicas)}
	if rc.Status.ObservedGeneration < rc.Generation {
		return notObserved(s)
	}
	s.Updated, s.Ready, s.Available = rc.Status.Replicas, rc.Status.ReadyReplicas, rc.Status.AvailableReplicas
	return keepPods(s)
}

func keepPods(s Status) Status {
	switch {
	case s.Available < s.Desired:
		return awaitPods(s, s.Desired)
	case s.Updated > s.Desired:
		extra := s.Updated - s.Desired
		return progressing(s, ReasonOldPods, "waiting for %d surplus %s to stop", extra, plural(extra, "pod"))
	case s.Desired == 0:
		return complete(s, ReasonZeroReplicas, "spec.replicas is 0, so nothing runs")
	}
	return complete(s, "", "")
}
