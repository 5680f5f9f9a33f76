package diagnosis

import (
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// The words of a LimitRange (plugin/pkg/admission/limitranger). Up to 1.12 they began with a capital letter.
var (
	limitRange  = regexp.MustCompile(`(?:[Mm]aximum|[Mm]inimum) \S+ usage per (?:Container|Pod|PersistentVolumeClaim) is |\S+ max limit to request ratio per (?:Container|Pod) is `)
	limitBound  = regexp.MustCompile(`([Mm]aximum|[Mm]inimum) (\S+) usage per (\S+) is ([^\s,]+?)(?:, but (limit|request) is ([^\s,\]]+?)|\.\s+No (limit|request) is specified)(?:[.,\]]|$)`)
	limitRatio  = regexp.MustCompile(`(\S+) max limit to request ratio per (\S+) is ([^\s,]+), but ([^,\]]+?)(?:[,\]]|$)`)
	limitMember = map[string]string{"limit": "limits", "request": "requests"}
)

// bound is one value that a LimitRange does not take.
type bound struct {
	resource, per string // cpu, Container
	member, value string // limits or requests, and what was asked for; empty when nothing was
	text          string
}

// readBounds reads the sentences of a LimitRange. Values are quantities as the API server prints them.
func readBounds(text string) []bound {
	var bounds []bound
	for _, m := range limitBound.FindAllStringSubmatch(text, -1) {
		b := bound{resource: m[2], per: m[3], member: limitMember[m[5]], value: m[6]}
		word := "at most "
		if m[1][1:] == "inimum" {
			word = "at least "
		}
		b.text = fmt.Sprintf("%s per %s must be %s%s, and the %s is %s", m[2], m[3], word, m[4], m[5], m[6])
		if m[5] == "" {
			b.member = limitMember[m[7]]
			b.text = fmt.Sprintf("%s per %s must be %s%s, and no %s is set", m[2], m[3], word, m[4], m[7])
		}
		bounds = append(bounds, b)
	}
	for _, m := range limitRatio.FindAllStringSubmatch(text, -1) {
		bounds = append(bounds, bound{resource: m[1], per: m[2], text: fmt.Sprintf("the %s limit may be at most %s times the request per %s, but %s", m[1], m[3], m[2], quote(m[4]))})
	}
	return bounds
}

// decodeLimitRange says what the LimitRange asks and what it was given.
func decodeLimitRange(m []string) denial {
	d := denial{"LimitRangeViolation", "", "the namespace's LimitRange forbids it: " + quote(m[0]), []string{"bring the container's resources into that range"}, "containers"}
	bounds := readBounds(m[0])
	if len(bounds) == 0 {
		return d
	}
	var texts []string
	for _, b := range bounds {
		texts = append(texts, b.text)
	}
	d.detail = bounds[0].resource
	d.cause = "the namespace's LimitRange forbids it: " + list(texts)
	return d
}

// limited points at the container whose value a LimitRange does not take, if the template has exactly one such.
func (s *facts) limited(f *Finding, text string) {
	bounds := readBounds(text)
	if len(bounds) == 0 || s.template == nil {
		return
	}
	var at []corev1.Container
	for _, c := range s.template.Spec.Containers {
		if bounds[0].matches(c) {
			at = append(at, c)
		}
	}
	if len(at) != 1 {
		return
	}
	f.Container = at[0].Name
	f.FieldPath = fmt.Sprintf("%s.containers[name=%s].resources", s.podPath, at[0].Name)
	if bounds[0].member != "" {
		f.FieldPath += "." + bounds[0].member + "." + bounds[0].resource
	}
	f.Cause += "; that is container " + at[0].Name
}

// matches reports whether a container has the value, or lacks it, that the bound is about.
func (b bound) matches(c corev1.Container) bool {
	if b.per != "Container" {
		return false
	}
	lists := map[string]corev1.ResourceList{"limits": c.Resources.Limits, "requests": c.Resources.Requests}
	if b.member == "" {
		_, limited := c.Resources.Limits[corev1.ResourceName(b.resource)]
		return limited
	}
	has, ok := lists[b.member][corev1.ResourceName(b.resource)]
	if b.value == "" {
		return !ok
	}
	q, err := resource.ParseQuantity(b.value)
	return ok && err == nil && q.Cmp(has) == 0
}
