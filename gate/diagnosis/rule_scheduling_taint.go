package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

// passingTaints begin the keys of taints that go away by themselves: those that stand for a node's condition, and those that
// a node sheds while it starts or has while an autoscaler takes it away.
var passingTaints = []string{
	"node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "ToBeDeletedByClusterAutoscaler",
	"DeletionCandidateOfClusterAutoscaler", "karpenter.sh/", "startup-taint.cluster-autoscaler.kubernetes.io/",
	"ignore-taint.cluster-autoscaler.kubernetes.io/", "node.cilium.io/", "ebs.csi.aws.com/agent-not-ready", "efs.csi.aws.com/agent-not-ready",
}

func passes(key string) bool {
	return slices.ContainsFunc(passingTaints, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) || strings.Contains(key, "startup-taint")
}

// untolerated are the taints of a node that keep a pod away. That of a cordoned node is told as such.
func untolerated(p *corev1.Pod, n *corev1.Node) []corev1.Taint {
	var taints []corev1.Taint
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectPreferNoSchedule || t.Key == corev1.TaintNodeUnschedulable {
			continue
		}
		if !corev1helpers.TolerationsTolerateTaint(klog.Logger{}, p.Spec.Tolerations, &t, false) {
			taints = append(taints, t)
		}
	}
	return taints
}

// sayTaints names the taints and writes the toleration that is missing. Since 1.35 the scheduler's message does not name
// them, so that the nodes must.
func (s *facts) sayTaints(f *Finding, p *corev1.Pod, message string) {
	f.FieldPath = s.podPath + ".tolerations"
	f.Fix = []string{"add a toleration for the taint, or remove the taint from a node"}
	taints, temporary := textTaints(message)
	if meant := s.matching(p); len(meant) > 0 {
		taints, temporary = nodeTaints(p, meant)
	} else if len(taints) == 0 && s.nodesRefused() {
		temporary = true // it may be, and nobody can tell
	}
	if temporary {
		f.Terminal = TerminalTimeout
	}
	if len(taints) == 0 {
		return
	}
	names, texts := make([]string, len(taints)), make([]string, len(taints))
	for i, t := range taints {
		names[i], texts[i] = strings.TrimSuffix(t.ToString(), ":"), t.text
	}
	f.Detail = strings.Join(names, ",")
	if taints[0].nodes > 0 {
		f.Cause += "; the taints are " + list(texts)
	}
	first := taints[0]
	switch {
	case passes(first.Key):
		f.Fix = []string{"look at the nodes: this taint stands for their condition and goes away with it"}
	default:
		f.Fix = []string{fmt.Sprintf("add to %s: %s", f.FieldPath, first.toleration()), "or remove the taint: kubectl taint node NODE " + first.Key + "-"}
	}
}

// taintOn is a taint and the number of nodes that have it.
type taintOn struct {
	corev1.Taint
	nodes int
	text  string
}

// toleration is the YAML that tolerates a taint, ready to paste.
func (t taintOn) toleration() string {
	parts := []string{"key: " + t.Key, "operator: Exists"}
	if t.Value != "" {
		parts = []string{"key: " + t.Key, "operator: Equal", fmt.Sprintf("value: %q", t.Value)}
	}
	if t.Effect != "" {
		parts = append(parts, "effect: "+string(t.Effect))
	}
	return "- {" + strings.Join(parts, ", ") + "}"
}

// nodeTaints are the taints that keep a pod away from the nodes that are meant for it. They are temporary if any node
// has no others.
func nodeTaints(p *corev1.Pod, nodes []*corev1.Node) (taints []taintOn, temporary bool) {
	found := map[corev1.Taint]int{}
	for _, n := range nodes {
		mine := untolerated(p, n)
		temporary = temporary || len(mine) > 0 && !slices.ContainsFunc(mine, func(t corev1.Taint) bool { return !passes(t.Key) })
		for _, t := range mine {
			t.TimeAdded = nil
			found[t]++
		}
	}
	for t, n := range found {
		taints = append(taints, taintOn{t, n, fmt.Sprintf("%s on %s", t.ToString(), plural(n, "node"))})
	}
	sortTaints(taints)
	return taints, temporary
}

// textTaints are the taints that an old scheduler's message names.
func textTaints(message string) (taints []taintOn, temporary bool) {
	for _, named := range messages.NamedTaints(message) {
		t := corev1.Taint{Key: named.Key, Value: named.Value}
		temporary = temporary || passes(t.Key)
		taints = append(taints, taintOn{t, 0, t.ToString()})
	}
	sortTaints(taints)
	return taints, temporary
}

// sortTaints puts first what is worth a toleration: not a control plane, not a condition, on most nodes.
func sortTaints(taints []taintOn) {
	weight := func(t taintOn) int {
		switch {
		case strings.HasPrefix(t.Key, "node-role.kubernetes.io/"):
			return 1
		case passes(t.Key):
			return 2
		}
		return 0
	}
	slices.SortFunc(taints, func(a, b taintOn) int {
		if d := weight(a) - weight(b); d != 0 {
			return d
		}
		if a.nodes != b.nodes {
			return b.nodes - a.nodes
		}
		return strings.Compare(a.text, b.text)
	})
}

// sayCordoned lists the nodes that somebody took out of service.
func (s *facts) sayCordoned(f *Finding, p *corev1.Pod) {
	f.Fix = []string{"uncordon a node, or add nodes"}
	var names []string
	for _, n := range s.matching(p) {
		if n.Spec.Unschedulable {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	f.Nodes = names
	f.Confidence = Proven
	f.Cause += "; cordoned: " + list(names)
	f.Fix = []string{"kubectl uncordon " + names[0] + " when its maintenance is over, or add nodes"}
}
