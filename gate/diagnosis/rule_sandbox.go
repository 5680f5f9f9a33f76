package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleSandbox = Rule{Family: "Sandbox", Find: explainSandbox, Causes: []Cause{
	{Code: "SandboxFailed", class: atTimeout("volume", LayerCluster, ScopeNode),
		Meaning: "The node cannot set up the pod's network or its sandbox. That often heals in seconds, when other pods give addresses back, and the manifest is hardly ever to blame.",
		Signals: "The pod's event FailedCreatePodSandBox. The detail says more: IpExhausted, CniNotReady, PauseImage.",
		Remedy:  "Look at the network plugin on the node. Without free addresses: fewer pods for each node, or a larger range."},
	{Code: "RuntimeHandlerMissing", class: after("volume", LayerCluster, ScopeNode, 3, 2*time.Minute),
		Meaning: "The pod's RuntimeClass asks for a container runtime that the node does not have.",
		Signals: "The pod's event FailedCreatePodSandBox with \"no runtime for … is configured\" (containerd) or \"failed to find runtime handler\" (CRI-O).",
		Remedy:  "Configure the handler on the nodes, restrict the RuntimeClass to nodes that have it (scheduling.nodeSelector), or correct runtimeClassName."},
	{Code: "NetworkNotReady", class: atTimeout("volume", LayerCluster, ScopeNode),
		Meaning: "The node's network plugin is not ready, so that no pod can start there. On a new node it takes a moment.",
		Signals: "The pod's event NetworkNotReady.",
		Remedy:  "Look at the network plugin's pod on that node."},
	{Code: "DevicePrepareFailed", class: atTimeout("volume", LayerCluster, ScopeNode),
		Meaning: "The node cannot prepare a device that the pod has been given (dynamic resource allocation).",
		Signals: "The pod's event FailedPrepareDynamicResources.",
		Remedy:  "Look at the device's driver on the node; it must be registered with the kubelet."},
	{Code: "DnsConfigIssue", class: remark("volume", LayerCluster, ScopeNode),
		Meaning: "The pod's DNS settings are not what was asked for. That may explain names that a program cannot resolve.",
		Signals: "The pod's event DNSConfigForming or MissingClusterDNS.",
		Remedy:  "Use fewer search domains or name servers in dnsConfig or on the node, or give the kubelet its cluster DNS address."},
	{Code: "StartupStalled", class: atTimeout("volume", LayerCluster, ScopeNode),
		Meaning: "The pod has a node, and nothing happens there: no container starts, and nobody says why.",
		Signals: "PodScheduled is True for more than two minutes, all containers wait in ContainerCreating, and there is no warning about the pod. Condition PodReadyToStartContainers tells whether volumes and network are done.",
		Remedy:  "Look at the kubelet and the container runtime of the node, or delete the pod so that another node may take it."},
}}

// sandboxTests tell the texts of runtimes and network plugins apart.
var sandboxTests = []struct {
	code, detail string
	text         *regexp.Regexp
}{
	{"RuntimeHandlerMissing", "", regexp.MustCompile(`no runtime for "?([^"\s]+?)"? is configured|failed to find runtime handler "?([^"\s]+?)"? from|runtime handler "?([^"\s]+?)"? not supported`)},
	{"SandboxFailed", "IpExhausted", regexp.MustCompile(`(?i)failed to assign an IP address|no IP addresses available|no available IPs?\b|IP address pool|insufficient (free )?(IP|address)|range is full|no more IPs|All IP addresses are allocated`)},
	{"SandboxFailed", "CniNotReady", regexp.MustCompile(`(?i)cni plugin not initialized|cni config uninitialized|stat /var/lib/calico/nodename|loadFlannelSubnetEnv|unable to connect to Cilium|plugin type="[^"]*" failed \(add\): .*(connection refused|no such file|not ready)|failed to find plugin`)},
	{"SandboxFailed", "PauseImage", regexp.MustCompile(`(?i)failed to (get|pull) sandbox image`)},
	{"SandboxFailed", "Timeout", regexp.MustCompile(`context deadline exceeded|DeadlineExceeded`)},
}

