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

var ruleProbe = Rule{Family: "Probes", Find: explainProbe, Causes: []Cause{
	{Code: "ProbePortNameUnknown", class: now("probe", LayerPod, ScopeSpec),
		ReadsLogs: true,
		Meaning:   "A probe asks for a port by a name that the container does not declare. The kubelet cannot turn the name into a number, so the probe can never succeed.",
		Signals:   "The template alone shows it: the name in httpGet.port or tcpSocket.port is missing in the container's ports. The kubelet's event \"Unhealthy\" then says strconv.Atoi: parsing \"…\": invalid syntax.",
		Remedy:    "Correct the name, add it to the container's ports, or give the port's number."},
	{Code: "ReadinessProbeFailing", class: atTimeout("probe", LayerApplication, ScopeApp),
		ReadsLogs: true,
		Meaning:   "The container runs, but its readiness probe does not succeed, so the pod gets no traffic and the rollout waits. The detail says how the probe fails: refused, 404, 503, too slow, the wrong protocol. A program that answers its probe with a steady no (400, 401, 403, 404, 405, another protocol) while no new pod gets ready does not wait for anything: that fails earlier, a minute after the probe's own time and one and a half times the slowest start of the version before are over; after two minutes when no older pod tells how long a start takes, and after 30 seconds when this rollout changed the probe or the ports.",
		Signals:   "The container's status has ready=false while it runs, and the newest event \"Unhealthy\" that begins with \"Readiness probe\" says why; the container's log and ports say where the program listens.",
		Remedy:    "Follow the detail: correct the probe's port, path, scheme or timeout, let the program listen on all addresses, or look into its log for what it waits for."},
	{Code: "LivenessFailingNow", class: remark("probe", LayerApplication, ScopeApp),
		ReadsLogs: true,
		Meaning:   "A liveness probe fails, but not yet often enough for the kubelet to restart the container.",
		Signals:   "Recent events \"Unhealthy\" that begin with \"Liveness probe\", and no event \"Killing\" of that container since.",
		Remedy:    "Look at what the probe asks and at how long the program takes to answer, before the kubelet begins to restart it."},
	{Code: "ProbeRedirectIgnored", class: remark("probe", LayerApplication, ScopeApp),
		ReadsLogs: true,
		Meaning:   "A probe is redirected to another host. The kubelet does not follow it there and takes it for success, so the probe says nothing about the program.",
		Signals:   "The event \"ProbeWarning\" of the pod with the text \"Probe terminated redirects\".",
		Remedy:    "Probe a path that the program answers itself, usually one without a login and without a redirect to HTTPS."},
	{Code: "SidecarNotStarted", class: atTimeout("init", LayerPod, ScopeApp),
		ReadsLogs: true,
		Meaning:   "A sidecar, an init container that stays, has not passed its startup probe, and every container after it waits for that.",
		Signals:   "initContainerStatuses of a container with restartPolicy Always: it runs with started=false for longer than its startupProbe allows.",
		Remedy:    "Correct the sidecar's startupProbe or its program; the event \"Unhealthy\" and its log say what is wrong."},
}}

// explainProbe names why running containers are not ready: ProbePortNameUnknown, ReadinessProbeFailing,
// SidecarNotStarted; and what their probes say besides: LivenessFailingNow, ProbeRedirectIgnored. A probe's failures are
// in "Unhealthy" events, which the kubelet writes for every failure, so they say nothing about thresholds; the
// container's status does.
func explainProbe(s *facts) []Finding {
	var found []Finding
	for _, c := range s.containers {
		found = append(found, s.portNames(c)...)
		found = append(found, s.redirects(c)...)
		if c.status.State.Running == nil || c.initial && !c.sidecar {
			continue
		}
		found = append(found, s.livenessNow(c)...)
		if c.status.Ready {
			continue
		}
		explain := s.unready
		if c.sidecar && !c.started() {
			explain = s.notStarted
		}
		if f, ok := explain(c); ok {
			found = append(found, f)
		}
	}
	return found
}

