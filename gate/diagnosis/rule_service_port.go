package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// targetPorts finds ports of a Service that lead to no new pod. A named target port that a pod does not declare is left out
// of its endpoints (k8s.io/endpointslice, getEndpointPorts).
func (s *facts) targetPorts(v *corev1.Service) []Finding {
	var found []Finding
	for i, port := range v.Spec.Ports {
		name := port.TargetPort.StrVal
		switch {
		case port.TargetPort.Type != intstr.String:
			if f, ok := s.numberGone(v, port); ok {
				found = append(found, f)
			}
		case name == "" || declaresPort(s.serving(), name, port.Protocol):
		case s.servedBefore(v, port):
			found = append(found, s.unserved(v, port))
		default:
			f := s.about(v, "ServiceTargetPortUnknown", fmt.Sprintf("spec.ports[%d].targetPort", i))
			f.Confidence, f.Detail = Proven, v.Name+" "+name
			f.Cause = fmt.Sprintf("service %s sends port %d to the pods' port %q, and the new pods declare no port of that name: connections to it fail", v.Name, port.Port, name)
			f.Evidence = []Proof{{Type: "object", Text: fmt.Sprintf("spec.ports[%d].targetPort: %s; the new pods declare %s", i, name, portList(s.serving())), Ref: "service/" + v.Name}}
			f.Fix = []string{"name the container's port " + name + ", or put its number into targetPort"}
			found = append(found, f)
		}
	}
	return found
}

// servedBefore tells whether a port of a Service led to the pods of the version before: the Service as it was before this
// run selected them, and they declare the port's target.
func (s *facts) servedBefore(v *corev1.Service, port corev1.ServicePort) bool {
	if s.previous == nil {
		return false
	}
	was := v
	if before := s.serviceBefore(v.Name); before != nil {
		was = before
	}
	if !selects(was.Spec.Selector, s.labelsBefore()) {
		return false
	}
	i := slices.IndexFunc(was.Spec.Ports, func(p corev1.ServicePort) bool {
		return p.Port == port.Port && protocolOf(p.Protocol) == protocolOf(port.Protocol)
	})
	if i < 0 {
		return false
	}
	target := was.Spec.Ports[i].TargetPort
	return target.Type == intstr.Int || declaresPort(lastingOf(&s.previous.Spec), target.StrVal, port.Protocol)
}

func (s *facts) serviceBefore(name string) *corev1.Service {
	for _, v := range s.ServicesBefore {
		if v.Name == name && v.Namespace == s.w.Ref.Namespace {
			return v
		}
	}
	return nil
}

// unserved is a port of a Service that this rollout took away from the pods.
func (s *facts) unserved(v *corev1.Service, port corev1.ServicePort) Finding {
	name := port.TargetPort.StrVal
	f := s.finding("ServicePortUnserved")
	f.Confidence, f.Detail = Proven, fmt.Sprintf("%s:%d", v.Name, port.Port)
	f.FieldPath = s.podPath + ".containers"
	for _, c := range s.previous.Spec.Containers {
		if declaresPort([]corev1.Container{c}, name, port.Protocol) {
			f.FieldPath = fmt.Sprintf("%s.containers[name=%s].ports", s.podPath, c.Name)
		}
	}
	f.Cause = fmt.Sprintf("port %d of service %s will reach no new pod: it goes to the pods' port %q, and the new pods declare %s", port.Port, v.Name, name, portList(s.serving()))
	f.Evidence = []Proof{
		{Type: "object", Text: fmt.Sprintf("spec.ports: port %d, targetPort %s", port.Port, name), Ref: "service/" + v.Name},
		{Type: "diff", Text: fmt.Sprintf("the version before declared %s, the new one %s", portList(lastingOf(&s.previous.Spec)), portList(s.serving())), Ref: s.w.Ref.String()},
	}
	if before := s.serviceBefore(v.Name); before != nil && len(s.changes()) == 0 {
		f.Evidence[1] = Proof{Type: "diff", Text: "this run changed the Service; the pods declare " + portList(s.serving()) + " as before", Ref: "service/" + v.Name}
	}
	f.Fix = []string{"give the container's port the name " + name, "or change targetPort of service " + v.Name + " in the same step"}
	if s.Undoing || s.othersServePort(v, port) {
		f.Terminal = TerminalContext
	}
	return f
}

// othersServePort tells whether pods of other workloads stand behind a port of a Service.
func (s *facts) othersServePort(v *corev1.Service, port corev1.ServicePort) bool {
	own, err := regexp.Compile("^(?:" + rollout.PodNames(s.w.Ref) + ")$")
	if err != nil {
		return false
	}
	all := slices.Clone(s.Slices)
	for _, known := range s.w.Services {
		if known.Name == v.Name {
			all = append(all, known.Slices...)
		}
	}
	return slices.ContainsFunc(all, func(slice *discoveryv1.EndpointSlice) bool {
		of, labelled := slice.Labels[discoveryv1.LabelServiceName]
		has := slices.ContainsFunc(slice.Ports, func(p discoveryv1.EndpointPort) bool { return p.Name != nil && *p.Name == port.Name })
		return (!labelled || of == v.Name) && has && slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			return ready && e.TargetRef != nil && e.TargetRef.Kind == "Pod" && !own.MatchString(e.TargetRef.Name)
		})
	})
}

