package rollout

import (
	"cmp"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CanaryNodeLabel is set to "true" on nodes that are to get new versions first.
const CanaryNodeLabel = "rolloutgate.dev/canary"

// ToReplace are the old pods of a DaemonSet that are to be deleted next, so that as many nodes as its Goal says get a new
// one, and no more. It counts what is there: nodes with a new pod, and those whose old pod is on its way out, or gone, and
// whose new one is not there yet. atOnce is how many of these may be without a pod that is available.
//
// Nodes with CanaryNodeLabel come first, then it goes by name; those that nothing is to be scheduled on come last. A node
// that is down is left out: its kubelet would not end the pod. nodes may be empty, when they are not known.
func ToReplace(w Workload, nodes []corev1.Node, atOnce int32) []*corev1.Pod {
	set, ok := typed(w.Live).(*appsv1.DaemonSet)
	if !ok || w.Goal == 0 || !w.PodsKnown || !replacesNone(set) {
		return nil
	}
	revision := NewRevision(w)
	if revision == "" {
		return nil
	}
	var moving, unavailable int32
	var old []*corev1.Pod
	on := byNode(w, set)
	for node, pods := range on {
		newPod, oldPod := living(pods, revision)
		down := slices.Contains(w.NodesDown, node)
		switch {
		case newPod == nil && oldPod == nil && down: // it may end or not
		case newPod != nil || oldPod == nil:
			moving++
			if !down && !available(newPod, set.Spec.MinReadySeconds, w.Now) {
				unavailable++
			}
		case !down:
			old = append(old, oldPod)
		}
	}
	missing := max(0, set.Status.DesiredNumberScheduled-int32(len(on)))
	room := min(w.Goal-moving-missing, atOnce-unavailable-missing, int32(len(old)))
	if room <= 0 {
		return nil
	}
	sortByNode(old, nodes)
	return old[:room]
}

// replacesNone tells whether the controller has taken in that it is to replace no pod by itself.
func replacesNone(set *appsv1.DaemonSet) bool {
	return set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType && set.Status.ObservedGeneration >= set.Generation && set.DeletionTimestamp == nil
}

// byNode are the pods of a DaemonSet by the node that they are for.
func byNode(w Workload, set *appsv1.DaemonSet) map[string][]*corev1.Pod {
	on := map[string][]*corev1.Pod{}
	for _, p := range w.Pods {
		if owner := metav1.GetControllerOf(p); owner != nil && owner.UID != set.UID {
			continue // the selectors of two workloads can overlap
		}
		node := NodeOf(p)
		on[node] = append(on[node], p)
	}
	return on
}

// NodeOf is the node that a pod of a DaemonSet runs on, or is to: the controller names it in the pod's affinity
// (k8s.io/kubernetes, pkg/controller/daemon/util, ReplaceDaemonSetPodNodeNameNodeAffinity).
func NodeOf(p *corev1.Pod) string {
	a := p.Spec.Affinity
	if p.Spec.NodeName != "" || a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return p.Spec.NodeName
	}
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, f := range term.MatchFields {
			if f.Key == metav1.ObjectNameField && len(f.Values) == 1 {
				return f.Values[0]
			}
		}
	}
	return ""
}

// living are a pod of the new revision and one of another among those of a node that are not on their way out.
func living(pods []*corev1.Pod, revision string) (newPod, oldPod *corev1.Pod) {
	for _, p := range pods {
		switch {
		case p.DeletionTimestamp != nil:
		case isRevision(p, appsv1.DefaultDaemonSetUniqueLabelKey, revision):
			newPod = p
		default:
			oldPod = p
		}
	}
	return newPod, oldPod
}

// available tells whether a pod is ready, and has been for so many seconds.
func available(p *corev1.Pod, seconds int32, at time.Time) bool {
	if p == nil || !IsReady(p) {
		return false
	}
	c := PodCondition(p, corev1.PodReady)
	return seconds == 0 || !c.LastTransitionTime.Add(time.Duration(seconds)*time.Second).After(at)
}

// sortByNode puts the pods of nodes that are to be first in front.
func sortByNode(pods []*corev1.Pod, nodes []corev1.Node) {
	rank := map[string]int{}
	for _, n := range nodes {
		switch {
		case n.Spec.Unschedulable:
			rank[n.Name] = 1
		case n.Labels[CanaryNodeLabel] == "true":
			rank[n.Name] = -1
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(rank[NodeOf(a)], rank[NodeOf(b)]), cmp.Compare(NodeOf(a), NodeOf(b)))
	})
}
