package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleNode = Rule{Family: "Nodes", Find: explainNode, Causes: []Cause{
	{Code: "EvictedNodePressure", class: after("volume", LayerCluster, ScopeNode, 3, 30*time.Second),
		Meaning: "Nodes run out of memory, disk or process numbers and throw pods out, those first that use more than they requested.",
		Signals: "Pods in phase Failed, reason Evicted, with \"The node was low on resource\" or \"The node had condition\".",
		Remedy:  "Set resources.requests to what the pods really use, so that they are placed where there is room; add nodes or repair those that are full."},
	{Code: "EvictedOwnLimit", class: after("run", LayerPod, ScopeApp, 2, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "The pod wrote more to local disk than its own limits allow, and was thrown out for that.",
		Signals:   "Pods in phase Failed, reason Evicted, with \"exceeded its local ephemeral storage limit\", \"ephemeral local storage usage exceeds\" or \"Usage of EmptyDir volume\".",
		Remedy:    "Raise limits.ephemeral-storage or the emptyDir's sizeLimit, or write less: rotate logs, use a volume."},
	{Code: "KubeletRejected", class: after("volume", LayerCluster, ScopeNode, 3, 30*time.Second),
		Meaning: "Nodes turn away pods that the scheduler has given them: what the scheduler believes of a node is not true there.",
		Signals: "Pods in phase Failed with a reason such as OutOfcpu, NodeAffinity, UnexpectedAdmissionError, TopologyAffinityError, NodeShutdown or VolumeAttachmentLimitExceeded.",
		Remedy:  "Act on the reason: pods that bypass the scheduler fill the node, a device plugin or the topology policy refuses, or the node is shutting down."},
	{Code: "SysctlForbidden", class: after("volume", LayerPod, ScopeSpec, 2, 10*time.Second),
		Meaning: "The pod sets a kernel parameter that the node does not allow pods to set.",
		Signals: "Pods in phase Failed, reason SysctlForbidden, with the name of the sysctl.",
		Remedy:  "Take the sysctl out of securityContext.sysctls, or allow it on the nodes (kubelet --allowed-unsafe-sysctls)."},
	{Code: "NodeNotReady", class: atTimeout("volume", LayerCluster, ScopeNode),
		Meaning: "The pod is on a node that is not ready, usually because its kubelet does not report any more.",
		Signals: "Condition Ready of the node is False or Unknown, or the pod's event NodeNotReady.",
		Remedy:  "Repair or drain the node; pods leave it by themselves after five minutes."},
	{Code: "NodePressure", class: atTimeout("volume", LayerCluster, ScopeNode),
		Meaning: "The pod does not start, and its node is short of memory, disk or process numbers.",
		Signals: "Condition MemoryPressure, DiskPressure or PIDPressure of the node is True.",
		Remedy:  "Free the node or add another one: images and logs fill disks, pods without requests fill memory."},
}}

// rejections are the reasons with which a kubelet turns a pod away that the scheduler gave it (pkg/kubelet/lifecycle,
// pkg/kubelet/cm), and what helps.
var rejections = map[string]string{
	"NodeAffinity":                       "the node's labels have changed since the pod was placed: correct them or the pod's nodeSelector",
	"NodeName":                           "correct nodeName",
	"NodePorts":                          "another pod on the node has the hostPort: let it leave first",
	"TaintToleration":                    "tolerate the node's NoExecute taint, or remove it",
	"UnexpectedAdmissionError":           "look at the device plugin on the node: it could not give the pod its device",
	"TopologyAffinityError":              "ask for fewer CPUs or devices, so that one NUMA node has them all, or relax the node's topology policy",
	"SMTAlignmentError":                  "ask for whole cores: an even number of CPUs",
	"EmptyPodSharedPoolError":            "leave CPUs for the containers that ask for no whole ones",
	"NodeShutdown":                       "wait: the node is shutting down, and the pod is made anew elsewhere",
	"PodOSNotSupported":                  "set nodeSelector kubernetes.io/os to the system that the image is for",
	"PodOSSelectorNodeLabelDoesNotMatch": "make nodeSelector kubernetes.io/os and spec.os agree",
	"VolumeAttachmentLimitExceeded":      "use nodes that take more volumes, or fewer volumes for each pod",
	"AppArmor":                           "install the AppArmor profile on the node",
	"FailedNodeDeclaredFeaturesCheck":    "upgrade the node, or do without the feature",
}

var (
	sysctlName    = regexp.MustCompile(`sysctl: "?([\w.\-/*]+)"?`)
	limitOfVolume = regexp.MustCompile(`Usage of EmptyDir volume "([^"]+)"`)
	limitOf       = regexp.MustCompile(`Container (\S+) exceeded its local ephemeral storage limit`)
)

// explainNode names what nodes do to pods. A ReplicaSet replaces failed pods but never deletes them, so each one that
// lies around is one attempt.
func explainNode(s *facts) []Finding {
	var found []Finding
	attempts := map[string]int{}
	for _, p := range s.failed {
		code := ""
		switch reason := p.Status.Reason; {
		case reason == "Evicted" && ownLimit(p.Status.Message):
			code = "EvictedOwnLimit"
		case reason == "Evicted":
			code = "EvictedNodePressure"
		case reason == "SysctlForbidden":
			code = "SysctlForbidden"
		case rejections[reason] != "" || strings.HasPrefix(reason, "OutOf"):
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
		// Those that took their place are well. A program that fills its own limit does so again a while after it is ready.
		again := found[i].Code == "EvictedOwnLimit" && found[i].Count > 1 && s.Status.Available < s.Status.Desired
		if len(s.pods) > 0 && s.ready == len(s.pods) && !again {
			found[i].Terminal = TerminalContext
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

func (s *facts) threwOut(p *corev1.Pod, code string) Finding {
	f := s.on(p, code)
	f.Evidence = []Proof{{Type: "status", Text: "phase Failed, " + p.Status.Reason + ": " + quote(p.Status.Message), Ref: podRef(p).String()}}
	switch code {
	case "EvictedOwnLimit":
		f.Confidence = Proven
		f.FieldPath = s.limitField(p.Status.Message)
		f.Cause = "pods write more to local disk than they may and are evicted: " + quote(p.Status.Message)
		f.Fix = []string{"raise limits.ephemeral-storage or the emptyDir's sizeLimit", "or write less: rotate logs, use a volume"}
	case "EvictedNodePressure":
		f.FieldPath = s.podPath + ".containers"
		f.Cause = fmt.Sprintf("node %s evicts pods because it runs out itself: %s", p.Spec.NodeName, quote(p.Status.Message))
		f.Fix = []string{"set resources.requests to what the pods really use, so that they are placed where there is room", "add or repair nodes"}
	case "SysctlForbidden":
		f.Confidence = Proven
		f.FieldPath = s.podPath + ".securityContext.sysctls"
		f.Detail = "sysctl"
		if m := sysctlName.FindStringSubmatch(p.Status.Message); m != nil {
			f.Detail = m[1]
		}
		f.Cause = fmt.Sprintf("nodes turn the pod away because they do not allow it to set %s: %s", f.Detail, quote(p.Status.Message))
		f.Fix = []string{"take " + f.Detail + " out of securityContext.sysctls", "or allow it on the nodes: kubelet --allowed-unsafe-sysctls"}
	default:
		f.Detail = p.Status.Reason
		f.Cause = fmt.Sprintf("node %s turns pods away (%s): %s", p.Spec.NodeName, p.Status.Reason, quote(p.Status.Message))
		f.Fix = []string{"look at the node: what the scheduler believes about it is not true"}
		if fix := rejections[p.Status.Reason]; fix != "" {
			f.Fix = []string{fix}
		}
	}
	return f
}

// limitField is the limit that an evicted pod exceeded.
func (s *facts) limitField(message string) string {
	if m := limitOfVolume.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%s.volumes[name=%s].emptyDir.sizeLimit", s.podPath, m[1])
	}
	if m := limitOf.FindStringSubmatch(message); m != nil && !s.isInjected(m[1]) {
		return fmt.Sprintf("%s.containers[name=%s].resources.limits.ephemeral-storage", s.podPath, m[1])
	}
	return s.podPath + ".containers"
}

// sickNodes finds pods that are not ready on nodes that are not ready or run short of something.
func (s *facts) sickNodes() []Finding {
	var found []Finding
	for _, p := range s.pods {
		if rollout.IsReady(p) || p.Spec.NodeName == "" {
			continue
		}
		known := false
		for _, n := range s.Nodes {
			if n.Name != p.Spec.NodeName {
				continue
			}
			known = true
			for _, c := range n.Status.Conditions {
				if f, ok := s.sick(p, n, c); ok {
					found = append(found, f)
				}
			}
		}
		// The node controller tells the pods of a node that is gone (pkg/controller/nodelifecycle); it is over when a
		// container has started since.
		if events := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "NodeNotReady" }); !known && len(events) > 0 && !begun(p) {
			f := s.on(p, "NodeNotReady")
			f.Cause = fmt.Sprintf("node %s, on which the pod is, was not ready", p.Spec.NodeName)
			f.Evidence = proofs(events, 1)
			f.Fix = []string{"repair or drain node " + p.Spec.NodeName + "; pods leave it by themselves after five minutes"}
			found = append(found, f)
		}
	}
	return found
}

// sick judges one condition of a pod's node. Pressure is told only of a pod that has not begun to start: for one that
// has, its own trouble says more.
func (s *facts) sick(p *corev1.Pod, n *corev1.Node, c corev1.NodeCondition) (Finding, bool) {
	proof := Proof{Type: "condition", Text: fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, quote(c.Message)), Time: c.LastTransitionTime.Time, Ref: "node/" + n.Name}
	switch c.Type {
	case corev1.NodeReady:
		if c.Status == corev1.ConditionTrue {
			return Finding{}, false
		}
		f := s.on(p, "NodeNotReady")
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("node %s, on which the pod is, is not ready: %s", n.Name, quote(c.Message))
		f.Evidence = []Proof{proof}
		f.Fix = []string{"repair or drain node " + n.Name + "; pods leave it by themselves after five minutes"}
		return f, true
	case corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure:
		if c.Status != corev1.ConditionTrue || begun(p) {
			return Finding{}, false
		}
		f := s.on(p, "NodePressure")
		f.Detail = string(c.Type)
		f.Cause = fmt.Sprintf("the pod does not start, and its node %s is short of %s", n.Name, map[corev1.NodeConditionType]string{
			corev1.NodeMemoryPressure: "memory", corev1.NodeDiskPressure: "disk", corev1.NodePIDPressure: "process numbers"}[c.Type])
		f.Evidence = []Proof{proof}
		f.Fix = []string{"free node " + n.Name + " or add another: images and logs fill disks, pods without requests fill memory"}
		return f, true
	}
	return Finding{}, false
}
