package rollout

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var statefulSetKind = Kind{
	GroupKind: schema.GroupKind{Group: "apps", Kind: "StatefulSet"},
	Resource:  manifest.Resource{Group: "apps", Version: "v1", Resource: "statefulsets", Namespaced: true},
	Type:      (*appsv1.StatefulSet)(nil), Evaluate: statefulSet,
	Spec: func(o Object) Spec {
		s := o.(*appsv1.StatefulSet)
		return Spec{
			Template: &s.Spec.Template, Selector: s.Spec.Selector, Replicas: replicas(s.Spec.Replicas),
			MinReadySeconds: s.Spec.MinReadySeconds, Observed: s.Status.ObservedGeneration >= s.Generation,
		}
	},
	Template:      "spec.template",
	RevisionLabel: appsv1.ControllerRevisionHashLabelKey, Owns: ControllerRevisions,
	Revision: newSetRevision, Previous: previousSetRevision,
	PodNames: numbered,
	// An old pod that is broken keeps the controller from replacing any.
	OldPodsMatter: true,
	Serves:        true, Replaces: true, Standalone: true, KeepsNames: true, Staged: ByPartition,
}

// newSetRevision is the name of the ControllerRevision that is rolled out, which the status says.
func newSetRevision(w Workload) string {
	set, ok := w.Live.(*appsv1.StatefulSet)
	if !ok || set.Status.ObservedGeneration < set.Generation {
		return ""
	}
	return set.Status.UpdateRevision
}

func previousSetRevision(w Workload) string {
	if set, ok := w.Live.(*appsv1.StatefulSet); ok && set.Status.CurrentRevision != set.Status.UpdateRevision {
		return set.Status.CurrentRevision
	}
	return previousControllerRevision(w, newSetRevision(w), func(r *appsv1.ControllerRevision) string { return r.Name })
}

// statefulSet follows "kubectl rollout status" with three additions: OnDelete is an answer and not an error, available
// counts (minReadySeconds) instead of ready ones, and pods that scaling down has yet to remove.
//
// The number of pods that must change is replicas - partition, whatever spec.ordinals.start is: the controller applies
// the partition to positions and not to names (k8s.io/kubernetes, pkg/controller/statefulset, updateStatefulSet).
func statefulSet(w Workload) Status {
	set, ok := w.Live.(*appsv1.StatefulSet)
	if !ok {
		return wrongType(w)
	}
	s := Status{Desired: replicas(set.Spec.Replicas)}
	s.Revision, s.PreviousRevision = newSetRevision(w), previousSetRevision(w)
	s.Updated = set.Status.UpdatedReplicas
	s.Old = max(0, set.Status.Replicas-set.Status.UpdatedReplicas)
	s.Ready, s.Available = set.Status.ReadyReplicas, set.Status.AvailableReplicas
	if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return onDelete(s)
	}
	partition := int32(0)
	if u := set.Spec.UpdateStrategy.RollingUpdate; u != nil && u.Partition != nil {
		partition = *u.Partition
	}
	changing := max(0, s.Desired-partition)
	s = rollStatefulSet(s, set.Status.Replicas, changing, partition)
	if p := blocker(w, set, partition); p != nil && s.Phase == Progressing && s.Updated < changing {
		s.BlockedBy = p.Labels[appsv1.ControllerRevisionHashLabelKey]
		return progressing(s, ReasonBlocked, "%d of %d %s updated; waits for old pod %s of revision %s, which does not get ready",
			s.Updated, changing, plural(changing, "pod"), p.Name, s.BlockedBy)
	}
	return s
}

// blockedAfter is how long an old pod may be not ready, from before the write on, until it is taken for one that never
// will be. One that shows why, in a container that cannot start, is known at once.
const blockedAfter = 30 * time.Second

// blocker is the pod of an old revision that keeps the controller from replacing any: unless pods may be handled in
// parallel, it waits for each pod to be ready before it looks at the next (kubernetes/kubernetes#67250). One that the
// partition keeps would come back as it is.
func blocker(w Workload, set *appsv1.StatefulSet, partition int32) *corev1.Pod {
	revision := newSetRevision(w)
	if !OneByOne(set) || revision == "" {
		return nil
	}
	first := partition
	if set.Spec.Ordinals != nil {
		first += set.Spec.Ordinals.Start
	}
	for _, p := range w.Pods {
		if number, err := strconv.Atoi(strings.TrimPrefix(p.Name, set.Name+"-")); err != nil || int32(number) < first {
			continue
		}
		old := p.Labels[appsv1.ControllerRevisionHashLabelKey]
		if p.DeletionTimestamp == nil && old != "" && old != revision && !IsReady(p) && hopeless(p, w) {
			return p
		}
	}
	return nil
}

