package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
)

// denial is the API server's refusal, decoded. The same words come back from our own write and, when a controller is
// refused, from a FailedCreate event.
type denial struct {
	code, detail, cause string
	fix                 []string
	field               string // inside the pod's spec; empty when the whole document is meant
}

var (
	quotaExceeded = regexp.MustCompile(`exceeded quota: ([^,]+), requested: (\S+), used: (\S+), limited: (\S+)`)
	quotaNeeds    = regexp.MustCompile(`failed quota: ([^:]+): must specify (.+)$`)
	podSecurity   = regexp.MustCompile(`violates PodSecurity "([^":]+)[^"]*": (.+)$`)
	quotedName    = regexp.MustCompile(`containers? "([^"]+)"`)
	webhookDenied = regexp.MustCompile(`(?s)admission webhook "([^"]+)" denied the request:? ?(.*)`)
	policyDenied  = regexp.MustCompile(`(?s)ValidatingAdmissionPolicy '([^']+)'(?: with binding '[^']*')? denied request: (.*)`)
	webhookDown   = regexp.MustCompile(`failed calling webhook "([^"]+)"`)
	noAccount     = regexp.MustCompile(`error looking up service account ([^/\s]+)/([^:\s]+): .*not found`)
	noPriority    = regexp.MustCompile(`no PriorityClass with name (\S+) was found`)
	noRuntime     = regexp.MustCompile(`RuntimeClass "([^"]+)" not found`)
)

// denials are the decoders, tried in this order; plugin/pkg/admission and pod-security-admission of Kubernetes write
// the texts. A policy that a webhook enforces may quote any of the others, so the webhooks come first.
var denials = []struct {
	text   *regexp.Regexp
	decode func(m []string) denial
}{
	{webhookDown, func(m []string) denial {
		return denial{"AdmissionWebhookDown", m[1], fmt.Sprintf("admission webhook %s does not answer, and the API server refuses to go on without it: %s", m[1], quote(m[0])),
			[]string{"repair the service behind webhook " + m[1] + "; the manifest is not to blame", "if it may be skipped, set its failurePolicy to Ignore"}, ""}
	}},
	{webhookDenied, func(m []string) denial {
		return denial{"AdmissionDenied", m[1], fmt.Sprintf("admission webhook %s denies it: %s", m[1], quote(m[2])), []string{"change what the policy names, or ask its owner for an exception"}, policyField(m[2])}
	}},
	{policyDenied, func(m []string) denial {
		return denial{"AdmissionDenied", m[1], fmt.Sprintf("admission policy %s denies it: %s", m[1], quote(m[2])), []string{"change what the policy names, or ask its owner for an exception"}, policyField(m[2])}
	}},
	{podSecurity, decodePodSecurity},
	{quotaExceeded, func(m []string) denial {
		return decodeQuota(m)
	}},
	{quotaNeeds, func(m []string) denial {
		return denial{"QuotaNeedsResources", m[1], fmt.Sprintf("quota %s counts resources that the pod does not state: %s", m[1], quote(m[2])),
			[]string{"set the named resources on every container, or a LimitRange with defaults"}, containerField(m[2], "resources")}
	}},
	{limitRange, decodeLimitRange},
	{noAccount, func(m []string) denial {
		return denial{"ServiceAccountMissing", m[2], fmt.Sprintf("service account %s does not exist in namespace %s", m[2], m[1]),
			[]string{"create service account " + m[2] + ", or correct serviceAccountName"}, "serviceAccountName"}
	}},
	{noPriority, func(m []string) denial {
		return denial{"PriorityClassMissing", m[1], fmt.Sprintf("priority class %s does not exist", m[1]),
			[]string{"create the PriorityClass, or correct priorityClassName"}, "priorityClassName"}
	}},
	{noRuntime, func(m []string) denial {
		return denial{"RuntimeClassMissing", m[1], fmt.Sprintf("runtime class %s does not exist", m[1]),
			[]string{"create the RuntimeClass, or correct runtimeClassName"}, "runtimeClassName"}
	}},
}

// decodeDenial finds the decoder for a text; ok is false for words that are not known.
func decodeDenial(text string) (d denial, ok bool) {
	for _, c := range denials {
		if m := c.text.FindStringSubmatch(text); m != nil {
			if c.text == webhookDown || c.text == limitRange {
				m[0] = text
			}
			return c.decode(m), true
		}
	}
	return denial{}, false
}

// decodePodSecurity points at the first container that the text names.
func decodePodSecurity(m []string) denial {
	return denial{"PodSecurityViolation", m[1], fmt.Sprintf("the namespace enforces pod security level %s: %s", m[1], quote(m[2])),
		[]string{"set the named securityContext fields", "or deploy into a namespace with a lower level"}, containerField(m[2], "securityContext")}
}

// policyPath finds a field of the pod in the words of a policy, whether it writes spec.containers[0].image or
// /spec/template/spec/containers/0/image.
var policyPath = regexp.MustCompile(`spec[./](?:template[./]spec[./])?((?:containers|initContainers|volumes|securityContext|serviceAccountName|hostNetwork|hostPID|hostIPC|nodeSelector|tolerations)(?:\[[^\]\s]+\]|[./][A-Za-z0-9]+)*)`)

func policyField(text string) string {
	m := policyPath.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	path := ""
	for _, step := range strings.Split(strings.ReplaceAll(m[1], "/", "."), ".") {
		switch {
		case step != "" && strings.Trim(step, "0123456789") == "":
			path += "[" + step + "]"
		case path == "":
			path = step
		default:
			path += "." + step
		}
	}
	return path
}

// containerField is the field of the first container that a text names, or of the pod.
func containerField(text, field string) string {
	if m := quotedName.FindStringSubmatch(text); m != nil {
		return "containers[name=" + m[1] + "]." + field
	}
	if _, names, ok := strings.Cut(text, " for: "); ok { // must specify limits.cpu for: app; limits.memory for: app,log
		if i := strings.IndexAny(names, ",; "); i > 0 {
			names = names[:i]
		}
		return "containers[name=" + names + "]." + field
	}
	if field == "resources" {
		return "containers"
	}
	return field
}
