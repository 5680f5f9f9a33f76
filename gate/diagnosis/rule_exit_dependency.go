package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var (
	// dependency is how programs of many languages say that somebody else does not answer, or not yet.
	dependency = regexp.MustCompile(`(?i)connection refused|ECONNREFUSED|connection to \S+ refused|connection reset by peer|ECONNRESET|no such host|ENOTFOUND|EAI_AGAIN|name or service not known|name does not resolve|temporary failure in name resolution|nodename nor servname|UnknownHostException|host not found in upstream|i/o timeout|ETIMEDOUT|context deadline exceeded|connection timed out|connect timed out|could not connect to server|failed to connect to|can't connect to|no route to host|EHOSTUNREACH|network is unreachable|NoBrokersAvailable|broker transport failure|the database system is starting up|password authentication failed|access denied for user|waiting for (the )?(database|db|redis|kafka|rabbit|postgres|mysql)`)
	hostPort   = regexp.MustCompile(`\b([a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?:\d{2,5})\b`)
	lookup     = regexp.MustCompile(`(?i)(?:lookup|ENOTFOUND|EAI_AGAIN|translate host name|UnknownHostException:?|running on host|server at|in upstream|connect to MySQL server on) ["']?([a-zA-Z0-9][a-zA-Z0-9.-]*)`)
)

// depends reports whether last words are about somebody else who does not answer, and who that is, if they say so.
func depends(words string) (host string, ok bool) {
	if !dependency.MatchString(words) {
		return "", false
	}
	return named(words), true
}

// named is the host that a text is about.
func named(text string) string {
	if m := lookup.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	if m := hostPort.FindAllStringSubmatch(text, -1); m != nil {
		return m[len(m)-1][1] // dial tcp 10.0.0.7:51234->10.0.0.9:5432: the other end is the last
	}
	return ""
}

// soften gives a program time that only misses somebody who may be on the way, and says who: until the timeout nobody
// knows whether it comes. A mistake in the host's name looks the same, so that the name is pointed at.
func (s *facts) soften(f *Finding, e exit, words string) bool {
	host, ok := depends(words)
	if !ok {
		return false
	}
	if host == "" {
		if host = s.hostAround(e.container, e.times > 0); host != "" {
			f.Cause += " (to " + host + ")"
		}
	}
	f.Detail = strings.TrimPrefix(f.Detail+", DependencyUnavailable", ", ")
	decided := f.Terminal == TerminalAfter
	if decided {
		f.Terminal = TerminalTimeout
	}
	if host == "" {
		f.Fix = append([]string{"check that what it depends on is up and reachable from this namespace"}, f.Fix...)
		return true
	}
	f.Fix = append([]string{"check that " + host + " is right, up and reachable from this namespace"}, f.Fix...)
	name, _, _ := strings.Cut(host, ":")
	for _, v := range e.spec.Env {
		if strings.Contains(v.Value, name) {
			f.FieldPath = s.field(e.container, fmt.Sprintf("env[name=%s].value", v.Name))
			// This rollout set the host, so that a mistake is more likely than somebody who is late; two attempts more are
			// five minutes of back-off.
			if decided && s.previous != nil && s.touches(f.FieldPath) && !s.comes(name) {
				f.Terminal, f.Attempts = TerminalAfter, f.Attempts+2
			}
		}
	}
	if service := s.serviceOf(name); service != "" && s.Services != nil && !s.hasService(service) {
		f.Cause += fmt.Sprintf("; namespace %s has no Service %s%s", e.pod.Namespace, service, meant(service, s.serviceNames()))
		f.Fix[0] = fmt.Sprintf("correct the host %s, or create a Service of that name in namespace %s", host, e.pod.Namespace)
	}
	return true
}

// touches reports whether this rollout changed a field.
func (s *facts) touches(path string) bool {
	return slices.ContainsFunc(s.changes(), func(c Change) bool { return within(c.Path, path) || within(path, c.Path) })
}

// comes reports whether a host is something that the same run applies.
func (s *facts) comes(host string) bool {
	name, _, _ := strings.Cut(host, ".")
	return slices.ContainsFunc(s.Together, func(r manifest.Ref) bool { return r.Name == name })
}

// hostAround looks for the host in the lines around the last words: the root of a chain of errors often is a bare
// "Connection refused", and the error that wraps it knows to whom.
func (s *facts) hostAround(c container, ended bool) string {
	for _, line := range s.linesAround(c, ended) {
		if messages.IsFrame(line) || strings.HasPrefix(line, "\t") && hostPort.MatchString(line) && strings.Contains(line, ".go:") {
			continue
		}
		if host, ok := depends(line); ok && host != "" {
			return host
		}
	}
	return ""
}

// serviceOf is the Service of the pod's own namespace that a host name means; empty when it means something else.
func (s *facts) serviceOf(host string) string {
	name, rest, _ := strings.Cut(host, ".")
	if name == "" || name == "localhost" || strings.Trim(host, "0123456789.") == "" {
		return ""
	}
	ns := s.w.Ref.Namespace
	if rest == "" || rest == ns || rest == ns+".svc" || rest == ns+".svc.cluster.local" {
		return name
	}
	return ""
}

func (s *facts) serviceNames() []string {
	var names []string
	for _, v := range s.Services {
		names = append(names, v.Name)
	}
	return names
}

func (s *facts) hasService(name string) bool {
	for _, v := range s.Services {
		if v.Name == name {
			return true
		}
	}
	return false
}
