package manifest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Error is a manifest that cannot be used. It says where, what, and where possible what to do.
type Error struct {
	Path string // "-" is standard input
	Line int    // counted from 1; 0 if the file as a whole is meant
	Msg  string
	Hint string // empty when there is nothing to advise
}

// Error prints "path:line: msg" and the hint on a line of its own.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(place(e.Path, e.Line))
	b.WriteString(": ")
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("\n  hint: ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// place is the form that editors and CI systems turn into a link.
func place(path string, line int) string {
	if path == stdin {
		path = "<stdin>"
	}
	if line > 0 {
		return fmt.Sprintf("%s:%d", path, line)
	}
	return path
}

const (
	helmHint     = "this looks like a Helm template; render it first: helm template RELEASE CHART | rolloutgate run -f -"
	variableHint = "variables are not replaced in manifests; replace them first: envsubst < FILE | rolloutgate run -f -"
	quotesHint   = "put it in quotes"
	spaceHint    = "the line holds a non-breaking space (U+00A0), which is no space to YAML; was it copied from a web page?"
	emptyHint    = "was a variable empty when the file was made?"
)

// variable matches ${NAME} and $(NAME), the spellings that deploy scripts leave behind.
var variable = regexp.MustCompile(`\$\{[A-Za-z_][^}]*\}|\$\([A-Za-z_][A-Za-z0-9_.]*\)`)

// helmCode matches what only a Helm template holds. Braces alone also occur in alert rules and dashboards.
var helmCode = regexp.MustCompile(
	`\{\{-?\s*(\.(Values|Release|Chart|Files)|include|template|tpl|if|else|end|range|with|define)\b`)

// message matches how the lines begin that programs print beside manifests: warnings of Helm and kubectl, klog's lines, and
// what helm install --dry-run wraps around the manifests.
var message = regexp.MustCompile(`^((?i:warning|error|fatal|info):|[IWEF]\d{4} \d\d:|[a-z_]+\.go:\d+:|level=|time="|(NAME|LAST DEPLOYED|HOOKS|MANIFEST|NOTES):)`)

// messageHint explains a line that was not written for a manifest; empty if it may have been.
func messageHint(line string) string {
	if !message.MatchString(line) {
		return ""
	}
	return "this looks like a message of the program that made the manifests: keep its standard error out of them, and with Helm use helm template"
}

// strayHint explains a line or a text that no manifest has; empty if there is nothing to explain.
func strayHint(line string) string {
	start := strings.ToLower(strings.TrimSpace(line))
	switch hint := unrenderedHint(line); {
	case hint != "":
		return hint
	case strings.HasPrefix(start, "<!doctype"), strings.HasPrefix(start, "<html"), strings.HasPrefix(start, "<?xml"):
		return "this is a web page; did a download fail?"
	}
	return messageHint(line)
}

// unrenderedHint explains text that a template engine should have replaced; empty if there is none.
func unrenderedHint(text string) string {
	switch {
	case strings.Contains(text, "{{"):
		return helmHint
	case variable.MatchString(text):
		return variableHint
	}
	return ""
}

// fileHint explains well-known files that are YAML but no manifests.
func fileHint(path string, doc map[string]any) string {
	group, _, _ := strings.Cut(text(doc["apiVersion"]), "/")
	dir := filepath.Dir(path)
	switch base := filepath.Base(path); {
	case strings.TrimSuffix(strings.TrimSuffix(base, ".yml"), ".yaml") == "kustomization", base == "Kustomization",
		group == "kustomize.config.k8s.io":
		return "this is a kustomization; give its folder with -k " + dir
	case base == "Chart.yaml":
		return "this is a Helm chart; render it first: helm template RELEASE " + dir + " | rolloutgate run -f -"
	case strings.HasPrefix(base, "values") && doc["kind"] == nil:
		return "this looks like the values of a Helm chart, not a manifest"
	case strings.HasPrefix(base, "docker-compose"), strings.HasPrefix(base, "compose."):
		return "this is a Compose file, not a Kubernetes manifest"
	case doc["404"] != nil:
		return "this is an error page; did a download fail?"
	}
	for key := range doc {
		if hint := messageHint(key + ":"); hint != "" {
			return hint
		}
	}
	return ""
}

// text is v if it is a string.
func text(v any) string {
	s, _ := v.(string)
	return s
}
