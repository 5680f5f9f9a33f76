package diagnosis

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// explainProbe names why running containers are not ready: ProbePortNameUnknown, ReadinessProbeFailing,
// ReadinessFlapping, ReadinessGateUnmet, SidecarNotStarted. A probe's failures are in "Unhealthy" events, which the
// kubelet writes for every failure, so they say nothing about thresholds; the container's status does.
func explainProbe(s *scene) []Finding {
	var found []Finding
	for _, c := range s.containers {
		found = append(found, s.portNames(c)...)
		if c.status.State.Running == nil || c.initial && !c.sidecar || c.status.Ready {
			continue
		}
		if f, ok := s.unready(c); ok {
			found = append(found, f)
		}
	}
	for _, p := range s.pods {
		if f, ok := s.gate(p); ok {
			found = append(found, f)
		}
	}
	return found
}

// portNames finds probes that name a port which the container does not declare: the kubelet then takes the name for a
// number and fails (pkg/kubelet/prober/prober.go, ResolveContainerPort).
func (s *scene) portNames(c container) []Finding {
	var found []Finding
	for i, p := range []*corev1.Probe{c.spec.LivenessProbe, c.spec.ReadinessProbe, c.spec.StartupProbe} {
		field := []string{"livenessProbe", "readinessProbe", "startupProbe"}[i]
		port, path := probePort(p)
		if port.Type != intstr.String || port.StrVal == "" {
			continue
		}
		if _, err := strconv.Atoi(port.StrVal); err == nil || declares(c.spec, port.StrVal) {
			continue
		}
		f := s.in(c, "ProbePortNameUnknown")
		f.Confidence = Proven
		f.Detail = port.StrVal
		f.FieldPath = s.field(c, field+"."+path)
		f.Cause = fmt.Sprintf("the %s of container %s asks port %q, but the container declares no port of that name%s", field, c.spec.Name, port.StrVal, s.declared(c))
		f.Fix = []string{"correct the name, or add it to the container's ports", "or give the port's number"}
		f.Evidence = append([]Proof{{Type: "object", Text: fmt.Sprintf("%s.%s: %s", field, path, port.StrVal), Ref: c.ref()}},
			proofs(s.eventsAbout(c, "Unhealthy", "probe errored"), 1)...)
		found = append(found, f)
	}
	return found
}

func declares(c corev1.Container, port string) bool {
	for _, p := range c.Ports {
		if p.Name == port {
			return true
		}
	}
	return false
}

// declared lists the ports of a container in parentheses.
func (s *scene) declared(c container) string {
	var ports []string
	for _, p := range c.spec.Ports {
		text := strconv.Itoa(int(p.ContainerPort))
		if p.Name != "" {
			text = p.Name + "=" + text
		}
		ports = append(ports, text)
	}
	if len(ports) == 0 {
		return ""
	}
	return " (it declares " + list(ports) + ")"
}

// probePort is the port of a probe over the network and its field.
func probePort(p *corev1.Probe) (intstr.IntOrString, string) {
	switch {
	case p == nil:
	case p.HTTPGet != nil:
		return p.HTTPGet.Port, "httpGet.port"
	case p.TCPSocket != nil:
		return p.TCPSocket.Port, "tcpSocket.port"
	}
	return intstr.IntOrString{}, ""
}

// unready explains a container that runs and is not ready. Within the time that its probes allow it, it is only slow;
// that is TimeoutTooShort's matter.
func (s *scene) unready(c container) (Finding, bool) {
	since := s.now.Sub(c.status.State.Running.StartedAt.Time)
	if c.sidecar && (c.status.Started == nil || !*c.status.Started) {
		f := s.in(c, "SidecarNotStarted")
		f.FieldPath = s.field(c, "startupProbe")
		f.Cause = fmt.Sprintf("sidecar %s has run for %s without having started, and the containers after it wait for it", c.spec.Name, short(since))
		f.Fix = []string{"correct its startupProbe, or its program"}
		f.Evidence = append(proofs(s.probeFailures(c, "startup"), 1), s.logProof(c)...)
		return f, since > budget(c.spec.StartupProbe)
	}
	probe := c.spec.ReadinessProbe
	failures := s.probeFailures(c, "readiness")
	if s.onlySlow(c) {
		return Finding{}, false
	}
	if probe == nil && len(failures) == 0 {
		return Finding{}, false
	}
	code := "ReadinessProbeFailing"
	if c.status.RestartCount == 0 && c.wasReady() {
		code = "ReadinessFlapping"
	}
	f := s.in(c, code)
	f.FieldPath = s.field(c, "readinessProbe")
	f.FirstSeen = c.status.State.Running.StartedAt.Time
	f.Evidence = append(proofs(failures, 1), s.logProof(c)...)
	f.Cause = fmt.Sprintf("container %s has run for %s and is not ready", c.spec.Name, short(since))
	if code == "ReadinessFlapping" {
		f.Cause = fmt.Sprintf("container %s was ready and is not any more", c.spec.Name)
	}
	if probe != nil {
		f.Cause += fmt.Sprintf(": its readiness probe %s fails", describe(probe))
	}
	if len(failures) == 0 {
		f.Detail = "NoEvents"
		f.Fix = []string{fmt.Sprintf("ask the probe's address inside the pod: kubectl exec -n %s %s -c %s -- …", c.pod.Namespace, c.pod.Name, c.spec.Name)}
		return f, true
	}
	f.Count = occurrences(failures)
	why := decodeProbe(c, probe, probeError(failures[len(failures)-1].Message))
	f.Detail = why.detail
	f.Cause += ": " + why.text
	f.Fix = []string{why.fix}
	if why.field != "" {
		f.FieldPath = s.field(c, "readinessProbe."+why.field)
	}
	return f, true
}

