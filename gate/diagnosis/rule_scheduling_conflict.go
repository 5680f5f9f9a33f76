package diagnosis

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// proofStands is how long a proof has to stand before it decides: the objects that it counts are read one after another.
const proofStands = time.Minute

// leaveFirst is what lets old pods make room.
const leaveFirst = "set maxUnavailable to 1 (and maxSurge to 0), so that an old pod leaves first"

// sayConflict is about pods that keep each other away. If it is the old version's pods and the strategy keeps them until a
// new pod is available, nobody will ever move.
func (s *facts) sayConflict(f *Finding, p *corev1.Pod, r messages.Unschedulable) {
	f.Fix = []string{"add nodes, or relax the rule"}
	var obstructs func(*corev1.Pod) bool
	what := ""
	switch f.Code {
	case "PodAntiAffinityUnsatisfied":
		f.FieldPath = s.podPath + ".affinity.podAntiAffinity"
		f.Fix = []string{"use preferredDuringSchedulingIgnoredDuringExecution, or add nodes"}
		if s.tooMany(f, p) {
			return
		}
		obstructs, what = repels(p), "an old pod, which the anti-affinity keeps the new one away from"
	case "HostPortConflict":
		s.sayHostPort(f, p)
		if s.surging(f, p) || s.tooMany(f, p) {
			return
		}
		obstructs, what = sharesPort(p), "an old pod, which has the port"
	case "RwopInUse":
		f.Fix = []string{"set strategy Recreate, or use access mode ReadWriteOnce or ReadWriteMany"}
		f.FieldPath = s.podPath + ".volumes"
		if s.tooMany(f, p) {
			return
		}
		if claim, holder := s.sharedClaim(p, ""); holder != nil {
			f.Detail, f.FieldPath = claim, s.volumeField(p, claim)
			f.Cause += fmt.Sprintf("; old pod %s has claim %s, which one pod at a time may use", holder.Name, claim)
			if s.stuck(onNoNode) {
				s.deadlock(f, fmt.Sprintf("claim %s is ReadWriteOncePod: the new pod waits for old pod %s to leave", claim, holder.Name))
			}
		}
		return
	case "TopologySpreadUnsatisfied":
		s.sayTopology(f, p, r)
		return
	}
	nodes, complete := s.occupied(r, f.Code, obstructs)
	if len(nodes) == 0 {
		return
	}
	f.Cause += fmt.Sprintf("; old pods are in the way on %s %s", noun(len(nodes), "node"), list(nodes))
	if complete && s.stuck(onNoNode) {
		which := "the only node"
		if len(nodes) > 1 {
			which = fmt.Sprintf("each of the %d nodes", len(nodes))
		}
		s.deadlock(f, fmt.Sprintf("%s that would take the new pod has %s: %s", which, what, list(nodes)))
	}
}

// deadlock turns a finding into one that arithmetic proves.
func (s *facts) deadlock(f *Finding, obstacle string) {
	f.Terminal, f.After, f.Confidence = TerminalDeadlock, proofStands, Proven
	f.Cause += ", and maxUnavailable 0 keeps every old pod until a new one is available"
	f.Evidence = append(f.Evidence,
		Proof{Type: "arithmetic", Text: s.algebra().sentence()},
		Proof{Type: "arithmetic", Text: obstacle})
	f.Fix = append([]string{leaveFirst}, f.Fix...)
}

// stuck reports whether nothing moves by itself any more: the strategy keeps all old pods until another new one is
// available, and none of the new pods is on the way to that, because each that is not available waits for what the test
// says.
func (s *facts) stuck(waits func(*corev1.Pod) bool) bool {
	a := s.algebra()
	waiting := 0
	for _, p := range s.pods {
		if waits(p) {
			waiting++
		}
	}
	return a.blocked() && waiting > 0 && waiting+a.availableNew == len(s.pods)
}

func onNoNode(p *corev1.Pod) bool { return p.Spec.NodeName == "" }

