package diagnosis

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// listener is one address that a program says it listens on.
type listener struct {
	host string // 127.0.0.1, localhost, 0.0.0.0, ::, *; empty: all addresses, or not said
	port int
	line string
}

// local reports whether only the pod itself can reach the address. A name alone is what many programs print although
// they listen everywhere; it counts because nobody reached the port.
func (l listener) local() bool {
	ip := net.ParseIP(l.host)
	return strings.EqualFold(l.host, "localhost") || ip != nil && ip.IsLoopback()
}

func (l listener) String() string { return net.JoinHostPort(l.host, strconv.Itoa(l.port)) }

var (
	// announces is how servers begin to say where they listen: Go, Flask, Uvicorn, Gunicorn, Django, Node, Next.js, Vite,
	// Spring, Jetty, Quarkus, Ktor, .NET, Puma, Rocket, Actix, Phoenix, PHP, PostgreSQL.
	announces = regexp.MustCompile(`(?i)\b(?:listening|listens|listener|serving|running|started|starting|launched|responding|server|available|access|local|network|bound)\b`)
	// address is what follows: a URL, host:port, or a port alone.
	address = regexp.MustCompile(`(?i)(?:https?|tcp|grpc|h2c)://(\[[0-9a-f:]*\]|[\w.*-]+):(\d{2,5})\b|(\[[0-9a-f:]*\]|\d{1,3}(?:\.\d{1,3}){3}|\blocalhost|\*|(?:^|[\s"'=]))[:](\d{2,5})\b|\bport(?:\(s\)|s)?["']?[ :=]+["']?(\d{2,5})\b|\blistening on (\d{2,5})(?:[^\d.]|$)`)
	// clock is what in a line looks like a port and is a time.
	clock = regexp.MustCompile(`\d{1,2}:\d\d:\d\d(?:[.,]\d+)?`)
	// postgresHost is the address in: listening on IPv4 address "127.0.0.1", port 5432.
	postgresHost = regexp.MustCompile(`address "([^"]+)", port`)
	// outward lines are about other servers, or about a failure to listen.
	outward = regexp.MustCompile(`(?i)\b(connect(ed|ing|ion)?|upstream|proxy(ing)?|forward(ing)?|dial(ing)?|database|broker|redis|waiting for|refused|failed|error|in use|denied)\b`)
	// aside are servers that a program has beside the one that matters.
	aside = regexp.MustCompile(`(?i)metrics|prometheus|admin|pprof|debug|management|telemetry|profil`)
	// everywhere is how Flask says that the addresses which follow are all of them.
	everywhere  = regexp.MustCompile(`(?i)all addresses|0\.0\.0\.0|\[::\]`)
	contextPath = regexp.MustCompile(`with context path '(/[^']+)'`)
	// plainAsked is how Go's and nginx's TLS servers tell that somebody asked in plain HTTP.
	plainAsked = regexp.MustCompile(`(?i)client sent an HTTP request to an HTTPS server|plain HTTP request (was )?sent to HTTPS port|ssl3?_(get|read).*http request`)
	wrongHost  = regexp.MustCompile(`(?i)Invalid HTTP_HOST header|DisallowedHost|Blocked hosts?:`)
)

// listeners finds in a log where a program says that it listens, in the order of the log.
func listeners(lines []string) []listener {
	var found []listener
	for _, line := range lines {
		text := clock.ReplaceAllString(wording.Plain(line), "")
		at := announces.FindStringIndex(text)
		if at == nil || outward.MatchString(text) {
			continue
		}
		for _, m := range address.FindAllStringSubmatch(text[at[0]:], -1) {
			l := listener{host: strings.Trim(m[1]+m[3], "[] \t\"'="), line: strings.TrimSpace(wording.Plain(line))}
			l.port, _ = strconv.Atoi(m[2] + m[4] + m[5] + m[6])
			if p := postgresHost.FindStringSubmatch(text); p != nil {
				l.host = p[1]
			}
			if l.port > 0 && l.port < 1<<16 && !slices.Contains(found, l) {
				found = append(found, l)
			}
		}
	}
	return found
}

