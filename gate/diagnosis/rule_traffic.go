package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// lag is how long the EndpointSlice controller may take to notice a Ready pod before that is worth a word.
const lag = 10 * time.Second

var ruleTraffic = Rule{Family: "Traffic", Find: explainTraffic, Causes: []Cause{
	{Code: "ServiceEndpointsPending", class: atTimeout("traffic", LayerService, ScopeEnv),
		Background: true,
		Meaning:    "New pods are ready, but a Service that selects them does not send traffic to them yet.",
		Signals:    "A pod with condition Ready=True for more than ten seconds is in no EndpointSlice of the Service as a ready endpoint.",
		Remedy:     "Look at whether kube-controller-manager's endpointslice controller keeps up, and at the Service's selector and named target ports."},
	{Code: "TerminatingOnly", class: remark("traffic", LayerService, ScopeEnv),
		Background: true,
		Meaning:    "Every endpoint that a Service has left belongs to a pod that is being deleted. When these are gone, nobody answers.",
		Signals:    "All endpoints of the Service's EndpointSlices have the condition terminating, and none is ready without it.",
		Remedy:     "Find out why no new pod becomes ready; a strategy with maxUnavailable 0 keeps old pods until new ones are available."},
}}

// explainTraffic notices pods that are ready and that a Service does not send traffic to, and Services that are about to
// lose their last pods: ServiceEndpointsPending, TerminatingOnly.
func explainTraffic(s *facts) []Finding {
	found := s.leavingOnly()
	if !s.w.ServicesKnown {
		return found
	}
	for _, service := range s.w.Services {
		serving := endpoints(service)
		for _, p := range s.pods {
			if !rollout.IsReady(p) || serving[p.Name] || s.now.Sub(rollout.PodCondition(p, corev1.PodReady).LastTransitionTime.Time) < lag {
				continue
			}
			f := s.on(p, "ServiceEndpointsPending")
			f.Detail = service.Name
			f.FieldPath = s.metaPath() + ".labels"
			f.Cause = fmt.Sprintf("new pods are ready, but service %s does not send traffic to them yet", service.Name)
			f.Evidence = []Proof{{Type: "object", Text: fmt.Sprintf("pod %s is in no EndpointSlice of service %s as ready", p.Name, service.Name), Ref: "service/" + service.Name}}
			f.Fix = []string{"look at kube-controller-manager's endpointslice controller, and at the service's selector and ports"}
			found = append(found, f)
		}
	}
	return found
}

// endpoints are the names of the pods that a Service sends traffic to. A missing condition means ready
// (k8s.io/api/discovery/v1, EndpointConditions).
func endpoints(service rollout.Service) map[string]bool {
	serving := map[string]bool{}
	for _, slice := range service.Slices {
		for _, e := range slice.Endpoints {
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				serving[e.TargetRef.Name] = true
			}
		}
	}
	return serving
}

// leavingOnly finds Services of the workload whose endpoints are all terminating.
func (s *facts) leavingOnly() []Finding {
	var found []Finding
	for _, service := range s.services() {
		all, terminating := 0, 0
		for _, e := range s.endpointsOf(service) {
			all++
			if e.Conditions.Terminating != nil && *e.Conditions.Terminating {
				terminating++
			}
		}
		if all == 0 || terminating < all || !s.ours(service) {
			continue
		}
		f := s.about(service, "TerminatingOnly", "spec.selector")
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("service %s has only pods left that are being deleted (%s); when they are gone, nobody answers", service.Name, plural(all, "endpoint"))
		f.Evidence = []Proof{{Type: "object", Text: fmt.Sprintf("%d of %s terminating, none ready", terminating, plural(all, "endpoint")), Ref: "service/" + service.Name}}
		f.Fix = []string{"make new pods ready; maxUnavailable 0 keeps old pods until new ones are available"}
		found = append(found, f)
	}
	return found
}

// services are the Services of the namespace that select pods, by name.
func (s *facts) services() []*corev1.Service {
	list := slices.DeleteFunc(slices.Clone(s.Services), func(v *corev1.Service) bool {
		return v == nil || v.Namespace != s.w.Ref.Namespace || v.Spec.Type == corev1.ServiceTypeExternalName || len(v.Spec.Selector) == 0
	})
	slices.SortFunc(list, func(a, b *corev1.Service) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// ours reports whether a Service selects the pods of this workload, the new ones or those of before.
func (s *facts) ours(v *corev1.Service) bool {
	return selects(v.Spec.Selector, s.labels()) || selects(v.Spec.Selector, s.labelsBefore())
}

// labels are those of the new pods, labelsBefore those of the pods before this rollout; nil when unknown.
func (s *facts) labels() map[string]string {
	if s.template == nil {
		return nil
	}
	return s.template.Labels
}

func (s *facts) labelsBefore() map[string]string {
	if s.previous == nil {
		return nil
	}
	return s.previous.Labels
}

// selects reports whether a Service's selector matches labels. An empty one matches nothing.
func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if got, ok := labels[key]; !ok || got != value {
			return false
		}
	}
	return len(selector) > 0
}

// difference is the first key in which labels differ from a selector that does not match them.
func difference(selector, labels map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		if got, ok := labels[key]; !ok || got != selector[key] {
			return key
		}
	}
	return ""
}

// endpointsOf are the endpoints of a Service that are pods, by pod and address family only once.
func (s *facts) endpointsOf(v *corev1.Service) []discoveryv1.Endpoint {
	var all []discoveryv1.Endpoint
	seen := map[string]bool{}
	for _, slice := range s.Slices {
		if slice == nil || slice.Namespace != v.Namespace || slice.Labels[discoveryv1.LabelServiceName] != v.Name {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" && !seen[e.TargetRef.Name] {
				seen[e.TargetRef.Name] = true
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b discoveryv1.Endpoint) int { return cmp.Compare(a.TargetRef.Name, b.TargetRef.Name) })
	return all
}

// about starts a finding about a Service; field is a field of it and not of the workload's manifest.
func (s *facts) about(v *corev1.Service, code, field string) Finding {
	f := s.finding(code)
	f.Object = Subject{Ref: manifest.Ref{Kind: "Service", Namespace: v.Namespace, Name: v.Name}, UID: string(v.UID)}
	f.Detail, f.FieldPath = v.Name, field
	return f
}

// quiet leaves out the circumstances of the traffic while nothing is wrong: every cluster has some.
func (s *facts) quiet(found []Finding) []Finding {
	if s.CriteriaFailed || s.TimedOut && s.Status.Phase != rollout.Complete || slices.ContainsFunc(found, Finding.Blames) {
		return found
	}
	return slices.DeleteFunc(found, func(f Finding) bool {
		return !f.Blames() && s.catalogue.cause(f.Code).Background
	})
}
