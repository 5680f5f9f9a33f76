package diagnosis

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

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

// probeWhy is a decoded probe failure. field is below the probe, path below the container and goes first; proof is the
// line of the log that shows it.
type probeWhy struct{ detail, text, fix, field, path, proof string }

var (
	statusCode = regexp.MustCompile(`statuscode: (\d+)`)
	tlsAnswer  = regexp.MustCompile(`malformed HTTP response "\\x15\\x03`)
	plainToTLS = regexp.MustCompile(`HTTP response to HTTPS client|does not look like a TLS handshake`)
	timedOut   = regexp.MustCompile(`(?i)deadline exceeded|Client\.Timeout|timed out|timeout`)
	noRoute    = regexp.MustCompile(`(?i)no route to host|i/o timeout|network is unreachable`)
	hungUp     = regexp.MustCompile(`connection reset by peer|EOF$`)
	execLate   = regexp.MustCompile(`^command .*timed out|timeout \S+ exceeded|DeadlineExceeded|: context deadline exceeded$`)
	execNone   = regexp.MustCompile(`executable file not found|exec: "[^"]*": (stat [^:]+: )?no such file or directory|sh: (\d+: |line \d+: )?\S+: (command )?not found`)
)

// decodeProbe says what a probe's error means. The texts are those of Go's HTTP client, of pkg/probe and of the runtimes.
func decodeProbe(c container, p *corev1.Probe, text string) probeWhy {
	words := quote(strings.TrimSuffix(startWrapper.ReplaceAllString(text, ""), ": unknown"))
	_, field := probePort(p)
	switch {
	case p != nil && p.Exec != nil:
		return decodeExec(c, p, text, words)
	case p != nil && p.GRPC != nil:
		return decodeGRPC(c, p, text, words)
	case statusCode.MatchString(text):
		return decodeStatus(p, statusCode.FindStringSubmatch(text)[1])
	case plainToTLS.MatchString(text):
		return probeWhy{detail: "HttpBadRequest, SchemeMismatch", text: words + ": the probe speaks HTTPS and the program answers in plain HTTP", fix: "set the probe's scheme to HTTP", field: "httpGet.scheme"}
	case tlsAnswer.MatchString(text):
		return probeWhy{detail: "HttpBadRequest, SchemeMismatch", text: words + ": the probe speaks plain HTTP and the program answers with TLS", fix: "set the probe's scheme to HTTPS (the kubelet does not check the certificate)", field: "httpGet.scheme"}
	case strings.Contains(text, "malformed HTTP"):
		return probeWhy{detail: "HttpBadRequest, SchemeMismatch", text: words + ": what listens on that port does not speak HTTP/1", fix: "probe the port that speaks HTTP, or use grpc or tcpSocket", field: field}
	case strings.Contains(text, "connection refused"):
		return nobodyListens(c, p, words)
	case strings.Contains(text, "redirects"):
		return probeWhy{detail: "HttpRedirectLoop", text: words + ": the answer sends the kubelet in a circle", fix: "probe a path that the program answers without a redirect", field: "httpGet.path"}
	case noRoute.MatchString(text):
		return probeWhy{detail: "NoRoute", text: words + ": the kubelet's packets do not get an answer from the pod's address", fix: "check the pod network and the firewall of that node; a NetworkPolicy rarely stops the kubelet"}
	case timedOut.MatchString(text):
		return tooSlow(c, words)
	case strings.Contains(text, "strconv.Atoi"):
		return probeWhy{detail: "PortNameUnknown", text: words, fix: "declare the port's name in the container's ports", field: field}
	case hungUp.MatchString(text):
		return probeWhy{detail: "ConnectionClosed", text: words + ": the program accepts the connection and closes it without an answer", fix: "check that the port speaks what the probe asks (HTTPS?), and look into the program's log", field: field}
	}
	return probeWhy{detail: "Other", text: words, fix: "ask the probe's address inside the pod by hand"}
}

// decodeStatus is about a program that answers, but not with a code from 200 to 399 (pkg/probe/http/http.go).
func decodeStatus(p *corev1.Probe, code string) probeWhy {
	path := ""
	if p != nil && p.HTTPGet != nil {
		path = " " + p.HTTPGet.Path
	}
	switch {
	case code == "404":
		return probeWhy{detail: "HttpNotFound", text: "the program answers 404: it does not know the path" + path, fix: "correct the probe's path, or the program's base path", field: "httpGet.path"}
	case code == "401" || code == "403" || code == "407":
		return probeWhy{detail: "HttpAuth", text: "the program answers " + code + ": the path" + path + " asks for a login", fix: "probe a path that needs no login", field: "httpGet.path"}
	case code == "400" || code == "421" || code == "426":
		text, fix := "it speaks HTTPS, or it refuses the pod's address as host name", "set the probe's scheme to what the program speaks, or let the program accept any Host header on that path"
		if p != nil && p.HTTPGet != nil && p.HTTPGet.Scheme == corev1.URISchemeHTTPS {
			text, fix = "it refuses the request, for instance the pod's address as host name", "let the program accept any Host header on that path"
		}
		return probeWhy{detail: "HttpBadRequest", text: "the program answers " + code + ": " + text, fix: fix, field: "httpGet.scheme"}
	case code[0] == '5':
		return probeWhy{detail: "HttpServerError", text: "the program itself answers " + code, fix: "look into the program's log for what it waits for"}
	}
	return probeWhy{detail: "HttpStatus", text: "the program answers " + code + ", and only 200 to 399 count as success", fix: "probe a path that answers GET with 200", field: "httpGet.path"}
}