// onlySlow reports whether a container that is not ready may just need more time. When the time is up, a program that
// answered its readiness probe with a no says more than that it would have been asked a few times more.
func (s *scene) onlySlow(c container) bool {
	if !starting(c, s.now) {
		return false
	}
	failures := s.probeFailures(c, "readiness")
	return !s.TimedOut || len(failures) == 0 || !strings.Contains(failures[len(failures)-1].Message, "statuscode")
}

// starting reports whether a container is still within the time that its probes allow it to become ready.
func starting(c container, now time.Time) bool {
	running := c.status.State.Running
	if running == nil {
		return false
	}
	since := now.Sub(running.StartedAt.Time)
	if c.spec.StartupProbe != nil && (c.status.Started == nil || !*c.status.Started) {
		return since <= budget(c.spec.StartupProbe)
	}
	return since <= budget(c.spec.ReadinessProbe) && c.status.RestartCount == 0 && !c.wasReady()
}

// budget is how long a probe lets a program be unwell before it acts: the delay and one whole series of failures.
func budget(p *corev1.Probe) time.Duration {
	if p == nil {
		return 0
	}
	return time.Duration(p.InitialDelaySeconds+max(p.FailureThreshold, 1)*max(p.PeriodSeconds, 1)) * time.Second
}

// probeFailures are the events of one kind of probe of a container, oldest first.
func (s *scene) probeFailures(c container, kind string) []Event {
	prefix := strings.ToUpper(kind[:1]) + kind[1:] + " probe "
	var found []Event
	for _, e := range s.eventsAbout(c, "Unhealthy", prefix) {
		if strings.HasPrefix(e.Message, prefix) {
			found = append(found, e)
		}
	}
	return found
}

// probeError is the event's text without the kubelet's prefix.
func probeError(text string) string {
	for _, prefix := range []string{" probe errored and resulted in unknown state: ", " probe failed: ", " probe errored: "} {
		if _, rest, ok := strings.Cut(text, prefix); ok {
			return rest
		}
	}
	return text
}

// describe puts a probe into a few words: GET http://:8080/ready every 10s, timeout 1s.
func describe(p *corev1.Probe) string {
	what := "of an unknown kind"
	switch {
	case p.HTTPGet != nil:
		scheme := strings.ToLower(string(p.HTTPGet.Scheme))
		if scheme == "" {
			scheme = "http"
		}
		what = fmt.Sprintf("GET %s://%s:%s/%s", scheme, p.HTTPGet.Host, p.HTTPGet.Port.String(), strings.TrimPrefix(p.HTTPGet.Path, "/"))
	case p.TCPSocket != nil:
		what = "TCP :" + p.TCPSocket.Port.String()
	case p.GRPC != nil:
		what = fmt.Sprintf("gRPC :%d", p.GRPC.Port)
	case p.Exec != nil:
		what = fmt.Sprintf("%q", quote(strings.Join(p.Exec.Command, " ")))
	}
	return fmt.Sprintf("%s every %ds, timeout %ds", what, max(p.PeriodSeconds, 1), max(p.TimeoutSeconds, 1))
}

// probeWhy is a decoded probe failure.
type probeWhy struct{ detail, text, fix, field string }

var (
	statusCode = regexp.MustCompile(`statuscode: (\d+)`)
	tlsMixup   = regexp.MustCompile(`HTTP response to HTTPS client|does not look like a TLS handshake|malformed HTTP response`)
	timedOut   = regexp.MustCompile(`(?i)deadline exceeded|Client\.Timeout|timed out|timeout`)
	noRoute    = regexp.MustCompile(`(?i)no route to host|i/o timeout|network is unreachable`)
)

