package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
)

// soften gives a program time that only misses somebody who may be on the way, and says who.
func (s *scene) soften(f *Finding, e exit, words string) {
	host, ok := depends(words)
	if !ok {
		return
	}
	f.Detail += ", DependencyUnavailable"
	f.Attempts += 2 // five restarts take the back-off's five minutes
	f.Fix = append([]string{"check that what it depends on is up and reachable from this namespace"}, f.Fix...)
	if host == "" {
		return
	}
	f.Fix[0] = "check that " + host + " is right, up and reachable from this namespace"
	name, _, _ := strings.Cut(host, ":")
	for _, v := range e.spec.Env {
		if strings.Contains(v.Value, name) {
			f.FieldPath = s.field(e.container, fmt.Sprintf("env[name=%s].value", v.Name))
		}
	}
}

// hints are last words of which the usual remedy is known. They change no verdict.
var hints = []struct {
	detail string
	text   *regexp.Regexp
	fix    string
}{
	{"PermissionDenied", regexp.MustCompile(`bind: permission denied|bind\(\) to .* failed \(13`), "listen on a port above 1023, or add capability NET_BIND_SERVICE"},
	{"PortInUse", regexp.MustCompile(`(?i)address already in use|EADDRINUSE`), "two processes want the same port: containers of a pod share its ports, and with hostNetwork those of the node"},
	{"ReadOnlyFilesystem", regexp.MustCompile(`(?i)read-only file system|EROFS`), "mount an emptyDir at the path that it writes to (readOnlyRootFilesystem is set)"},
	{"AppRbacDenied", regexp.MustCompile(`is forbidden: User "system:serviceaccount:`), "grant the service account what the program asks of the API server"},
	{"PermissionDenied", regexp.MustCompile(`(?i)permission denied|EACCES`), "check securityContext: runAsUser must own the path, or set fsGroup for volumes"},
	{"AppConfigInvalid", regexp.MustCompile(`(?i)environment variable|env var|KeyError|must be set|is not set|is required|missing required|unknown (flag|option|argument)|no such file or directory|yaml:|invalid (config|value)`), "compare its configuration with what this version expects: env, args, mounted files"},
}

// hint adds the remedy for last words that are known.
func hint(f *Finding, words string) {
	for _, h := range hints {
		if h.text.MatchString(words) {
			f.Detail += ", " + h.detail
			f.Fix = append([]string{h.fix}, f.Fix...)
			return
		}
	}
}
