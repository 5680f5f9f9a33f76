package diagnosis

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

// sayBounds says what the LimitRange asks and what it was given; detail is the first resource.
func sayBounds(m messages.Denial) (detail, cause string) {
	if len(m.Bounds) == 0 {
		return "", "the namespace's LimitRange forbids it: " + quote(m.Words)
	}
	var texts []string
	for _, b := range m.Bounds {
		texts = append(texts, sayBound(b))
	}
	return m.Bounds[0].Resource, "the namespace's LimitRange forbids it: " + list(texts)
}

func sayBound(b messages.Bound) string {
	if b.Kind == "ratio" {
		return fmt.Sprintf("the %s limit may be at most %s times the request per %s, but %s", b.Resource, b.Allowed, b.Per, quote(b.Given))
	}
	word := "at most "
	if b.Kind == "minimum" {
		word = "at least "
	}
	text := fmt.Sprintf("%s per %s must be %s%s", b.Resource, b.Per, word, b.Allowed)
	if b.Given == "" {
		return text + ", and no " + b.Of + " is set"
	}
	return text + fmt.Sprintf(", and the %s is %s", b.Of, b.Given)
}

// limited points at the container whose value a LimitRange does not take, if the template has exactly one such.
func (s *facts) limited(f *Finding, bounds []messages.Bound) {
	if len(bounds) == 0 || s.template == nil {
		return
	}
	names, path := []string{}, ""
	for list, c := range declared(&s.template.Spec) {
		if breaks(c, bounds[0]) {
			names, path = append(names, c.Name), fmt.Sprintf("%s.%s[name=%s].resources", s.podPath, list, c.Name)
		}
	}
	if len(names) != 1 {
		return
	}
	f.Container, f.FieldPath = names[0], path
	if bounds[0].Of != "" {
		f.FieldPath += "." + bounds[0].Of + "s." + bounds[0].Resource // limits.cpu
	}
	f.Cause += "; that is container " + f.Container
}

// breaks reports whether a container has the value, or lacks it, that the bound is about.
func breaks(c corev1.Container, b messages.Bound) bool {
	if b.Per != "Container" {
		return false
	}
	name := corev1.ResourceName(b.Resource)
	if b.Kind == "ratio" {
		_, limited := c.Resources.Limits[name]
		return limited
	}
	has, ok := map[string]corev1.ResourceList{"limit": c.Resources.Limits, "request": c.Resources.Requests}[b.Of][name]
	if b.Given == "" {
		return !ok
	}
	q, err := resource.ParseQuantity(b.Given)
	return ok && err == nil && q.Cmp(has) == 0
}