// decodeProbe says what a probe's error means. The texts are those of Go's HTTP client and of pkg/probe.
func decodeProbe(c container, p *corev1.Probe, text string) probeWhy {
	words := quote(strings.TrimSuffix(startWrapper.ReplaceAllString(text, ""), ": unknown"))
	port, field := probePort(p)
	switch m := statusCode.FindStringSubmatch(text); {
	case m != nil && m[1] == "404":
		return probeWhy{"HttpNotFound", "the program answers 404: it does not know this path", "correct the probe's path, or the program's base path", "httpGet.path"}
	case m != nil && (m[1] == "401" || m[1] == "403"):
		return probeWhy{"HttpAuth", "the program answers " + m[1] + ": the path asks for a login", "probe a path that needs no login", "httpGet.path"}
	case m != nil && m[1] == "400", tlsMixup.MatchString(text):
		return probeWhy{"HttpBadRequest", words + ": one speaks HTTP and the other HTTPS, or the path is wrong", "set the probe's scheme to what the program speaks", "httpGet.scheme"}
	case m != nil && m[1][0] == '5':
		return probeWhy{"HttpServerError", "the program itself answers " + m[1], "look into the program's log for what it waits for", ""}
	case strings.Contains(text, "connection refused"):
		return refused(c, port, field, words)
	case strings.Contains(text, "NOT_SERVING"):
		return probeWhy{"GrpcNotServing", "the program says NOT_SERVING", "look into the program's log for what it waits for", ""}
	case strings.Contains(text, "does not implement the grpc health"):
		return probeWhy{"GrpcUnimplemented", "the program has no gRPC health service", "register the health service, or probe by TCP or HTTP", "grpc"}
	case noRoute.MatchString(text):
		return probeWhy{"NoRoute", words, "check the pod network on that node", ""}
	case timedOut.MatchString(text):
		return probeWhy{"ProbeTimeout", words + ": the answer takes longer than the probe waits", "raise timeoutSeconds (the default is 1), or the CPU limit if the program is throttled", "timeoutSeconds"}
	case strings.Contains(text, "strconv.Atoi"):
		return probeWhy{"PortNameUnknown", words, "declare the port's name in the container's ports", field}
	case p != nil && p.Exec != nil:
		return probeWhy{"ExecFailed", words, "run the probe's command inside the container by hand; it must exit 0", "exec.command"}
	}
	return probeWhy{"Other", words, "ask the probe's address inside the pod by hand", ""}
}

// refused compares the port that nothing listens on with those that the container declares.
func refused(c container, port intstr.IntOrString, field, words string) probeWhy {
	why := probeWhy{"ConnectionRefused", words + ": nothing listens on that port of the pod's address", "check that the program listens on that port on all addresses (0.0.0.0), not on 127.0.0.1", field}
	number := port.IntValue()
	known := len(c.spec.Ports) == 0 || number == 0
	for _, p := range c.spec.Ports {
		known = known || int(p.ContainerPort) == number
	}
	if !known {
		why.detail = "ProbePortMismatch"
		why.text = fmt.Sprintf("%s: nothing listens on port %d, and the container declares %d", words, number, c.spec.Ports[0].ContainerPort)
		why.fix = fmt.Sprintf("probe port %d, or let the program listen on %d", c.spec.Ports[0].ContainerPort, number)
	}
	return why
}

// gate explains a pod whose containers are ready and which waits for somebody else's condition
// (pkg/kubelet/status/generate.go).
func (s *scene) gate(p *corev1.Pod) (Finding, bool) {
	ready := condition(p, corev1.PodReady)
	if ready == nil || ready.Status == corev1.ConditionTrue || ready.Reason != "ReadinessGatesNotReady" {
		return Finding{}, false
	}
	f := s.on(p, "ReadinessGateUnmet")
	f.Confidence = Proven
	f.FieldPath = s.podPath + ".readinessGates"
	f.Cause = "all containers are ready, but a readiness gate is not: " + quote(ready.Message)
	for _, g := range p.Spec.ReadinessGates {
		c := condition(p, g.ConditionType)
		if c != nil && c.Status == corev1.ConditionTrue {
			continue
		}
		f.Detail = string(g.ConditionType)
		f.Cause = fmt.Sprintf("all containers are ready, but readiness gate %s is not", g.ConditionType)
		if c != nil && c.Message != "" {
			f.Cause += ": " + quote(c.Message)
		}
	}
	f.Evidence = []Proof{{Type: "condition", Text: "Ready=False " + ready.Reason + ": " + quote(ready.Message), Time: ready.LastTransitionTime.Time, Ref: podRef(p).String()}}
	f.Fix = []string{"look at the controller that sets this condition, usually that of the load balancer"}
	return f, true
}