// whyProbe decodes a probe's error and looks into the log for what it says about it: where the program listens, which
// base path it has, whose requests it refuses.
func (s *facts) whyProbe(c container, p *corev1.Probe, text string) probeWhy {
	why := decodeProbe(c, p, text)
	lines := s.logOf(c)
	if p == nil || len(lines) == 0 {
		return why
	}
	switch {
	case strings.HasPrefix(why.detail, "ConnectionRefused"), why.detail == "GrpcNotSpoken" && !strings.Contains(text, "preface"):
		s.comparePorts(&why, c, p, lines)
	case why.detail == "HttpNotFound" && p.HTTPGet != nil:
		if base, line := lastMatch(contextPath, lines); base != "" && !within(strings.TrimSuffix(p.HTTPGet.Path, "/"), base) && !strings.HasPrefix(p.HTTPGet.Path, base+"/") {
			why.text += "; its log says that its base path is " + quote(base)
			why.fix = "probe " + quote(base) + "/" + strings.TrimPrefix(p.HTTPGet.Path, "/")
			why.proof = line
		}
	case why.detail == "HttpBadRequest" || why.detail == "HttpAuth":
		if found, line := lastMatch(plainAsked, lines); found != "" && p.HTTPGet != nil && p.HTTPGet.Scheme != corev1.URISchemeHTTPS {
			why.detail, why.proof = "HttpBadRequest, SchemeMismatch", line
			why.text = strings.Split(why.text, ":")[0] + ": its log says that this port speaks HTTPS and was asked in plain HTTP"
			why.fix, why.field = "set the probe's scheme to HTTPS (the kubelet does not check the certificate)", "httpGet.scheme"
			return why
		}
		if found, line := lastMatch(wrongHost, lines); found != "" {
			why.detail += ", HostRejected"
			why.text = strings.Split(why.text, ":")[0] + ": its log says that it refuses the Host header, which is the pod's address when the kubelet asks"
			why.fix, why.field, why.proof = "let the program accept any host on that path, or set a Host header in httpGet.httpHeaders", "httpGet", line
		}
	}
	return why
}

// lastMatch is what a pattern finds in the last line that it matches: its group, or else the whole, and that line.
func lastMatch(pattern *regexp.Regexp, lines []string) (found, line string) {
	for _, l := range lines {
		if m := pattern.FindStringSubmatch(l); m != nil {
			found, line = m[len(m)-1], strings.TrimSpace(wording.Plain(l))
			if found == "" {
				found = m[0]
			}
		}
	}
	return found, line
}

// comparePorts compares the port that refused the probe with the addresses that the program says it listens on.
func (s *facts) comparePorts(why *probeWhy, c container, p *corev1.Probe, lines []string) {
	port, field := probePort(p)
	number := portNumber(c.spec, port)
	said := listeners(lines)
	if number == 0 || len(said) == 0 || probeHost(p) {
		return
	}
	head, _, _ := strings.Cut(why.detail, ",")
	begin := "connection refused"
	if head != "ConnectionRefused" {
		begin = "no gRPC connection came about"
	}
	here := slices.DeleteFunc(slices.Clone(said), func(l listener) bool { return l.port != number })
	open := func(l listener) bool { return !l.local() }
	switch {
	case len(here) > 0 && !slices.ContainsFunc(here, open) && !slices.ContainsFunc(lines, everywhere.MatchString):
		l := here[len(here)-1]
		why.detail, why.proof = head+", BoundToLoopback", l.line
		why.text = fmt.Sprintf(begin+"; the program says that it listens on %s, which only the pod itself can reach: the kubelet asks the pod's address", l)
		why.fix = fmt.Sprintf("let the program listen on all addresses: 0.0.0.0:%d or [::]:%d", number, number)
		why.path = boundBy(c.spec)
	case len(here) == 0:
		others := slices.DeleteFunc(slices.Clone(said), func(l listener) bool { return aside.MatchString(l.line) })
		if len(others) == 0 {
			return
		}
		var ports []string
		for _, l := range others {
			if text := strconv.Itoa(l.port); !slices.Contains(ports, text) {
				ports = append(ports, text)
			}
		}
		why.detail, why.proof, why.field = head+", ProbePortMismatch", others[len(others)-1].line, field
		why.text = fmt.Sprintf(begin+": the probe asks port %d, and the program says that it listens on %s", number, list(ports))
		why.fix = fmt.Sprintf("probe port %s, or let the program listen on %d", ports[0], number)
	}
}

// probeHost reports whether a probe asks another address than the pod's.
func probeHost(p *corev1.Probe) bool {
	return p.HTTPGet != nil && p.HTTPGet.Host != "" || p.TCPSocket != nil && p.TCPSocket.Host != ""
}

// boundBy is the field of a container that tells the program to listen on the loopback address; empty when none does.
func boundBy(c corev1.Container) string {
	loopback := func(text string) bool {
		return strings.Contains(text, "127.0.0.1") || strings.Contains(text, "localhost") || strings.Contains(text, "[::1]")
	}
	for _, e := range c.Env {
		name := strings.ToUpper(e.Name)
		asks := strings.Contains(name, "HOST") || strings.Contains(name, "LISTEN") || strings.Contains(name, "BIND") || strings.Contains(name, "ADDR") || strings.Contains(name, "URLS")
		if asks && loopback(e.Value) && !aside.MatchString(name) {
			return fmt.Sprintf("env[name=%s].value", e.Name)
		}
	}
	for i, a := range c.Args {
		if loopback(a) {
			return fmt.Sprintf("args[%d]", i)
		}
	}
	for i, a := range c.Command {
		if loopback(a) {
			return fmt.Sprintf("command[%d]", i)
		}
	}
	return ""
}
