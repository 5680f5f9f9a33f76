package diagnosis

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// rejections are the reasons with which a kubelet turns a pod away that the scheduler gave it (pkg/kubelet/lifecycle,
// pkg/kubelet/cm).
var rejections = map[string]bool{
	"OutOfcpu": true, "OutOfmemory": true, "OutOfpods": true, "OutOfephemeral-storage": true, "NodeAffinity": true,
	"UnexpectedAdmissionError": true, "TopologyAffinityError": true, "SMTAlignmentError": true, "NodeShutdown": true,
	"PodOSNotSupported": true, "VolumeAttachmentLimitExceeded": true, "SysctlForbidden": true,
}

// explainNode names what nodes do to pods: EvictedNodePressure, EvictedOwnLimit, KubeletRejected, NodeNotReady. A
// ReplicaSet replaces failed pods but never deletes them, so each one that lies around is one attempt.
func explainNode(s *scene) []Finding {
	var found []Finding
	attempts := map[string]int{}
	for _, p := range s.failed {
		code := ""
		switch {
		case p.Status.Reason == "Evicted" && ownLimit(p.Status.Message):
			code = "EvictedOwnLimit"
		case p.Status.Reason == "Evicted":
			code = "EvictedNodePressure"
		case rejections[p.Status.Reason]:
			code = "KubeletRejected"
		default:
			continue
		}
		attempts[code]++
		found = append(found, s.threwOut(p, code))
	}
	for i := range found {
		found[i].Count = attempts[found[i].Code]
		found[i].PodsTotal = len(s.pods) + len(s.failed)
		if len(s.pods) > 0 && s.ready == len(s.pods) {
			found[i].Terminal = TerminalContext // those that took their place are well
		}
	}
	return append(found, s.sickNodes()...)
}

// ownLimit tells an eviction for the pod's own limits from one because the node ran out
// (pkg/kubelet/eviction/helpers.go).
func ownLimit(message string) bool {
	return strings.Contains(message, "exceeded its local ephemeral storage limit") ||
		strings.Contains(message, "ephemeral local storage usage exceeds") || strings.Contains(message, "Usage of EmptyDir volume")
}

func (s *scene) threwOut(p *corev1.Pod, code string) Finding {
	f := s.on(p, code)
	f.Evidence = []Proof{{Type: "status", Text: "phase Failed, " + p.Status.Reason + ": " + quote(p.Status.Message), Ref: podRef(p).String()}}
	switch code {
	case "EvictedOwnLimit":
		f.Confidence = Proven
		f.FieldPath = s.podPath + ".containers"
		f.Cause = "pods write more to local disk than they may and are evicted: " + quote(p.Status.Message)
		f.Fix = []string{"raise limits.ephemeral-storage or the emptyDir's sizeLimit", "or write less: rotate logs, use a volume"}
	case "EvictedNodePressure":
		f.FieldPath = s.podPath + ".containers"
		f.Cause = fmt.Sprintf("node %s evicts pods because it runs out itself: %s", p.Spec.NodeName, quote(p.Status.Message))
		f.Fix = []string{"set resources.requests to what the pods really use, so that they are placed where there is room", "add or repair nodes"}
	default:
		f.Detail = p.Status.Reason
		f.Cause = fmt.Sprintf("node %s turns pods away (%s): %s", p.Spec.NodeName, p.Status.Reason, quote(p.Status.Message))
		f.Fix = []string{"look at the node: what the scheduler believes about it is not true"}
	}
	return f
}

// sickNodes finds pods that are not ready on nodes that are not ready.
func (s *scene) sickNodes() []Finding {
	var found []Finding
	for _, p := range s.pods {
		if isReady(p) || p.Spec.NodeName == "" {
			continue
		}
		for _, n := range s.Nodes {
			if n.Name != p.Spec.NodeName {
				continue
			}
			for _, c := range n.Status.Conditions {
				if c.Type != corev1.NodeReady || c.Status == corev1.ConditionTrue {
					continue
				}
				f := s.on(p, "NodeNotReady")
				f.Confidence = Proven
				f.Cause = fmt.Sprintf("node %s, on which the pod is, is not ready: %s", n.Name, quote(c.Message))
				f.Evidence = []Proof{{Type: "condition", Text: "Ready=" + string(c.Status) + " " + c.Reason + ": " + quote(c.Message), Time: c.LastTransitionTime.Time, Ref: "node/" + n.Name}}
				f.Fix = []string{"repair or drain node " + n.Name + "; pods leave it by themselves after five minutes"}
				found = append(found, f)
			}
		}
	}
	return found
}
