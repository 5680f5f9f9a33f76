package diagnosis

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

var ruleService = Rule{Family: "Services", Find: explainServices, Causes: []Cause{
	{Code: "ServiceDropsNewRevision", class: after("traffic", LayerService, ScopeSpec, 1, 30*time.Second),
		Meaning: "This rollout changed a label of the pods that a Service selects by. The Service still finds the old pods and will not find the new ones: when the rollout is complete, nobody answers.",
		Signals: "The Service's spec.selector matches the labels of the pod template before this rollout and not those of the new one; both are compared key by key.",
		Remedy:  "Put the label back into spec.template.metadata.labels, or change the Service's selector together with it."},
	{Code: "ServiceSelectsNothing", class: remark("traffic", LayerService, ScopeSpec),
		Meaning: "A Service that seems to belong to this workload selects no pod of it, so it sends no traffic to anybody.",
		Signals: "The Service has the workload's name or was applied with it, its selector differs from the new pods' labels in one key, and it has no endpoints.",
		Remedy:  "Make the Service's spec.selector and the labels of the pod template agree."},
	{Code: "ServiceTargetPortUnknown", class: remark("traffic", LayerService, ScopeSpec),
		Background: true,
		Meaning:    "A Service names a target port that the new pods do not declare. The port is then left out of its endpoints, and connections to it fail.",
		Signals:    "spec.ports[].targetPort of a Service that selects the new pods is a name which is in no container's ports.",
		Remedy:     "Give the container's port that name, or put the number into targetPort."},
	{Code: "ServicePortUnserved", class: after("traffic", LayerService, ScopeSpec, 1, 10*time.Second),
		Meaning: "This rollout took a port away from a Service: the Service sends it to a port of the pods by name, the pods before declared that name, and the new ones do not. The new pods get ready and are listed as endpoints, and connections to that port of the Service fail.",
		Signals: "spec.ports[].targetPort of a Service that selects the new pods is a name in the containers' ports of the version before, or was changed by this run, and no container of the new pods declares it; no pod of another workload serves that port. A number that only the version before declared is a remark: programs listen on ports that nobody declares.",
		Remedy:  "Give the container's port the name again, or change the Service's targetPort in the same step."},
	{Code: "BackendPortMissing", class: after("traffic", LayerService, ScopeSpec, 1, 10*time.Second),
		Meaning: "This run removed or renamed a port of a Service that an Ingress or an HTTPRoute still sends traffic to, so what comes in by that way reaches nobody.",
		Signals: "The Service before this run had the port that the backend names, by number or name, and the Service now has it not. If it never had it, this is a remark.",
		Remedy:  "Put the port back, or name the new one in the Ingress or HTTPRoute in the same step."},
	{Code: "PublishNotReady", class: remark("traffic", LayerService, ScopeSpec),
		Background: true,
		Meaning:    "A Service sends traffic to pods that are not ready, because it is told to. While new pods start, their clients see errors.",
		Signals:    "spec.publishNotReadyAddresses is true on a Service with an address of its own that selects the new pods, and some of these are not ready.",
		Remedy:     "Set publishNotReadyAddresses only on a headless Service that the pods use to find each other."},
	{Code: "LoadBalancerPending", class: atTimeout("traffic", LayerService, ScopeEnv),
		Background: true,
		Meaning:    "A Service of type LoadBalancer has no address yet: the cloud's controller has not made the load balancer, or could not.",
		Signals:    "spec.type is LoadBalancer and status.loadBalancer.ingress is empty; the Service's event SyncLoadBalancerFailed says why, if the controller tried.",
		Remedy:     "Look at the event and at the cloud controller's log: quotas, subnets, annotations. A cluster without such a controller never gets an address."},
}}

// explainServices compares the Services of the namespace with the labels and ports of the new pods:
// ServiceDropsNewRevision, ServiceSelectsNothing, ServicePortUnserved, ServiceTargetPortUnknown, BackendPortMissing, PublishNotReady,
// LoadBalancerPending.
func explainServices(s *facts) []Finding {
	var found []Finding
	if s.template == nil || s.isJob() {
		return nil
	}
	for _, v := range s.services() {
		if _, elsewhere := s.pinnedElsewhere(v); elsewhere {
			continue // that has a rule of its own
		}
		switch now, before := selects(v.Spec.Selector, s.labels()), selects(v.Spec.Selector, s.labelsBefore()); {
		case before && !now && s.Status.Desired > 0:
			found = append(found, s.drops(v))
		case now:
			found = append(found, s.targetPorts(v)...)
			found = append(found, s.backends(v)...)
			found = append(found, s.publishes(v)...)
			found = append(found, s.balancer(v)...)
		case !now && s.meant(v):
			found = append(found, s.selectsNothing(v))
		}
	}
	return found
}