// decodeExec is about a probe's command: missing, too slow, or with an exit code other than 0.
func decodeExec(c container, p *corev1.Probe, text, words string) probeWhy {
	command := ""
	if len(p.Exec.Command) > 0 {
		command = p.Exec.Command[0]
	}
	switch {
	case execNone.MatchString(text):
		return probeWhy{detail: "ExecFailed, CommandNotFound", text: words + ": the probe's command is not in the image", fix: fmt.Sprintf("put %s into the image, correct its path, or probe over the network", command), field: "exec.command"}
	case strings.Contains(text, "permission denied") && strings.Contains(text, "exec"):
		return probeWhy{detail: "ExecFailed, CommandNotExecutable", text: words + ": the probe's command may not be executed", fix: "chmod +x the command in the image", field: "exec.command"}
	case execLate.MatchString(text):
		return tooSlow(c, words)
	case strings.TrimSpace(words) == "":
		words = "the command ends with an exit code other than 0 and prints nothing"
	default:
		words = "the command ends with an exit code other than 0 and prints: " + words
	}
	return probeWhy{detail: "ExecFailed", text: words, fix: "run the probe's command inside the container by hand; it must exit 0", field: "exec.command"}
}

// decodeGRPC is about the gRPC health service (pkg/probe/grpc/grpc.go). The kubelet speaks it without TLS only, and
// reports a refused connection as a timeout where the library keeps trying.
func decodeGRPC(c container, p *corev1.Probe, text, words string) probeWhy {
	switch {
	case strings.Contains(text, "NOT_SERVING"):
		return probeWhy{detail: "GrpcNotServing", text: "the program says NOT_SERVING", fix: "look into the program's log for what it waits for"}
	case strings.Contains(text, "does not implement the grpc health"):
		return probeWhy{detail: "GrpcUnimplemented", text: "the program speaks gRPC, but has no gRPC health service", fix: "register the health service (grpc.health.v1.Health), or probe by TCP or HTTP", field: "grpc"}
	case strings.Contains(text, "code = NotFound"), strings.Contains(text, "SERVICE_UNKNOWN"):
		service := ""
		if p.GRPC.Service != nil {
			service = *p.GRPC.Service
		}
		return probeWhy{detail: "GrpcServiceUnknown", text: fmt.Sprintf("the program's health service does not know a service %q", service), fix: "correct grpc.service, or leave it out to ask for the whole server", field: "grpc.service"}
	case strings.Contains(text, "server preface"), strings.Contains(text, "frame too large"), strings.Contains(text, "looked like an HTTP/1.1 header"), strings.Contains(text, "unexpected HTTP status code"), strings.Contains(text, "unexpected content-type"):
		return probeWhy{detail: "GrpcNotSpoken", text: words + ": what listens on that port does not speak gRPC without TLS", fix: "probe the port that speaks gRPC, or use httpGet or tcpSocket for this one; the kubelet's gRPC probe cannot use TLS", field: "grpc.port"}
	case strings.Contains(text, "connection refused"):
		return nobodyListens(c, p, words)
	case strings.Contains(text, "failed to connect"):
		return probeWhy{detail: "GrpcNotSpoken", text: fmt.Sprintf("%s: no gRPC connection to port %d came about; nothing listens there, or it does not speak gRPC without TLS", words, p.GRPC.Port),
			fix: "check which port speaks gRPC; the kubelet's gRPC probe cannot use TLS, httpGet can", field: "grpc.port"}
	case timedOut.MatchString(text):
		return tooSlow(c, words)
	}
	return probeWhy{detail: "Other", text: words, fix: "ask the health service inside the pod by hand", field: "grpc"}
}

// tooSlow is about an answer that comes later than the probe waits; a CPU limit is the usual reason besides the work.
func tooSlow(c container, words string) probeWhy {
	why := probeWhy{detail: "ProbeTimeout", text: words + ": the answer takes longer than the probe waits", fix: "raise timeoutSeconds (the default is 1)", field: "timeoutSeconds"}
	if cpu := c.spec.Resources.Limits.Cpu(); !cpu.IsZero() {
		why.text += "; the container may use " + cpu.String() + " CPU"
		why.fix += ", or resources.limits.cpu if the program is throttled"
	}
	return why
}

// nobodyListens compares the port that nothing listens on with those that the container declares.
func nobodyListens(c container, p *corev1.Probe, words string) probeWhy {
	port, field := probePort(p)
	why := probeWhy{detail: "ConnectionRefused", text: words + ": nothing listens on that port of the pod's address", fix: "check that the program listens on that port on all addresses (0.0.0.0), not on 127.0.0.1", field: field}
	number := portNumber(c.spec, port)
	known := len(c.spec.Ports) == 0 || number == 0
	for _, p := range c.spec.Ports {
		known = known || int(p.ContainerPort) == number
	}
	if !known {
		why.detail += ", ProbePortMismatch"
		why.text = fmt.Sprintf("%s: nothing listens on port %d, and the container declares %d", words, number, c.spec.Ports[0].ContainerPort)
		why.fix = fmt.Sprintf("probe port %d, or let the program listen on %d", c.spec.Ports[0].ContainerPort, number)
	}
	return why
}
