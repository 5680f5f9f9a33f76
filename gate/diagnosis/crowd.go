package diagnosis

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// crowded is about pods that keep each other away. If it is the old version's pods and the strategy keeps them until a
// new pod is available, nobody will ever move.
func (s *scene) crowded(f *Finding, p *corev1.Pod) {
	f.Fix = []string{"add nodes, or relax the rule"}
	switch f.Code {
	case "PodAntiAffinityUnsatisfied":
		f.FieldPath = s.podPath + ".affinity.podAntiAffinity"
		f.Fix = []string{"use preferredDuringSchedulingIgnoredDuringExecution, or add nodes"}
	case "TopologySpreadUnsatisfied":
		f.FieldPath = s.podPath + ".topologySpreadConstraints"
		f.Fix = []string{"add matchLabelKeys: [pod-template-hash], so that old pods do not count, or whenUnsatisfiable: ScheduleAnyway"}
	case "HostPortConflict":
		f.FieldPath = s.podPath + ".containers"
		f.Fix = []string{"use a Service instead of hostPort, or add nodes"}
		for _, c := range p.Spec.Containers {
			for i, port := range c.Ports {
				if port.HostPort != 0 && f.Detail == "" && !s.isInjected(c.Name) {
					f.Detail = fmt.Sprint(port.HostPort)
					f.FieldPath = fmt.Sprintf("%s.containers[name=%s].ports[%d].hostPort", s.podPath, c.Name, i)
				}
			}
		}
	case "RwopInUse":
		f.FieldPath = s.podPath + ".volumes"
		f.Fix = []string{"set strategy Recreate, or use access mode ReadWriteOnce or ReadWriteMany"}
	}
	if _, unavailable := s.surge(); s.w.Ref.Kind == "Deployment" && len(s.old) > 0 && s.ready == 0 && unavailable == 0 {
		f.Terminal, f.After = TerminalDeadlock, time.Minute
		f.Cause += "; old pods are in the way, and maxUnavailable 0 keeps them until a new pod is available"
		f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: fmt.Sprintf("maxUnavailable 0, %s of the old version, no new pod ready", plural(len(s.old), "pod"))})
		f.Fix = append([]string{"set maxUnavailable to 1 (and maxSurge to 0), so that an old pod leaves first"}, f.Fix...)
	}
}

// taints names the taints when nodes were read: since 1.35 the scheduler's message does not. Taints that stand for a
// node's condition, or that a starting node sheds, go away by themselves.
func (s *scene) taints(f *Finding, p *corev1.Pod, message string) {
	passing := strings.Contains(message, "{node.kubernetes.io/") || strings.Contains(message, "{node.cloudprovider.kubernetes.io/")
	var names []string
	seen := map[string]bool{}
	for _, n := range s.Nodes {
		for _, t := range n.Spec.Taints {
			if t.Effect == corev1.TaintEffectPreferNoSchedule || tolerated(p, t) {
				continue
			}
			key := t.Key
			if t.Value != "" {
				key += "=" + t.Value
			}
			if !seen[key] {
				seen[key] = true
				names = append(names, key)
			}
			passing = passing || strings.HasPrefix(t.Key, "node.kubernetes.io/") || strings.HasPrefix(t.Key, "node.cloudprovider.kubernetes.io/") || strings.Contains(t.Key, "startup-taint")
		}
	}
	if len(names) > 0 {
		f.Detail = strings.Join(names, ",")
		f.Cause += "; the nodes' taints are " + list(names)
	}
	if passing {
		f.Terminal = TerminalTimeout
	}
}

// tolerated is the scheduler's rule for taints and tolerations (k8s.io/component-helpers/scheduling/corev1).
func tolerated(p *corev1.Pod, t corev1.Taint) bool {
	for _, o := range p.Spec.Tolerations {
		if o.Effect != "" && o.Effect != t.Effect || o.Key != "" && o.Key != t.Key {
			continue
		}
		if o.Operator == corev1.TolerationOpExists || (o.Operator == "" || o.Operator == corev1.TolerationOpEqual) && o.Key != "" && o.Value == t.Value {
			return true
		}
	}
	return false
}

// autoscaler takes into account what an autoscaler said: cluster-autoscaler by TriggeredScaleUp and NotTriggerScaleUp,
// Karpenter by Nominated. A node that is on its way outweighs any proof about those that are there.
func (s *scene) autoscaler(f *Finding, p *corev1.Pod) {
	yes := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "TriggeredScaleUp" || e.Reason == "Nominated" })
	no := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "NotTriggerScaleUp" })
	switch {
	case len(yes) > 0:
		f.Terminal = TerminalTimeout
		f.Evidence = append(f.Evidence, proofs(yes, 1)...)
		f.Cause += "; the autoscaler is adding a node"
	case len(no) > 0:
		f.Evidence = append(f.Evidence, proofs(no, 1)...)
		f.Cause += "; the autoscaler says that no new node would help"
		if f.Code == "InsufficientResources" {
			f.Terminal, f.Attempts, f.After = TerminalAfter, 1, 3*time.Minute
		}
	}
}
