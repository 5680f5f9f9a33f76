package rollout

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var daemonSetKind = Kind{
	GroupKind: schema.GroupKind{Group: "apps", Kind: "DaemonSet"},
	Resource:  manifest.Resource{Group: "apps", Version: "v1", Resource: "daemonsets", Namespaced: true},
	Type:      (*appsv1.DaemonSet)(nil), Evaluate: daemonSet,
	Spec: func(o Object) Spec {
		s := o.(*appsv1.DaemonSet)
		return Spec{
			Template: &s.Spec.Template, Selector: s.Spec.Selector, Replicas: s.Status.DesiredNumberScheduled,
			MinReadySeconds: s.Spec.MinReadySeconds, Observed: s.Status.ObservedGeneration >= s.Generation,
		}
	},
	Template:      "spec.template",
	RevisionLabel: appsv1.ControllerRevisionHashLabelKey, Owns: ControllerRevisions,
	Revision: newDaemonRevision, Previous: previousDaemonRevision,
	PodNames: generated,
	// An old pod on a node that is down keeps an update from being complete, and is not to blame.
	OldPodsMatter: true, OnEachNode: true, DeletesFailed: true,
	Serves: true, Replaces: true, Standalone: true, Staged: ByDeletion,
}

// newDaemonRevision is the hash of the newest ControllerRevision, if it was made from the newest template.
func newDaemonRevision(w Workload) string {
	set, ok := w.Live.(*appsv1.DaemonSet)
	if !ok || set.Status.ObservedGeneration < set.Generation {
		return ""
	}
	revisions := newestFirst(w)
	if len(revisions) == 0 || !records(revisions[0], &set.Spec.Template) {
		return ""
	}
	return daemonRevisionLabel(revisions[0])
}

func previousDaemonRevision(w Workload) string {
	return previousControllerRevision(w, newDaemonRevision(w), daemonRevisionLabel)
}

func daemonRevisionLabel(r *appsv1.ControllerRevision) string {
	return r.Labels[appsv1.ControllerRevisionHashLabelKey]
}

// daemonSet follows "kubectl rollout status", but a node that is down does not count: nobody can roll out to it, and
// the change is not to blame. The controller has no such rule (kubernetes/kubernetes#139226), so this one needs pods.
func daemonSet(w Workload) Status {
	set, ok := w.Live.(*appsv1.DaemonSet)
	if !ok {
		return wrongType(w)
	}
	s := Status{Desired: set.Status.DesiredNumberScheduled}
	s.Revision, s.PreviousRevision = newDaemonRevision(w), previousDaemonRevision(w)
	s.Updated = set.Status.UpdatedNumberScheduled
	s.Old = max(0, set.Status.CurrentNumberScheduled-set.Status.UpdatedNumberScheduled)
	s.Ready, s.Available = set.Status.NumberReady, set.Status.NumberAvailable
	switch {
	case set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType:
		return onDelete(s)
	case s.Desired == 0:
		return complete(s, ReasonZeroReplicas, "no node is to run it, so nothing runs")
	case s.Updated >= s.Desired && s.Available >= s.Desired:
		return complete(s, "", "")
	}
	lost := downNodes(w)
	reachable := s.Desired - int32(len(lost.nodes))
	if reachable > 0 && len(lost.nodes) > 0 && s.Updated+lost.outdated >= s.Desired && s.Available-lost.available >= reachable {
		return complete(s, ReasonNodesDown, fmt.Sprintf("%d of %d pods available; not counted, because the node is down: %s",
			s.Available, s.Desired, shorten(lost.nodes)))
	}
	return awaitDaemonSet(s, lost.nodes)
}

func awaitDaemonSet(s Status, down []string) Status {
	note := ""
	if len(down) > 0 {
		note = "; down: " + shorten(down)
	}
	if s.Updated < s.Desired {
		return progressing(s, ReasonNewPods, "%d of %d pods updated, %d available%s", s.Updated, s.Desired, s.Available, note)
	}
	if s.Ready >= s.Desired {
		return progressing(s, ReasonMinReady, "%d of %d %s available; the rest is ready and waits for minReadySeconds",
			s.Available, s.Desired, plural(s.Desired, "pod"))
	}
	return progressing(s, ReasonNewPods, "%d of %d new %s available%s", s.Available, s.Desired, plural(s.Desired, "pod"), note)
}

// lostNodes are the nodes that cannot run their pod, and how their pods stand in the DaemonSet's counts.
type lostNodes struct {
	nodes     []string
	outdated  int32 // of these, without a pod of the new revision
	available int32 // of these, with a pod that is still counted as available
}

// downNodes finds the nodes of unavailable pods that are down. A node counts only through a pod of this DaemonSet: one
// without is not among the nodes that the DaemonSet wants, or its pod is still to come.
func downNodes(w Workload) lostNodes {
	revision := newDaemonRevision(w)
	if !w.PodsKnown || revision == "" {
		return lostNodes{}
	}
	updated, available := map[string]bool{}, map[string]bool{}
	var lost lostNodes
	for _, p := range w.Pods {
		node := p.Spec.NodeName
		if node == "" || !slices.Contains(w.NodesDown, node) && !abandoned(p) {
			continue
		}
		if !slices.Contains(lost.nodes, node) {
			lost.nodes = append(lost.nodes, node)
		}
		if p.DeletionTimestamp == nil {
			updated[node] = updated[node] || isRevision(p, appsv1.DefaultDaemonSetUniqueLabelKey, revision)
			available[node] = available[node] || IsReady(p)
		}
	}
	slices.Sort(lost.nodes)
	for _, node := range lost.nodes {
		if !updated[node] {
			lost.outdated++
		}
		if available[node] {
			lost.available++
		}
	}
	return lost
}

// abandoned says whether a pod shows that its node is down: the node controller marks the pod not ready although the
// kubelet's last word was that every container is (k8s.io/kubernetes, pkg/controller/util/node, MarkPodsNotReady).
func abandoned(p *corev1.Pod) bool {
	if p.Status.Phase != corev1.PodRunning || len(p.Status.ContainerStatuses) == 0 || len(p.Spec.ReadinessGates) > 0 ||
		IsReady(p) || !isTrue(p, corev1.ContainersReady) {
		return false
	}
	return !slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return !c.Ready })
}

// shorten lists a few names and counts the rest.
func shorten(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
