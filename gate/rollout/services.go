package rollout

import (
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// services holds back a complete workload until each of its Services sends traffic to the new pods. A pod counts as
// available before the EndpointSlice controller has taken it up, and a metric window that begins in between judges
// the old pods.
func services(w Workload, s Status) Status {
	switch s.Reason {
	case ReasonZeroReplicas, ReasonOnDelete, ReasonSucceeded:
		return s // no new pods to find
	}
	if !w.ServicesKnown {
		return progressing(s, ReasonCheckingServices, "reading the Services of the new pods")
	}
	for _, service := range w.Services {
		have, want := endpoints(w, s, service)
		if have < want {
			return progressing(s, ReasonEndpoints, "service %s sends traffic to %d of %d new %s",
				service.Name, have, want, plural(want, "pod"))
		}
		for _, port := range service.Ports {
			served := only(service, port)
			if !required(w, port, served) {
				continue
			}
			if have, want := endpoints(w, s, served); have < want {
				return progressing(s, ReasonPorts, "service %s sends port %d to the pods' port %q of %d of %d new %s",
					service.Name, port.Port, port.TargetPort.StrVal, have, want, plural(want, "pod"))
			}
		}
	}
	return s
}

// required tells whether a port of a Service must lead to the new pods. A number always does, whether anything listens or
// not. A name leads to the pods that declare it, and the others are left out of its endpoints (k8s.io/endpointslice,
// getEndpointPorts): it must lead to the new pods if they declare it, or if those before did and no other workload serves
// it. What nobody declared was not served before this rollout either.
func required(w Workload, port corev1.ServicePort, served Service) bool {
	name := port.TargetPort.StrVal
	if port.TargetPort.Type != intstr.String || name == "" {
		return false
	}
	if declares(PodTemplate(w.Live), port) ||
		slices.ContainsFunc(NewPods(w), func(p *corev1.Pod) bool { return declares(&corev1.PodTemplateSpec{Spec: p.Spec}, port) }) {
		return true
	}
	return declares(PodTemplate(w.Previous), port) && !othersServe(w, served)
}

// othersServe tells whether pods of other workloads stand behind a Service.
func othersServe(w Workload, service Service) bool {
	own := regexp.MustCompile("^(?:" + PodNames(w.Ref) + ")$")
	for name := range readyTargets(service.Slices) {
		if !own.MatchString(name) {
			return true
		}
	}
	return false
}

// declares tells whether a container that lasts has the port that a Service names.
func declares(template *corev1.PodTemplateSpec, port corev1.ServicePort) bool {
	if template == nil {
		return false
	}
	for _, c := range lasting(&template.Spec) {
		for _, p := range c.Ports {
			if p.Name == port.TargetPort.StrVal && protocol(p.Protocol) == protocol(port.Protocol) {
				return true
			}
		}
	}
	return false
}

func protocol(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

// only is a Service with the slices that have a port.
func only(service Service, port corev1.ServicePort) Service {
	return Service{Name: service.Name, Slices: slices.DeleteFunc(slices.Clone(service.Slices), func(slice *discoveryv1.EndpointSlice) bool {
		return !slices.ContainsFunc(slice.Ports, func(p discoveryv1.EndpointPort) bool {
			return value(p.Name, "") == port.Name && protocol(value(p.Protocol, "")) == protocol(port.Protocol)
		})
	})}
}

// endpoints counts the new pods that a Service sends traffic to, and how many there must be. A Deployment's new pods
// are known by the name of their ReplicaSet, if it is not so long that it is cut; those of other kinds by what was read of
// them, or else the pods of all revisions are counted together.
func endpoints(w Workload, s Status, service Service) (have, want int32) {
	targets := readyTargets(service.Slices)
	if !namesTell(w) && w.PodsKnown && len(NewPods(w)) > 0 { // none are known if revisions may not be read
		for _, p := range NewPods(w) {
			// A StatefulSet's new pod has the name of the old one, so the name alone does not do.
			if uid, found := targets[p.Name]; found && (uid == p.UID || uid == "") {
				have++
			}
		}
		return have, min(s.Updated, s.Available)
	}
	named := newPodNames(w)
	for name := range targets {
		if named.MatchString(name) {
			have++
		}
	}
	return have, s.Available
}

// readyTargets is the set of pods that get traffic, with their UIDs. A dual-stack Service names each pod twice. Unset
// conditions mean ready, serving and not terminating (k8s.io/api/discovery/v1, EndpointConditions).
func readyTargets(all []*discoveryv1.EndpointSlice) map[string]types.UID {
	targets := map[string]types.UID{}
	for _, slice := range all {
		for _, e := range slice.Endpoints {
			c := e.Conditions
			if e.TargetRef == nil || e.TargetRef.Kind != "Pod" || !value(c.Ready, true) || !value(c.Serving, true) ||
				value(c.Terminating, false) {
				continue
			}
			targets[e.TargetRef.Name] = e.TargetRef.UID
		}
	}
	return targets
}

func value[T any](v *T, unset T) T {
	if v == nil {
		return unset
	}
	return *v
}