// OneByOne tells whether an object is a StatefulSet that replaces no pod until the one before it is ready.
func OneByOne(o Object) bool {
	set, ok := o.(*appsv1.StatefulSet)
	return ok && set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
}

// Stranded is the revision of a pod of a StatefulSet that is neither of the one that is rolled out nor of one that there was
// before, and that is not ready: a release which was taken back has left it, and it keeps the controller from replacing
// any. known is false while that cannot be told, because the controller has not seen the object as it is now, or the pods
// were not read; it is true with "" when there is none. before is the object before that release.
func Stranded(w Workload, before Object) (revision string, known bool) {
	set, ok := w.Live.(*appsv1.StatefulSet)
	was, alsoOK := before.(*appsv1.StatefulSet)
	if !ok || !alsoOK || !w.PodsKnown || !Observed(set) {
		return "", false
	}
	for _, p := range w.Pods {
		of := p.Labels[appsv1.ControllerRevisionHashLabelKey]
		ours := of == set.Status.UpdateRevision || of == was.Status.CurrentRevision || of == was.Status.UpdateRevision
		if !ours && of != "" && p.DeletionTimestamp == nil && !IsReady(p) {
			return of, true
		}
	}
	return "", true
}

// hopeless tells whether a pod that is not ready will not be: a container cannot start or crashes again and again, or the
// pod was not ready before the write and has not become so since.
func hopeless(p *corev1.Pod, w Workload) bool {
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if c.State.Waiting == nil {
			continue
		}
		switch c.State.Waiting.Reason {
		case "CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return true
		}
	}
	since := p.CreationTimestamp.Time
	if c := PodCondition(p, corev1.PodReady); c != nil && c.LastTransitionTime.After(since) {
		since = c.LastTransitionTime.Time
	}
	return !w.Since.IsZero() && since.Before(w.Since) && w.Now.Sub(w.Since) >= blockedAfter
}

// rollStatefulSet judges a rolling update in which `changing` pods are to get the new revision. The status counts ready
// and available pods of all revisions together, so all of them must be available: that the new ones are follows.
func rollStatefulSet(s Status, existing, changing, partition int32) Status {
	switch {
	case s.Updated < changing:
		return progressing(s, ReasonNewPods, "%d of %d %s updated, %d of %d available",
			s.Updated, changing, plural(changing, "pod"), s.Available, s.Desired)
	case s.Available < s.Desired && s.Ready >= s.Desired:
		return progressing(s, ReasonMinReady, "%d of %d %s available; the rest is ready and waits for minReadySeconds",
			s.Available, s.Desired, plural(s.Desired, "pod"))
	case s.Available < s.Desired:
		return progressing(s, ReasonNewPods, "%d of %d %s available", s.Available, s.Desired, plural(s.Desired, "pod"))
	case existing > s.Desired:
		extra := existing - s.Desired
		return progressing(s, ReasonOldPods, "waiting for %d surplus %s to stop", extra, plural(extra, "pod"))
	case s.Desired == 0:
		return complete(s, ReasonZeroReplicas, "spec.replicas is 0, so nothing runs")
	case partition > 0:
		return complete(s, ReasonPartition, fmt.Sprintf("%d of %d pods updated; the partition %d keeps the rest as they are",
			s.Updated, s.Desired, partition))
	}
	return complete(s, "", "")
}

// onDelete is the answer for a strategy by which nothing rolls: there is nothing to wait for and nothing to judge.
func onDelete(s Status) Status {
	if s.Updated >= s.Desired && s.Available >= s.Desired {
		return complete(s, ReasonOnDelete, "all pods have the new revision")
	}
	return complete(s, ReasonOnDelete, fmt.Sprintf("%d of %d pods have the new revision; the others change when somebody "+
		"deletes them (updateStrategy OnDelete)", s.Updated, s.Desired))
}