// occupied are the nodes on which a pod of the old version keeps the new one away. They are complete when they are as
// many as the nodes that refuse the pod for this reason, and all others refuse it whoever leaves them.
func (s *facts) occupied(r messages.Unschedulable, code string, holds func(*corev1.Pod) bool) (nodes []string, complete bool) {
	for _, old := range s.old {
		if old.Spec.NodeName != "" && holds(old) {
			nodes = union(nodes, []string{old.Spec.NodeName})
		}
	}
	slices.Sort(nodes)
	refusing := 0
	for _, c := range r.Clauses {
		switch {
		case c.Code == code:
			refusing += c.Nodes
		case !messages.Apart(c.Code):
			return nodes, false
		}
	}
	return nodes, refusing > 0 && len(nodes) >= refusing
}

// surging is about a DaemonSet with maxSurge: the old pod stays on its node until the new one is available there, and both
// want the same port (pkg/controller/daemon/update.go, rollingUpdate).
func (s *facts) surging(f *Finding, p *corev1.Pod) bool {
	d, ok := s.w.Live.(*appsv1.DaemonSet)
	if !ok || d.Spec.UpdateStrategy.RollingUpdate == nil || d.Spec.UpdateStrategy.RollingUpdate.MaxSurge == nil {
		return false
	}
	surge := *d.Spec.UpdateStrategy.RollingUpdate.MaxSurge
	shares, here := sharesPort(p), nodeaffinity.GetRequiredNodeAffinity(p)
	for _, old := range s.old {
		mine, err := here.Match(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: old.Spec.NodeName}})
		if surge.String() == "0" || surge.String() == "0%" || !mine || err != nil || !rollout.IsReady(old) || !shares(old) {
			continue
		}
		f.Terminal, f.After, f.Confidence = TerminalDeadlock, time.Minute, Proven
		f.Cause += fmt.Sprintf("; old pod %s has the port on the same node, and with maxSurge %s it stays there until the new one is available", old.Name, surge.String())
		f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: fmt.Sprintf("maxSurge %s: the new pod of node %s waits for the port of old pod %s, which waits for the new pod", surge.String(), old.Spec.NodeName, old.Name)})
		f.Fix = append([]string{"set maxSurge to 0 and maxUnavailable to 1 in updateStrategy, so that the old pod leaves first"}, f.Fix...)
		return true
	}
	return false
}

// sayHostPort names the port.
func (s *facts) sayHostPort(f *Finding, p *corev1.Pod) {
	f.FieldPath = s.podPath + ".containers"
	f.Fix = []string{"use a Service instead of hostPort, or add nodes"}
	for _, c := range p.Spec.Containers {
		for i, port := range c.Ports {
			if port.HostPort != 0 && f.Detail == "" && !s.isInjected(c.Name) {
				f.Detail = fmt.Sprint(port.HostPort)
				f.FieldPath = fmt.Sprintf("%s.containers[name=%s].ports[%d].hostPort", s.podPath, c.Name, i)
				if p.Spec.HostNetwork {
					f.FieldPath = s.podPath + ".hostNetwork"
				}
			}
		}
	}
}

// sharesPort tests for a pod with a port of the node that this one wants.
func sharesPort(p *corev1.Pod) func(*corev1.Pod) bool {
	wanted := hostPorts(p)
	return func(other *corev1.Pod) bool {
		return slices.ContainsFunc(hostPorts(other), func(port string) bool { return slices.Contains(wanted, port) })
	}
}

func hostPorts(p *corev1.Pod) []string {
	var ports []string
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, port := range c.Ports {
			if port.HostPort != 0 {
				protocol := port.Protocol
				if protocol == "" {
					protocol = corev1.ProtocolTCP
				}
				ports = append(ports, fmt.Sprint(protocol, port.HostPort, port.HostIP))
			}
		}
	}
	return ports
}

// repels tests for a pod that may not share a node with this one. Terms over larger parts of the topology need the
// nodes' labels and are left out.
func repels(p *corev1.Pod) func(*corev1.Pod) bool {
	return func(other *corev1.Pod) bool { return keepsAway(p, other) || keepsAway(other, p) }
}

func keepsAway(p, other *corev1.Pod) bool {
	if p.Spec.Affinity == nil || p.Spec.Affinity.PodAntiAffinity == nil {
		return false
	}
	for _, term := range p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		if err == nil && term.TopologyKey == corev1.LabelHostname && len(term.Namespaces) == 0 && term.NamespaceSelector == nil && selector.Matches(labels.Set(other.Labels)) {
			return true
		}
	}
	return false
}
