package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

var ruleNetworkPolicy = Rule{Family: "Network policies", Find: explainPolicies, Causes: []Cause{
	{Code: "NetworkPolicySuspect", class: remark("traffic", LayerService, ScopeSpec),
		Background: true,
		Meaning:    "A NetworkPolicy treats the new pods differently from the old ones, or lets them reach nothing that their log complains about. It is a suspect: the API does not tell what was blocked, and policies do not stop the kubelet's probes.",
		Signals:    "Labels changed in this rollout are in a policy's selectors; or a policy isolates the egress of the new pods without a rule for port 53, or for the port in the log, while the log has timeouts.",
		Remedy:     "Allow what the program needs: egress to DNS (port 53, UDP and TCP) and to its dependencies; or put the label back that the policies select by."},
}}

var (
	// unanswered is how programs say that a name server does not answer. "No such host" is an answer.
	unanswered = regexp.MustCompile(`(?i)lookup \S+.*(i/o timeout|timed out)|EAI_AGAIN|temporary failure in name resolution|UnknownHostException|DNS.{0,40}time[d ]*out|Try again`)
	// silent is how programs say that somebody does not answer at all, which is what a policy does: it drops.
	silent = regexp.MustCompile(`(?i)i/o timeout|ETIMEDOUT|connection timed out|connect timed out|connection timeout|deadline exceeded`)
)

// explainPolicies names NetworkPolicies that may keep the new pods from what they need: NetworkPolicySuspect.
func explainPolicies(s *facts) []Finding {
	if s.template == nil || len(s.Policies) == 0 {
		return nil
	}
	found := s.relabelled()
	isolating := s.policies(func(p *networkingv1.NetworkPolicy) bool {
		return matches(&p.Spec.PodSelector, s.labels()) && isolates(p, networkingv1.PolicyTypeEgress)
	})
	if len(isolating) == 0 {
		return found
	}
	for _, c := range s.containers {
		if f, ok := s.blocked(c, isolating); ok {
			return append(found, f)
		}
	}
	return found
}

// policies are those of the namespace that match, by name.
func (s *facts) policies(match func(*networkingv1.NetworkPolicy) bool) []*networkingv1.NetworkPolicy {
	kept := slices.DeleteFunc(slices.Clone(s.Policies), func(p *networkingv1.NetworkPolicy) bool {
		return p == nil || p.Namespace != s.w.Ref.Namespace || !match(p)
	})
	slices.SortFunc(kept, func(a, b *networkingv1.NetworkPolicy) int { return strings.Compare(a.Name, b.Name) })
	return kept
}

// relabelled finds policies for which the new pods are others than the old ones.
func (s *facts) relabelled() []Finding {
	var found []Finding
	if s.previous == nil {
		return nil
	}
	for _, p := range s.policies(func(*networkingv1.NetworkPolicy) bool { return true }) {
		if sel := &p.Spec.PodSelector; matches(sel, s.labels()) && !matches(sel, s.labelsBefore()) {
			f := s.policyFinding(p, "spec.podSelector")
			f.Cause = fmt.Sprintf("NetworkPolicy %s applies to the new pods and not to the old ones, and may keep them from what they need (it does not stop the kubelet's probes)", p.Name)
			f.Evidence = []Proof{{Type: "object", Text: "spec.podSelector: " + metav1.FormatLabelSelector(sel) + "; it restricts " + restricts(p), Ref: "networkpolicy/" + p.Name}}
			f.Fix = []string{"check what the policy allows, or put the labels back that it does not select"}
			found = append(found, f)
			continue
		}
		if peer := s.forgotten(p); peer != "" {
			f := s.policyFinding(p, "spec.ingress")
			f.Cause = fmt.Sprintf("NetworkPolicy %s lets pods with %s through, which the old pods had and the new ones have not", p.Name, peer)
			f.Evidence = []Proof{{Type: "object", Text: "spec: a rule for pods with " + peer, Ref: "networkpolicy/" + p.Name}}
			f.Fix = []string{"put the label back, or let the policy select the new one"}
			found = append(found, f)
		}
	}
	return found
}

// forgotten is the selector of a rule by which a policy let the old pods through and not the new ones; empty if none.
func (s *facts) forgotten(p *networkingv1.NetworkPolicy) string {
	var peers []networkingv1.NetworkPolicyPeer
	for _, r := range p.Spec.Ingress {
		peers = append(peers, r.From...)
	}
	for _, r := range p.Spec.Egress {
		peers = append(peers, r.To...)
	}
	for _, peer := range peers {
		sel := peer.PodSelector
		if sel != nil && peer.NamespaceSelector == nil && matches(sel, s.labelsBefore()) && !matches(sel, s.labels()) {
			return metav1.FormatLabelSelector(sel)
		}
	}
	return ""
}