// numberGone suspects a Service that sends to a port number which the version before declared and the new one does not.
// Programs listen on ports that nobody declares, so it never decides.
func (s *facts) numberGone(v *corev1.Service, port corev1.ServicePort) (Finding, bool) {
	number := port.TargetPort.IntVal
	if number == 0 {
		number = port.Port
	}
	now := s.serving()
	if s.previous == nil || s.Undoing || declaresNumber(now, number) || !declaresNumber(lastingOf(&s.previous.Spec), number) || portList(now) == "none" {
		return Finding{}, false
	}
	f := s.finding("ServicePortUnserved")
	f.Confidence, f.Detail, f.Terminal = Suspected, fmt.Sprintf("%s:%d", v.Name, port.Port), TerminalContext
	f.FieldPath = s.podPath + ".containers"
	f.Cause = fmt.Sprintf("port %d of service %s goes to port %d of the pods, which the version before declared and the new one does not; if nothing listens there, connections fail", port.Port, v.Name, number)
	f.Evidence = []Proof{{Type: "diff", Text: fmt.Sprintf("the version before declared %s, the new one %s", portList(lastingOf(&s.previous.Spec)), portList(now)), Ref: s.w.Ref.String()}}
	f.Fix = []string{fmt.Sprintf("let the program listen on %d, or change targetPort of service %s", number, v.Name)}
	return f, true
}

// backends finds what Ingresses and HTTPRoutes send to ports that a Service does not have.
func (s *facts) backends(v *corev1.Service) []Finding {
	var found []Finding
	for _, b := range s.Backends {
		if b.Service != v.Name || b.Object.Namespace != v.Namespace || hasServicePort(v, b.Port) {
			continue
		}
		f := s.about(v, "BackendPortMissing", "spec.ports")
		f.Confidence, f.Detail = Proven, b.Object.String()+" "+v.Name+":"+b.Port
		f.Cause = fmt.Sprintf("%s sends traffic to port %s of service %s, which has no such port (it has %s)", b.Object, b.Port, v.Name, servicePorts(v))
		f.Evidence = []Proof{{Type: "object", Text: "backend " + v.Name + ":" + b.Port, Ref: b.Object.String()}}
		f.Fix = []string{"put the port back into service " + v.Name, "or name one that it has in " + b.Object.String() + ", in the same step"}
		if before := s.serviceBefore(v.Name); s.Undoing || before == nil || !hasServicePort(before, b.Port) {
			f.Terminal = TerminalContext // it did not work before either
		}
		found = append(found, f)
	}
	return found
}

// hasServicePort tells whether a Service has a port of that number or name.
func hasServicePort(v *corev1.Service, port string) bool {
	return slices.ContainsFunc(v.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == port || strconv.Itoa(int(p.Port)) == port })
}

func servicePorts(v *corev1.Service) string {
	var all []string
	for _, p := range v.Spec.Ports {
		text := strconv.Itoa(int(p.Port))
		if p.Name != "" {
			text = p.Name + "=" + text
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "none"
	}
	return list(all)
}

// declaresPort reports whether one of the containers has a port of this name.
func declaresPort(containers []corev1.Container, name string, protocol corev1.Protocol) bool {
	for _, c := range containers {
		for _, p := range c.Ports {
			if p.Name == name && protocolOf(p.Protocol) == protocolOf(protocol) {
				return true
			}
		}
	}
	return false
}

func declaresNumber(containers []corev1.Container, number int32) bool {
	return slices.ContainsFunc(containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == number })
	})
}

func protocolOf(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

// serving are the containers of the new pods that can serve; those that a webhook added are only in the pods.
func (s *facts) serving() []corev1.Container {
	if len(s.pods) > 0 {
		return lastingOf(&s.pods[0].Spec)
	}
	return lastingOf(&s.template.Spec)
}

// lastingOf are the containers that run as long as the pod does: the main ones, and init containers that stay.
func lastingOf(pod *corev1.PodSpec) []corev1.Container {
	all := slices.Clone(pod.Containers)
	for _, c := range pod.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			all = append(all, c)
		}
	}
	return all
}

func portList(containers []corev1.Container) string {
	var ports []string
	for _, c := range containers {
		for _, p := range c.Ports {
			text := fmt.Sprint(p.ContainerPort)
			if p.Name != "" {
				text = p.Name + "=" + text
			}
			ports = append(ports, text)
		}
	}
	if len(ports) == 0 {
		return "none"
	}
	return list(ports)
}