// drops is a Service that selects the pods of before and not the new ones.
func (s *facts) drops(v *corev1.Service) Finding {
	key := difference(v.Spec.Selector, s.labels())
	f := s.finding("ServiceDropsNewRevision")
	f.Confidence, f.Detail = Proven, v.Name
	f.FieldPath = s.metaPath() + ".labels." + key
	is := fmt.Sprintf("is %q now", s.labels()[key])
	if _, there := s.labels()[key]; !there {
		is = "is gone"
	}
	f.Cause = fmt.Sprintf("service %s will send no traffic to the new pods: it selects %s=%s, and the label %s %s", v.Name, key, v.Spec.Selector[key], key, is)
	f.Evidence = []Proof{{Type: "object", Text: "spec.selector: " + labels.Set(v.Spec.Selector).String(), Ref: "service/" + v.Name}}
	f.Fix = []string{fmt.Sprintf("keep the label %s=%s on the pods", key, v.Spec.Selector[key]), "or change the selector of service " + v.Name + " in the same step"}
	switch {
	case s.Undoing || s.othersServe(v):
		f.Terminal = TerminalContext // it is not what this rollout leaves without pods
	case s.togetherWith("Service", v.Name):
		f.Terminal = TerminalTimeout // what was read may be older than what this run wrote
	}
	return f
}

// othersServe reports whether pods of other workloads stand behind a Service.
func (s *facts) othersServe(v *corev1.Service) bool {
	mine := map[string]bool{}
	for _, p := range s.w.Pods {
		mine[p.Name] = true
	}
	for _, e := range s.endpointsOf(v) {
		if !mine[e.TargetRef.Name] && !strings.HasPrefix(e.TargetRef.Name, s.w.Ref.Name+"-") {
			return true
		}
	}
	return false
}

// meant reports whether a Service that does not select the new pods is likely to be theirs: it has their name or was
// applied with them, differs from them in one label, and nobody else stands behind it.
func (s *facts) meant(v *corev1.Service) bool {
	if s.Status.Desired == 0 || len(s.endpointsOf(v)) > 0 || s.Slices == nil {
		return false
	}
	wrong := 0
	for key, value := range v.Spec.Selector {
		if s.labels()[key] != value {
			wrong++
		}
	}
	named := v.Name == s.w.Ref.Name || strings.TrimSuffix(strings.TrimSuffix(v.Name, "-service"), "-svc") == s.w.Ref.Name
	return wrong == 1 && named
}

func (s *facts) selectsNothing(v *corev1.Service) Finding {
	key := difference(v.Spec.Selector, s.labels())
	f := s.about(v, "ServiceSelectsNothing", "spec.selector."+key)
	f.Confidence = Proven
	has := fmt.Sprintf("have %s=%s", key, s.labels()[key])
	if _, there := s.labels()[key]; !there {
		has = "have no label " + key
	}
	f.Cause = fmt.Sprintf("service %s selects no pod: it wants %s=%s, and the new pods %s", v.Name, key, v.Spec.Selector[key], has)
	f.Evidence = []Proof{{Type: "object", Text: "spec.selector: " + labels.Set(v.Spec.Selector).String() + "; no endpoints", Ref: "service/" + v.Name}}
	f.Fix = []string{"make the service's selector and the labels of the pod template agree"}
	return f
}

// publishes is a Service that sends traffic to pods which are not ready. A headless one serves discovery among peers.
func (s *facts) publishes(v *corev1.Service) []Finding {
	unready := len(s.pods) - s.ready
	if !v.Spec.PublishNotReadyAddresses || v.Spec.ClusterIP == corev1.ClusterIPNone || unready == 0 {
		return nil
	}
	f := s.about(v, "PublishNotReady", "spec.publishNotReadyAddresses")
	f.Cause = fmt.Sprintf("service %s sends traffic to pods that are not ready (publishNotReadyAddresses), now to %s", v.Name, plural(unready, "new pod"))
	f.Evidence = []Proof{{Type: "object", Text: "spec.publishNotReadyAddresses: true", Ref: "service/" + v.Name}}
	f.Fix = []string{"set publishNotReadyAddresses to false; peers that must find each other early need a headless Service"}
	return []Finding{f}
}

// balancer is a Service whose load balancer has no address yet. No workload waits for that, so it only decides the fate of
// the Service itself.
func (s *facts) balancer(v *corev1.Service) []Finding {
	if v.Spec.Type != corev1.ServiceTypeLoadBalancer || len(v.Status.LoadBalancer.Ingress) > 0 {
		return nil
	}
	f := s.about(v, "LoadBalancerPending", "spec.type")
	f.Terminal = TerminalContext
	f.Cause = fmt.Sprintf("service %s has no load balancer yet", v.Name)
	f.Evidence = []Proof{{Type: "status", Text: "status.loadBalancer.ingress is empty", Ref: "service/" + v.Name}}
	f.Fix = []string{"look at the cloud controller: kubectl describe service -n " + v.Namespace + " " + v.Name}
	events := s.eventsOf(string(v.UID), func(e Event) bool { return e.Reason == "SyncLoadBalancerFailed" })
	if len(events) > 0 {
		f.Cause += ": " + quote(events[len(events)-1].Message)
		f.Evidence = append(f.Evidence, proofs(events, 1)...)
	}
	return []Finding{f}
}
