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
	Name       string
	By         string   // of AdmissionDenied: webhook or policy
	Namespace  string   // of a service account
	Words      string   // what is wrong, as the one who refuses says it
	Containers []string // those that the words name, init containers among them
	Field      string   // of AdmissionDenied: the field of the pod that the words name, containers[0].image
	Shortages  []Shortage
	Bounds     []Bound
}

var (
	podSecurity   = regexp.MustCompile(`violates PodSecurity "([^":]+)[^"]*": (.+)$`)
	quotedNames   = regexp.MustCompile(`containers? "([^"]+(?:", "[^"]+)*)"`)
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
		return Denial{Name: m[1], Words: m[2], Containers: quotedContainers(m[2])}
	}},
	{"QuotaExceeded", quotaExceeded, func(_ string, m []string) Denial {
		return Denial{Name: m[1], Words: m[0], Shortages: shortages(m[2], m[3], m[4])}
	}},
	{"QuotaNeedsResources", quotaNeeds, func(_ string, m []string) Denial {
		return Denial{Name: m[1], Words: m[2], Containers: listedContainers(m[2])}
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

// quotedContainers are the containers that pod security names: containers "web", "log" must set …
func quotedContainers(text string) []string {
	var names []string
	for _, m := range quotedNames.FindAllStringSubmatch(text, -1) {
		names = append(names, strings.Split(m[1], `", "`)...)
	}
	return names
}

// listedContainers are those that a quota names: limits.cpu for: web; limits.memory for: log,web. Older versions name
// none.
func listedContainers(text string) []string {
	var names []string
	for _, part := range strings.Split(text, "; ") {
		if _, list, ok := strings.Cut(part, " for: "); ok {
			names = append(names, strings.Split(list, ",")...)
		}
	}
	return names
}
