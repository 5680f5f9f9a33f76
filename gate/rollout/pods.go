package rollout

import (
	corev1 "k8s.io/api/core/v1"
)

// NewRevision is the value of the label by which the new pods are known: the pod-template-hash of a Deployment, the
// controller-revision-hash of a StatefulSet or DaemonSet. It is empty for other kinds, and while the controller has not
// made the revision. (For a StatefulSet the label holds the whole name of the ControllerRevision, for a DaemonSet only
// its hash.)
func NewRevision(w Workload) string {
	k, live := kindOf(w.Live)
	if k.Revision == nil || live == nil {
		return ""
	}
	w.Live = live
	return k.Revision(w)
}

// RevisionOf is the revision of a pod, whatever made it; "" for pods without one.
func RevisionOf(p *corev1.Pod) string {
	for _, k := range Kinds {
		if revision := p.Labels[k.RevisionLabel]; k.RevisionLabel != "" && revision != "" {
			return revision
		}
	}
	return ""
}

// NewPods returns the pods of the new revision that are not terminating, finished ones included. For kinds without
// revisions these are all pods. It is empty while the new revision is unknown.
func NewPods(w Workload) []*corev1.Pod {
	return filter(w, func(p *corev1.Pod, key, revision string) bool {
		return p.DeletionTimestamp == nil && (key == "" || isRevision(p, key, revision))
	})
}

// OldPods returns the pods of all other revisions, terminating ones included. While the new revision does not exist
// these are all pods; it is empty for kinds without revisions and when nothing is known of the revisions.
func OldPods(w Workload) []*corev1.Pod {
	if len(w.ReplicaSets)+len(w.Revisions) == 0 && NewRevision(w) == "" {
		return nil
	}
	return filter(w, func(p *corev1.Pod, key, revision string) bool {
		return key != "" && !isRevision(p, key, revision)
	})
}

func filter(w Workload, keep func(p *corev1.Pod, key, revision string) bool) []*corev1.Pod {
	k, live := kindOf(w.Live)
	key := k.RevisionLabel
	if p, isPod := live.(*corev1.Pod); isPod && len(w.Pods) == 0 {
		w.Pods = []*corev1.Pod{p}
	}
	revision := NewRevision(w)
	var kept []*corev1.Pod
	for _, p := range w.Pods {
		if keep(p, key, revision) {
			kept = append(kept, p)
		}
	}
	return kept
}

func isRevision(p *corev1.Pod, key, revision string) bool {
	return revision != "" && p.Labels[key] == revision
}

// wrongType is the answer for an object that is not of its kind's Go type, which only a malformed one can cause.
func wrongType(w Workload) Status {
	return Status{Phase: Progressing, Reason: "Unreadable", Message: "the object cannot be read as " + w.Ref.Kind}
}