// portNames finds probes that name a port which the container does not declare: the kubelet then takes the name for a
// number and fails (pkg/kubelet/prober/prober.go, ResolveContainerPort).
func (s *facts) portNames(c container) []Finding {
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
func (s *facts) declared(c container) string {
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
	case p.GRPC != nil:
		return intstr.FromInt32(p.GRPC.Port), "grpc.port"
	}
	return intstr.IntOrString{}, ""
}

// portNumber is the number that a probe asks; 0 when it is unknown.
func portNumber(c corev1.Container, port intstr.IntOrString) int {
	if port.Type == intstr.String {
		for _, p := range c.Ports {
			if p.Name == port.StrVal {
				return int(p.ContainerPort)
			}
		}
	}
	return port.IntValue()
}

// notStarted explains a sidecar that keeps the containers after it waiting (pkg/kubelet/kuberuntime, computeInitContainerActions).
func (s *facts) notStarted(c container) (Finding, bool) {
	since := c.running(s.now)
	f := s.in(c, "SidecarNotStarted")
	f.FieldPath = s.field(c, "startupProbe")
	f.Cause = fmt.Sprintf("sidecar %s has run for %s without having started, and the containers after it wait for it", c.spec.Name, short(since))
	f.Fix = []string{"correct its startupProbe, or its program"}
	f.Evidence = append(proofs(s.probeFailures(c, "startup"), 1), s.logProof(c)...)
	return f, s.TimedOut || since > budget(c.spec.StartupProbe)
}

// unready explains a container that runs and is not ready. Within the time that its probes allow it, it is only slow;
// that is TimeoutTooShort's matter. One that comes and goes is ReadinessFlapping's.
func (s *facts) unready(c container) (Finding, bool) {
	probe, failures := c.spec.ReadinessProbe, s.probeFailures(c, "readiness")
	if s.onlySlow(c) || s.falls(c.pod) > 1 || probe == nil && len(failures) == 0 {
		return Finding{}, false
	}
	lost := c.status.RestartCount == 0 && c.wasReady() || s.falls(c.pod) > 0
	f := s.in(c, "ReadinessProbeFailing")
	f.Cause = fmt.Sprintf("container %s has run for %s and is not ready", c.spec.Name, short(c.running(s.now)))
	if lost {
		f.Cause = fmt.Sprintf("container %s was ready and is not any more", c.spec.Name)
	}
	if lost && !s.watched() {
		f = s.in(c, "ReadinessFlapping")
		f.Terminal, f.Attempts, f.After = TerminalTimeout, 1, 0 // nobody watched how often
		f.Cause = fmt.Sprintf("container %s was ready and is not any more", c.spec.Name)
	}
	f.FirstSeen = c.status.State.Running.StartedAt.Time
	f.Cause += ": "
	s.sayProbe(&f, c, "readiness", failures)
	if !lost {
		s.steadyNo(&f, c)
	}
	return f, true
}

// sayProbe adds to a finding how a probe fails, with which settings, and how long older pods needed.
func (s *facts) sayProbe(f *Finding, c container, kind string, failures []Event) {
	probe, field := c.probe(kind)
	f.FieldPath = s.field(c, field)
	f.Evidence = append(proofs(failures, 1), s.logProof(c)...)
	f.Cause += "its " + kind + " probe"
	if probe != nil {
		f.Cause += " " + describe(probe)
		f.Evidence = append(f.Evidence, s.probeSettings(c, kind)...)
	}
	f.Cause += " fails"
	if len(failures) == 0 {
		f.Detail = "NoEventsButUnready"
		f.Cause += "; no event says how"
		f.Fix = []string{fmt.Sprintf("ask the probe's address inside the pod: kubectl exec -n %s %s -c %s -- …", c.pod.Namespace, c.pod.Name, c.spec.Name)}
		return
	}
	f.Count = occurrences(failures)
	why := s.whyProbe(c, probe, probeError(failures[len(failures)-1].Message))
	f.Detail = why.detail
	f.Cause += ": " + why.text
	f.Fix = []string{why.fix}
	if why.proof != "" && !quotes(f.Evidence, why.proof) {
		f.Evidence = append(f.Evidence, Proof{Type: "log", Text: why.proof, Ref: c.ref()})
	}
	switch {
	case why.path != "":
		f.FieldPath = s.field(c, why.path)
	case why.field != "":
		f.FieldPath = s.field(c, field+"."+why.field)
	}
}