// sandboxHead is what every such text begins with.
var sandboxHead = regexp.MustCompile(`^Failed to create pod sandbox: (rpc error: code = \w+ desc = )?`)

// explainSandbox names what keeps a pod with a node from its sandbox, whose network all containers share.
func explainSandbox(s *facts) []Finding {
	var found []Finding
	for _, p := range s.pods {
		if p.Spec.NodeName == "" || rollout.IsReady(p) {
			continue
		}
		found = append(found, s.dns(p)...)
		if begun(p) {
			continue
		}
		events := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "FailedCreatePodSandBox" })
		if len(events) > 0 {
			found = append(found, s.sandbox(p, events))
		}
		found = append(found, s.onNode(p, "NetworkNotReady", "NetworkNotReady", "the network plugin of node %s is not ready", "look at the network plugin's pod on node")...)
		found = append(found, s.onNode(p, "FailedPrepareDynamicResources", "DevicePrepareFailed", "node %s cannot prepare a device of the pod", "look at the device's driver on node")...)
		found = append(found, s.stalled(p)...)
	}
	return found
}

// sandbox decodes the newest failure.
func (s *facts) sandbox(p *corev1.Pod, events []Event) Finding {
	e := newest(events)
	if tooSmall.MatchString(e.Message) {
		return s.tooSmallToStart(p, e)
	}
	f := s.on(p, "SandboxFailed")
	for _, t := range sandboxTests {
		m := t.text.FindStringSubmatch(e.Message)
		if m == nil {
			continue
		}
		if f = s.on(p, t.code); t.detail != "" {
			f.Detail = t.detail
		} else if i := slices.IndexFunc(m[1:], func(s string) bool { return s != "" }); i >= 0 {
			f.Detail = m[1+i]
		}
		break
	}
	f.Count, f.Evidence, f.FirstSeen = occurrences(events), []Proof{e.proof()}, events[0].First
	switch words := quote(sandboxHead.ReplaceAllString(e.Message, "")); f.Detail {
	case "IpExhausted":
		f.Cause = fmt.Sprintf("node %s has no address left for the pod: %s", p.Spec.NodeName, words)
		f.Fix = []string{"wait: pods that leave give their addresses back", "or use fewer pods for each node, or a larger range of addresses"}
	case "CniNotReady":
		f.Cause = fmt.Sprintf("the network plugin of node %s does not work: %s", p.Spec.NodeName, words)
		f.Fix = []string{"look at the network plugin's pod on node " + p.Spec.NodeName}
	case "PauseImage":
		f.Cause = fmt.Sprintf("node %s cannot get the image of the sandbox itself: %s", p.Spec.NodeName, words)
		f.Fix = []string{"let the node reach the registry of its sandbox image, or load the image there; the manifest is not to blame"}
	default:
		f.Cause = "the node cannot set up the pod's network or sandbox: " + words
		f.Fix = []string{"look at the network plugin on the node; the manifest is hardly to blame"}
	}
	if f.Code == "RuntimeHandlerMissing" {
		f.FieldPath = s.podPath + ".runtimeClassName"
		f.Cause = fmt.Sprintf("node %s has no container runtime %s, which the pod's RuntimeClass asks for", p.Spec.NodeName, f.Detail)
		f.Fix = []string{"configure the handler on the nodes, or restrict the RuntimeClass to nodes that have it", "or correct runtimeClassName"}
	}
	return f
}

// tooSmall is a memory limit that does not even hold the runtime's own first process.
var tooSmall = regexp.MustCompile(`container init was OOM-killed`)

