package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleDaemonset = Rule{Family: "DaemonSets", Find: explainDaemonSet, Causes: []Cause{
	{Code: "DaemonSetNodesBlocking", class: atTimeout("controller", LayerCluster, ScopeNode),
		Meaning: "Pods on nodes that are down count as unavailable and use up maxUnavailable, so the DaemonSet replaces no pod on the healthy nodes either.",
		Signals: "spec.updateStrategy.rollingUpdate.maxUnavailable, and at least as many pods that are not Ready on nodes that are not ready.",
		Remedy:  "Repair the nodes or remove them from the cluster, or raise maxUnavailable above their number."},
	{Code: "DaemonPodFailing", class: after("run", LayerCluster, ScopeNode, 3, 30*time.Second),
		ReadsLogs: true,
		Meaning:   "Nodes turn the DaemonSet's pods away again and again; the controller deletes each failed pod and makes another.",
		Signals:   "Repeated events FailedDaemonPod on the DaemonSet, and status.reason of a failed pod if one is still there.",
		Remedy:    "Look at the pod's reason on that node (kubectl describe pod, or the kubelet's log): usually resources, a port, or a taint that the kubelet sees and the scheduler does not."},
}}

// failedDaemonPod is what the controller writes before it deletes a failed pod (pkg/controller/daemon/daemon_controller.go).
var failedDaemonPod = regexp.MustCompile(`Found failed daemon pod (\S+?)/(\S+) on node (\S+?),? will try to kill it`)

// explainDaemonSet names what is special about DaemonSets: DaemonSetNodesBlocking, DaemonPodFailing.
func explainDaemonSet(s *facts) []Finding {
	set, ok := s.w.Live.(*appsv1.DaemonSet)
	if !ok {
		return nil
	}
	var found []Finding
	if f, ok := s.nodesBlocking(set); ok {
		found = append(found, f)
	}
	if f, ok := s.daemonPodFailing(set); ok {
		found = append(found, f)
	}
	return found
}

// nodesBlocking counts the unavailable pods of dead nodes against maxUnavailable, which rounds up for a DaemonSet. Old
// pods that are not available are replaced whatever the limit (pkg/controller/daemon/update.go, rollingUpdate), but one
// on a dead node never ends.
func (s *facts) nodesBlocking(set *appsv1.DaemonSet) (Finding, bool) {
	u := set.Spec.UpdateStrategy.RollingUpdate
	if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType || u != nil && u.MaxSurge != nil && u.MaxSurge.String() != "0" && u.MaxSurge.String() != "0%" {
		return Finding{}, false
	}
	limit := intstr.FromInt32(1)
	if u != nil && u.MaxUnavailable != nil {
		limit = *u.MaxUnavailable
	}
	most, err := intstr.GetScaledValueFromIntOrPercent(&limit, int(set.Status.DesiredNumberScheduled), true)
	var pods, nodes []string
	for _, p := range slices.Concat(s.pods, s.old, s.leaving) {
		if s.nodeDown(p.Spec.NodeName) && (p.DeletionTimestamp != nil || !rollout.IsReady(p)) {
			pods, nodes = append(pods, p.Name), union(nodes, []string{p.Spec.NodeName})
		}
	}
	healthy := slices.ContainsFunc(s.old, func(p *corev1.Pod) bool { return !s.nodeDown(p.Spec.NodeName) })
	if err != nil || len(nodes) == 0 || len(nodes) < most || !healthy {
		return Finding{}, false
	}
	slices.Sort(nodes)
	f := s.finding("DaemonSetNodesBlocking")
	f.Confidence, f.pods, f.PodsAffected, f.PodsTotal, f.Nodes = Proven, pods, len(pods), 0, nodes
	f.FieldPath = "spec.updateStrategy.rollingUpdate.maxUnavailable"
	where := "nodes " + list(nodes) + ", which are not ready,"
	if len(nodes) == 1 {
		where = "node " + nodes[0] + ", which is not ready,"
	}
	f.Cause = fmt.Sprintf("%s on %s %s up maxUnavailable %s, so no other pod is replaced", plural(len(pods), "pod"), where, verb(len(pods), "use"), resolved(&limit, most))
	f.Evidence = []Proof{{Type: "arithmetic", Text: fmt.Sprintf("%s not ready of %d, maxUnavailable %s, %s of the old version left", plural(len(nodes), "node"), set.Status.DesiredNumberScheduled, resolved(&limit, most), plural(len(s.old), "pod")), Ref: s.w.Ref.String()}}
	f.Fix = []string{"repair the nodes, or remove them from the cluster: kubectl delete node " + nodes[0], fmt.Sprintf("or raise maxUnavailable above %d", len(nodes))}
	return f, true
}