func (s *facts) policyFinding(p *networkingv1.NetworkPolicy, field string) Finding {
	f := s.finding("NetworkPolicySuspect")
	f.Confidence, f.Detail, f.FieldPath = Suspected, p.Name, field
	f.Object = Subject{Ref: manifest.Ref{Group: networkingv1.GroupName, Kind: "NetworkPolicy", Namespace: p.Namespace, Name: p.Name}, UID: string(p.UID)}
	return f
}

// blocked compares what a container's log says it could not reach with what the policies let out.
func (s *facts) blocked(c container, policies []*networkingv1.NetworkPolicy) (Finding, bool) {
	lines := s.logOf(c)
	lines = lines[max(0, len(lines)-messages.Burst):]
	for _, line := range slices.Backward(lines) {
		port, what := 0, ""
		switch {
		case unanswered.MatchString(line):
			port, what = 53, "DNS (port 53)"
		case silent.MatchString(line):
			m := hostPort.FindAllStringSubmatch(messages.Words(line), -1)
			if m == nil {
				continue
			}
			_, number, _ := strings.Cut(m[len(m)-1][1], ":")
			port, _ = strconv.Atoi(number)
			what = "port " + number
		}
		if port == 0 || slices.ContainsFunc(policies, func(p *networkingv1.NetworkPolicy) bool { return letsOut(p, port) }) {
			continue
		}
		var names []string
		for _, p := range policies {
			names = append(names, p.Name)
		}
		f := s.policyFinding(policies[0], "spec.egress")
		f.Container = c.spec.Name
		who := "NetworkPolicy " + names[0] + " restricts the egress of the new pods and has no rule for "
		if len(names) > 1 {
			who = "NetworkPolicies " + list(names) + " restrict the egress of the new pods and none has a rule for "
		}
		f.Cause = fmt.Sprintf("%s%s, and container %s says: %s; whether that is the reason, the API does not tell", who, what, c.spec.Name, messages.Words(line))
		f.Evidence = []Proof{{Type: "log", Text: strings.TrimSpace(wording.Plain(line)), Ref: c.ref()}, {Type: "object", Text: "spec.podSelector: " + metav1.FormatLabelSelector(&policies[0].Spec.PodSelector) + "; it restricts " + restricts(policies[0]), Ref: "networkpolicy/" + policies[0].Name}}
		f.Fix = []string{"allow egress to " + what + " for these pods, if that is what the program needs"}
		return f, true
	}
	return Finding{}, false
}

// matches applies a policy's selector, of which an empty one selects every pod.
func matches(sel *metav1.LabelSelector, pod map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(sel)
	return err == nil && pod != nil && selector.Matches(labels.Set(pod))
}

// isolates reports whether a policy restricts a direction. Without policyTypes it restricts egress only if it has rules
// for it (k8s.io/api/networking/v1, NetworkPolicySpec).
func isolates(p *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) bool {
	if len(p.Spec.PolicyTypes) > 0 {
		return slices.Contains(p.Spec.PolicyTypes, direction)
	}
	return direction == networkingv1.PolicyTypeIngress || len(p.Spec.Egress) > 0
}

// restricts names the directions.
func restricts(p *networkingv1.NetworkPolicy) string {
	var words []string
	for _, t := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
		if isolates(p, t) {
			words = append(words, strings.ToLower(string(t)))
		}
	}
	return strings.Join(words, " and ")
}

// letsOut reports whether some rule may let traffic to a port out. To whom does not matter, but for DNS: its servers are
// not among the pods of an application's namespace.
func letsOut(p *networkingv1.NetworkPolicy, port int) bool {
	for _, r := range p.Spec.Egress {
		if !slices.ContainsFunc(r.Ports, func(q networkingv1.NetworkPolicyPort) bool { return covers(q, port) }) && len(r.Ports) > 0 {
			continue
		}
		neighbours := func(peer networkingv1.NetworkPolicyPeer) bool {
			return peer.NamespaceSelector == nil && peer.IPBlock == nil
		}
		if port != 53 || len(r.To) == 0 || slices.ContainsFunc(r.To, func(peer networkingv1.NetworkPolicyPeer) bool { return !neighbours(peer) }) {
			return true
		}
	}
	return false
}

// covers reports whether a rule's port may be this one. A name stands for whatever the other side calls so.
func covers(q networkingv1.NetworkPolicyPort, port int) bool {
	switch {
	case q.Port == nil:
		return true
	case q.Port.Type == intstr.String:
		return port != 53 || strings.Contains(q.Port.StrVal, "dns") || q.Port.StrVal == "domain"
	case q.EndPort != nil:
		return port >= q.Port.IntValue() && port <= int(*q.EndPort)
	}
	return q.Port.IntValue() == port
}
