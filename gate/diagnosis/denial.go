package diagnosis

import (
	"fmt"
	"iter"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

// denial is the API server's refusal in our words.
type denial struct {
	code, detail, cause string
	fix                 []string
	field               string // inside the pod's spec; empty when the whole document is meant
}

// denied words what admission says.
func denied(m messages.Denial) denial {
	d := denial{code: m.Code, detail: m.Name}
	switch m.Code {
	case "AdmissionWebhookDown":
		d.cause = fmt.Sprintf("admission webhook %s does not answer, and the API server refuses to go on without it: %s", m.Name, quote(m.Words))
		d.fix = []string{"repair the service behind webhook " + m.Name + "; the manifest is not to blame", "if it may be skipped, set its failurePolicy to Ignore"}
	case "AdmissionDenied":
		d.cause, d.field = fmt.Sprintf("admission %s %s denies it: %s", m.By, m.Name, quote(m.Words)), m.Field
		d.fix = []string{"change what the policy names, or ask its owner for an exception"}
	case "PodSecurityViolation":
		d.cause, d.field = fmt.Sprintf("the namespace enforces pod security level %s: %s", m.Name, quote(m.Words)), "securityContext"
		d.fix = []string{"set the named securityContext fields", "or deploy into a namespace with a lower level"}
	case "QuotaExceeded":
		d.cause, d.field = "quota "+m.Name+" has no room: "+shortages(m.Shortages).String(), "containers"
		d.fix = []string{"raise quota " + m.Name + ", or lower requests or replicas"}
		if !shortages(m.Shortages).ofPods() {
			d.fix, d.field = []string{"raise quota " + m.Name + ", or ask for less of what it counts"}, ""
		}
	case "QuotaNeedsResources":
		d.cause, d.field = fmt.Sprintf("quota %s counts resources that the pod does not state: %s", m.Name, quote(m.Words)), "containers"
		d.fix = []string{"set the named resources on every container", "or give the namespace a LimitRange with defaults"}
	case "LimitRangeViolation":
		d.detail, d.cause = sayBounds(m)
		d.fix, d.field = []string{"bring the container's resources into that range"}, "containers"
	case "ServiceAccountMissing":
		d.cause, d.field = fmt.Sprintf("service account %s does not exist in namespace %s", m.Name, m.Namespace), "serviceAccountName"
		d.fix = []string{"create service account " + m.Name + ", or correct serviceAccountName"}
	case "PriorityClassMissing":
		d.cause, d.field = fmt.Sprintf("priority class %s does not exist", m.Name), "priorityClassName"
		d.fix = []string{"create the PriorityClass, or correct priorityClassName"}
	case "RuntimeClassMissing":
		d.cause, d.field = fmt.Sprintf("runtime class %s does not exist", m.Name), "runtimeClassName"
		d.fix = []string{"create the RuntimeClass, or correct runtimeClassName"}
	}
	return d
}

// narrowed is the field, inside a pod's spec, of the first container there that the words name; empty when they name
// none, or only such as were injected.
func narrowed(m messages.Denial, spec *corev1.PodSpec) string {
	field := map[string]string{"PodSecurityViolation": "securityContext", "QuotaNeedsResources": "resources"}[m.Code]
	for _, name := range m.Containers {
		for list, c := range declared(spec) {
			if c.Name == name {
				return fmt.Sprintf("%s[name=%s].%s", list, name, field)
			}
		}
	}
	return ""
}

// declared are the containers of a pod's spec, each with the list that it stands in. Ephemeral ones are in no manifest.
func declared(spec *corev1.PodSpec) iter.Seq2[string, corev1.Container] {
	return func(yield func(string, corev1.Container) bool) {
		for _, c := range spec.Containers {
			if !yield("containers", c) {
				return
			}
		}
		for _, c := range spec.InitContainers {
			if !yield("initContainers", c) {
				return
			}
		}
	}
}
