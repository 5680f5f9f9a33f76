package diagnosis

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleReadinessGate = Rule{Family: "Readiness gates", Find: explainGates, Causes: []Cause{
	{Code: "ReadinessGateUnmet", class: atTimeout("probe", LayerCluster, ScopeEnv),
		ReadsLogs: true,
		Meaning:   "All containers of the pod are ready, but the pod also waits for a condition that somebody else must set, usually the controller of a load balancer that has to find the pod healthy itself.",
		Signals:   "The pod's condition Ready is False with reason ReadinessGatesNotReady, and the condition that spec.readinessGates names is missing or not True.",
		Remedy:    "Look at the controller that sets the condition: whether it runs, whether the pod is among its targets, and what its own health check asks."},
}}

// setters are who sets well-known conditions, by the beginning of their type.
var setters = []struct{ prefix, who, check string }{
	{"target-health.elbv2.k8s.aws/", "the AWS Load Balancer Controller", "look at the health of the target group's targets: its health check has a path, a port and codes of its own, and the security groups must let it in"},
	{"target-health.alb.ingress.k8s.aws/", "the AWS ALB Ingress Controller", "look at the health of the target group's targets, and whether the gate still names the right Ingress, Service and port"},
	{"cloud.google.com/load-balancer-neg-ready", "GKE's NEG controller", "look at the backend service's health check (it accepts only 200 and follows no redirect) and at the firewall rule for it"},
	{"service.readiness.alibabacloud.com/", "Alibaba's cloud controller manager", "check that the Service which the gate names exists and selects the pod"},
	{"target-health.alb.k8s.alibabacloud", "Alibaba's ALB Ingress Controller", "look at the health check of the ALB's server group"},
	{"target-health.elb.k8s.cce/", "Huawei's CCE", "look at the health check of the ELB's backend group"},
	{"cloud.tencent.com/load-balancer-backendgroup-ready", "Tencent's service controller", "look at the health check of the load balancer's backends"},
	{"InPlaceUpdateReady", "OpenKruise", "check that the workload belongs to OpenKruise: with any other kind nobody sets this condition"},
	{"KruisePodReady", "OpenKruise", "check that the workload belongs to OpenKruise: with any other kind nobody sets this condition"},
}

// explainGates names pods whose containers are ready and which wait for somebody else's condition: ReadinessGateUnmet
// (pkg/kubelet/status/generate.go).
func explainGates(s *facts) []Finding {
	var found []Finding
	for _, p := range s.pods {
		if ready := rollout.PodCondition(p, corev1.PodReady); ready != nil && ready.Status != corev1.ConditionTrue && ready.Reason == "ReadinessGatesNotReady" {
			found = append(found, s.gate(p, ready))
		}
	}
	return found
}

func (s *facts) gate(p *corev1.Pod, ready *corev1.PodCondition) Finding {
	f := s.on(p, "ReadinessGateUnmet")
	f.Confidence = Proven
	f.FieldPath = s.podPath + ".readinessGates"
	f.FirstSeen = later(f.FirstSeen, ready.LastTransitionTime.Time)
	f.Cause = "all containers are ready, but a readiness gate is not: " + quote(ready.Message)
	f.Evidence = []Proof{{Type: "condition", Text: "Ready=False " + ready.Reason + ": " + quote(ready.Message), Time: ready.LastTransitionTime.Time, Ref: podRef(p).String()}}
	var unmet []string
	for i, g := range p.Spec.ReadinessGates {
		c := rollout.PodCondition(p, g.ConditionType)
		if c != nil && c.Status == corev1.ConditionTrue {
			continue
		}
		unmet = append(unmet, string(g.ConditionType))
		if len(unmet) > 1 {
			continue
		}
		f.Detail = string(g.ConditionType)
		f.FieldPath = fmt.Sprintf("%s.readinessGates[%d]", s.podPath, i)
		f.Cause = fmt.Sprintf("all containers are ready, but readiness gate %s is not", g.ConditionType)
		f.Cause += s.setter(&f, string(g.ConditionType), c)
	}
	if len(unmet) > 1 {
		f.Cause += "; also unmet: " + list(unmet[1:])
	}
	return f
}

// setter says of a condition whose it is and what it says.
func (s *facts) setter(f *Finding, kind string, c *corev1.PodCondition) (words string) {
	f.Fix = []string{"look at the controller that sets this condition, usually that of the load balancer"}
	for _, known := range setters {
		if strings.HasPrefix(kind, known.prefix) {
			words = "; " + known.who + " sets it"
			f.Fix = []string{known.check, "check that " + known.who + " runs and looks after this cluster"}
		}
	}
	switch {
	case c == nil:
		words += ", and nobody has yet"
	case c.Message != "" || c.Reason != "":
		text := strings.TrimPrefix(strings.TrimSuffix(c.Reason+": "+c.Message, ": "), ": ")
		words += ": " + quote(text)
		f.Evidence = append(f.Evidence, Proof{Type: "condition", Text: kind + "=" + string(c.Status) + " " + quote(text), Time: c.LastTransitionTime.Time, Ref: f.Object.String()})
	}
	return words
}
