package diagnosis

import (
	"fmt"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// explainTraffic notices new pods that are ready and that a Service does not send traffic to: ServiceEndpointsPending.
func explainTraffic(s *scene) []Finding {
	if !s.w.ServicesKnown {
		return nil
	}
	var found []Finding
	for _, service := range s.w.Services {
		serving := endpoints(service)
		for _, p := range s.pods {
			if !isReady(p) || serving[p.Name] {
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