// verb is the form of a verb for a number of things: one uses, two use.
func verb(n int, word string) string {
	if n == 1 {
		return word + "s"
	}
	return word
}

// daemonPodFailing counts the pods that the controller had to throw away. While they are there, the rule about what nodes
// do to pods knows more.
func (s *facts) daemonPodFailing(set *appsv1.DaemonSet) (Finding, bool) {
	events := s.eventsOf(string(set.UID), func(e Event) bool { return e.Reason == "FailedDaemonPod" })
	if len(events) == 0 || len(s.pods) > 0 && s.ready == len(s.pods) && len(s.pods) >= int(s.Status.Desired) {
		return Finding{}, false
	}
	f := s.finding("DaemonPodFailing")
	f.Count, f.FirstSeen, f.FieldPath = occurrences(events), events[0].First, s.podPath
	for _, e := range events {
		if m := failedDaemonPod.FindStringSubmatch(e.Message); m != nil {
			f.Nodes = union(f.Nodes, []string{m[3]})
		}
	}
	if said, ok := s.rejection(events); ok {
		said.Count, said.Nodes, said.FirstSeen = f.Count, f.Nodes, f.FirstSeen
		return said, true
	}
	slices.Sort(f.Nodes)
	f.Cause = fmt.Sprintf("the daemon set's pods fail and are thrown away, %s so far", plural(f.Count, "pod"))
	if len(f.Nodes) > 0 {
		f.Cause = fmt.Sprintf("the daemon set's pods fail on %s %s and are thrown away, %s so far", noun(len(f.Nodes), "node"), list(f.Nodes), plural(f.Count, "pod"))
	}
	f.Evidence = proofs(events, 2)
	for _, p := range s.failed {
		f.pods = append(f.pods, p.Name)
		f.Evidence = append(f.Evidence, Proof{Type: "status", Text: "phase Failed, " + p.Status.Reason + ": " + quote(p.Status.Message), Ref: podRef(p).String()})
	}
	f.PodsAffected = len(f.pods)
	f.Fix = []string{"look at why such a pod failed while it is there: kubectl get pods -n " + s.w.Ref.Namespace + " -o wide --watch", "read the kubelet's log on that node"}
	return f, true
}

// rejection is what the kubelet said about the pods that were thrown away: they are gone, its events are not.
func (s *facts) rejection(thrown []Event) (Finding, bool) {
	for _, e := range slices.Backward(s.Events) {
		code := "KubeletRejected"
		if e.Reason == "SysctlForbidden" {
			code = e.Reason
		}
		if e.Object.Kind != "Pod" || e.Reason == "Evicted" || rejections[e.Reason] == "" && code != e.Reason {
			continue
		}
		for _, t := range thrown {
			if m := failedDaemonPod.FindStringSubmatch(t.Message); m != nil && m[2] == e.Object.Name {
				p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: e.Object.Name, Namespace: e.Object.Namespace, UID: types.UID(e.UID)}}
				p.Spec.NodeName, p.Status.Reason, p.Status.Message = m[3], e.Reason, e.Message
				f := s.threwOut(p, code)
				f.Evidence = []Proof{e.proof(), t.proof()}
				return f, true
			}
		}
	}
	return Finding{}, false
}