// quotes reports whether a line is part of some proof already.
func quotes(proofs []Proof, line string) bool {
	for _, p := range proofs {
		if p.Type == "log" && strings.Contains(p.Text, line) {
			return true
		}
	}
	return false
}

// probeFailures are the events of one kind of probe of a container, oldest first.
func (s *facts) probeFailures(c container, kind string) []Event {
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

// livenessNow tells of a liveness probe that fails and has not led to a restart. A failure that was followed by none for
// three periods is over.
func (s *facts) livenessNow(c container) []Finding {
	probe := c.spec.LivenessProbe
	failures := s.probeFailures(c, "liveness")
	if probe == nil || len(failures) == 0 || !c.started() {
		return nil
	}
	last := failures[len(failures)-1]
	recent := s.now.Sub(last.Time) <= 3*time.Duration(max(probe.PeriodSeconds, 1))*time.Second+skew
	if !recent || last.Time.Before(c.status.State.Running.StartedAt.Time) || len(s.eventsAbout(c, "Killing", "liveness probe")) > 0 {
		return nil
	}
	f := s.in(c, "LivenessFailingNow")
	f.FirstSeen = c.status.State.Running.StartedAt.Time
	f.Cause = fmt.Sprintf("container %s has run for %s and is not restarted yet: ", c.spec.Name, short(c.running(s.now)))
	s.sayProbe(&f, c, "liveness", failures)
	f.Cause += fmt.Sprintf("; after %s in a row the kubelet restarts it", plural(int(max(probe.FailureThreshold, 1)), "failure"))
	f.Fix = append(f.Fix, "a liveness probe should not depend on other services")
	return []Finding{f}
}

// elsewhere is the address in the body of a redirect, as Go's and most other servers write it.
var elsewhere = regexp.MustCompile(`(?i)href="?https?://([^/"?#\s>]+)`)

// redirects tells of probes that succeed because they are sent to another host, where the kubelet does not follow
// (pkg/probe/http/http.go, RedirectChecker).
func (s *facts) redirects(c container) []Finding {
	warnings := s.eventsAbout(c, "ProbeWarning", "terminated redirects")
	if len(warnings) == 0 {
		return nil
	}
	last := warnings[len(warnings)-1]
	kind, _, _ := strings.Cut(strings.ToLower(last.Message), " probe ")
	f := s.in(c, "ProbeRedirectIgnored")
	probe, field := c.probe(kind)
	if probe == nil || probe.HTTPGet == nil {
		return nil
	}
	f.Confidence, f.Detail, f.Count, f.FirstSeen = Proven, field, occurrences(warnings), last.First
	f.FieldPath = s.field(c, field+".httpGet.path")
	host := "another host"
	if m := elsewhere.FindStringSubmatch(last.Message); m != nil {
		host += ", " + m[1]
	}
	f.Cause = fmt.Sprintf("the %s probe %s of container %s is redirected to %s; the kubelet does not go there and counts it as success, so the probe says nothing about the program",
		kind, describe(probe), c.spec.Name, host)
	f.Evidence = []Proof{{Type: "event", Text: "ProbeWarning: " + kind + " probe was redirected to " + host, Time: last.Time, Ref: last.Object.String()}}
	f.Fix = []string{"probe a path that the program answers itself, without a login and without a redirect to another host or to HTTPS"}
	return []Finding{f}
}