// tooSmallToStart: the sandbox dies of the memory limit.
func (s *facts) tooSmallToStart(p *corev1.Pod, e Event) Finding {
	f := s.on(p, "OomKilled")
	f.Confidence, f.Count, f.Evidence = Proven, max(e.Count, 1), []Proof{e.proof()}
	var limits []string
	for _, c := range p.Spec.Containers {
		if m := c.Resources.Limits.Memory(); !m.IsZero() {
			limits = append(limits, m.String()+" for container "+c.Name)
			f.FieldPath = fmt.Sprintf("%s.containers[name=%s].resources.limits.memory", s.podPath, c.Name)
		}
	}
	f.Cause = "the pod's memory limit is too low for any process to start (" + list(limits) + ")"
	f.Fix = []string{"raise resources.limits.memory: it may lack its unit (64 is 64 bytes, 64Mi is meant)"}
	return f
}

// onNode is a finding about one kind of event of a pod that has not started.
func (s *facts) onNode(p *corev1.Pod, reason, code, cause, fix string) []Finding {
	events := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == reason })
	if len(events) == 0 {
		return nil
	}
	f := s.on(p, code)
	f.quoteEvents(events)
	f.FirstSeen = events[0].First
	f.Cause = fmt.Sprintf(cause, p.Spec.NodeName) + ": " + quote(newest(events).Message)
	f.Fix = []string{fix + " " + p.Spec.NodeName}
	if code == "DevicePrepareFailed" {
		f.FieldPath = s.podPath + ".resourceClaims"
	}
	return []Finding{f}
}

// dns notes name servers or search domains that a node left out.
func (s *facts) dns(p *corev1.Pod) []Finding {
	events := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "DNSConfigForming" || e.Reason == "MissingClusterDNS" })
	if len(events) == 0 {
		return nil
	}
	f := s.on(p, "DnsConfigIssue")
	f.quoteEvents(events)
	f.Detail = newest(events).Reason
	f.FieldPath = s.podPath + ".dnsConfig"
	f.Cause = "the pod's DNS settings are not what was asked for, so names may not resolve: " + quote(newest(events).Message)
	return []Finding{f}
}

// stall is how long a pod may be with its node before silence is strange: longer than a kubelet waits for a mount.
const stall = 2 * time.Minute

// stalled finds a pod that has a node, and nothing happens there.
func (s *facts) stalled(p *corev1.Pod) []Finding {
	c := rollout.PodCondition(p, corev1.PodScheduled)
	if c == nil || c.Status != corev1.ConditionTrue || s.now.Sub(c.LastTransitionTime.Time) < stall {
		return nil
	}
	loud := s.eventsOf(string(p.UID), func(e Event) bool { return e.Warning && e.Reason != "FailedScheduling" || e.Reason == "Pulling" })
	if len(loud) > 0 {
		return nil
	}
	f := s.on(p, "StartupStalled")
	f.Confidence = Suspected
	f.FirstSeen = c.LastTransitionTime.Time
	where := "before its volumes and network are set up"
	if r := rollout.PodCondition(p, corev1.PodReadyToStartContainers); r == nil {
		where = "before any container starts"
	} else if r.Status == corev1.ConditionTrue {
		where = "after its volumes and network were set up"
		f.Detail = "Containers"
	} else {
		f.Detail = "Sandbox"
	}
	f.Cause = fmt.Sprintf("node %s has had the pod for %s and nothing happens %s; nobody says why", p.Spec.NodeName, short(s.now.Sub(c.LastTransitionTime.Time)), where)
	f.Evidence = []Proof{{Type: "condition", Text: "PodScheduled=True, no warning since", Time: c.LastTransitionTime.Time, Ref: podRef(p).String()}}
	for _, e := range slices.Backward(s.eventsOf(string(p.UID), func(Event) bool { return true })) {
		f.Evidence = append(f.Evidence, e.proof())
		break
	}
	f.Fix = []string{"look at the kubelet and the container runtime of node " + p.Spec.NodeName, "or delete the pod, so that another node may take it"}
	return []Finding{f}
}
