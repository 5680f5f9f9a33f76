package messages

import (
	"regexp"
	"strings"
)

// Denial is what an admission plugin, a webhook or a policy says to an object that it does not let pass. The same words
// come back from a write of one's own and, when a controller is refused, from its event FailedCreate.
type Denial struct {
	Code string // the cause that the words mean
	// Name is that of what refuses: the webhook, the policy, the level of pod security, the quota; or of what does not
	// exist: the service account, the priority class, the runtime class. A LimitRange does not tell its name.
	Name      string
	By        string // of AdmissionDenied: webhook or policy
	Namespace string // of a service account
	Words     string // what is wrong, as the one who refuses says it
	Container string // the first one that the words name
	Field     string // of AdmissionDenied: the field of the pod that the words name, containers[0].image
	Shortages []Shortage
	Bounds    []Bound
}

var (
	podSecurity   = regexp.MustCompile(`violates PodSecurity "([^":]+)[^"]*": (.+)$`)
	quotedName    = regexp.MustCompile(`containers? "([^"]+)"`)
	webhookDenied = regexp.MustCompile(`(?s)admission webhook "([^"]+)" denied the request:? ?(.*)`)
	policyDenied  = regexp.MustCompile(`(?s)ValidatingAdmissionPolicy '([^']+)'(?: with binding '[^']*')? denied request: (.*)`)
	webhookDown   = regexp.MustCompile(`failed calling webhook "([^"]+)"`)
	noAccount     = regexp.MustCompile(`error looking up service account ([^/\s]+)/([^:\s]+): .*not found`)
	noPriority    = regexp.MustCompile(`no PriorityClass with name (\S+) was found`)
	noRuntime     = regexp.MustCompile(`RuntimeClass "([^"]+)" not found`)
)

// denialTests tell denials apart, in this order; plugin/pkg/admission and pod-security-admission of Kubernetes write the
// texts. A policy that a webhook enforces may quote any of the others, so the webhooks come first.
var denialTests = []struct {
	code string
	text *regexp.Regexp
	read func(text string, m []string) Denial
}{
	{"AdmissionWebhookDown", webhookDown, func(text string, m []string) Denial { return Denial{Name: m[1], Words: text} }},
	{"AdmissionDenied", webhookDenied, func(_ string, m []string) Denial {
		return Denial{By: "webhook", Name: m[1], Words: m[2], Field: policyField(m[2])}
	}},
	{"AdmissionDenied", policyDenied, func(_ string, m []string) Denial {
		return Denial{By: "policy", Name: m[1], Words: m[2], Field: policyField(m[2])}
	}},
	{"PodSecurityViolation", podSecurity, func(_ string, m []string) Denial {
		return Denial{Name: m[1], Words: m[2], Container: firstContainer(m[2])}
	}},
	{"QuotaExceeded", quotaExceeded, func(_ string, m []string) Denial {
		return Denial{Name: m[1], Words: m[0], Shortages: shortages(m[2], m[3], m[4])}
	}},
	{"QuotaNeedsResources", quotaNeeds, func(_ string, m []string) Denial {
		return Denial{Name: m[1], Words: m[2], Container: firstContainer(m[2])}
	}},
	{"LimitRangeViolation", limitRange, func(text string, _ []string) Denial { return Denial{Words: text, Bounds: bounds(text)} }},
	{"ServiceAccountMissing", noAccount, func(_ string, m []string) Denial {
		return Denial{Namespace: m[1], Name: m[2], Words: m[0]}
	}},
	{"PriorityClassMissing", noPriority, func(_ string, m []string) Denial { return Denial{Name: m[1], Words: m[0]} }},
	{"RuntimeClassMissing", noRuntime, func(_ string, m []string) Denial { return Denial{Name: m[1], Words: m[0]} }},
}

// ParseDenial takes the API server's answer apart; ok is false for words that are not known.
func ParseDenial(text string) (d Denial, ok bool) {
	for _, t := range denialTests {
		if m := t.text.FindStringSubmatch(text); m != nil {
			d = t.read(text, m)
			d.Code = t.code
			return d, true
		}
	}
	return Denial{}, false
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

// firstContainer is the first container that a text names: pod security quotes it, a quota has a list of names, must
// specify limits.cpu for: app; limits.memory for: app,log.
func firstContainer(text string) string {
	if m := quotedName.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	_, names, _ := strings.Cut(text, " for: ")
	if i := strings.IndexAny(names, ",; "); i > 0 {
		names = names[:i]
	}
	return names
}
