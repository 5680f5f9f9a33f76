package diagnosis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// decodeInvalid is about the object itself being wrong, and about answers that nobody can do anything with.
func decodeInvalid(err error, status metav1.Status, causes []metav1.StatusCause, obj manifest.Object) (denial, string) {
	text := status.Message
	if messages.SaysSelectorMismatch(text) {
		return mismatch(obj)
	}
	if messages.SaysImmutable(text) {
		field := immutableField(causes)
		return denial{"ImmutableFieldChanged", field, fmt.Sprintf("%s cannot be changed in an existing %s", orObject(field), obj.GetKind()), replaceHint(obj.GetKind()), ""}, field
	}
	if words := messages.AllocationFailure(text); words != "" {
		field := "spec.ports"
		if len(causes) > 0 {
			field = messages.FieldPath(causes[0].Field)
		}
		return denial{"ServiceAllocationFailed", field, "the service asks for an address or port that it cannot have: " + quote(words), []string{"choose another nodePort or clusterIP, or leave it to the cluster"}, ""}, field
	}
	if field, ok := messages.UnknownField(text); ok {
		return denial{"SchemaInvalid", field, fmt.Sprintf("field %s does not exist in %s", field, obj.GetKind()), []string{"correct the spelling or the indentation of the field"}, ""}, field
	}
	if field, reason, ok := messages.WrongType(text); ok {
		cause := "field " + field + " is not valid"
		if reason != "" && !secretive(obj) {
			cause += ": " + quote(reason)
		}
		return denial{"SchemaInvalid", field, cause, []string{"correct the field"}, ""}, field
	}
	switch {
	case status.Reason == metav1.StatusReasonInvalid || len(causes) > 0:
		return invalid(status, causes, obj)
	case status.Reason == metav1.StatusReasonBadRequest:
		cause := "the API server cannot read the object"
		if !secretive(obj) {
			cause += ": " + quote(text)
		}
		return denial{"SchemaInvalid", "", cause, []string{"correct the object"}, ""}, ""
	case unavailable(err, status):
		return denial{"ApiUnavailable", "", "the API server did not do it: " + quote(text), []string{"try again; nothing says that the manifest is wrong"}, ""}, ""
	}
	cause := "the API server refuses the object"
	if !secretive(obj) {
		cause += ": " + quote(text)
	}
	return denial{"ApplyRejected", string(status.Reason), cause, []string{"act on the API server's words"}, ""}, ""
}

// isModified reports whether the object changed between a read and the write that rests on it.
func isModified(status metav1.Status) bool {
	return status.Code == 409 && strings.Contains(status.Message, "the object has been modified")
}

// mismatch shows the two label maps side by side.
func mismatch(obj manifest.Object) (denial, string) {
	const field = "spec.template.metadata.labels"
	cause := "the pod template's labels do not match the selector"
	if obj.Unstructured != nil {
		wanted, _, _ := unstructured.NestedStringMap(obj.Object, "spec", "selector", "matchLabels")
		has, _, _ := unstructured.NestedStringMap(obj.Object, "spec", "template", "metadata", "labels")
		cause += fmt.Sprintf(": the selector wants %s, the template has %s", orNothing(wanted), orNothing(has))
	}
	return denial{"SelectorTemplateMismatch", "", cause,
		[]string{"make every label of spec.selector.matchLabels a label of " + field, "the selector of an existing workload cannot change: to change it, give the workload a new name"}, ""}, field
}

func orNothing(m map[string]string) string {
	if len(m) == 0 {
		return "none"
	}
	return quote(labels.Set(m).String())
}

// invalid lists what validation found. Its messages repeat the values, which in a Secret nobody may see and which for
// whole templates fill pages.
func invalid(status metav1.Status, causes []metav1.StatusCause, obj manifest.Object) (denial, string) {
	var words []string
	field := ""
	for _, c := range causes {
		at := messages.FieldPath(c.Field)
		if field == "" {
			field = at
		}
		if secretive(obj) {
			words = append(words, at+" is not valid")
			continue
		}
		words = append(words, at+": "+messages.WithoutValue(c.Message))
	}
	cause := "the object is not valid"
	if len(words) > 0 {
		cause += ": " + quote(strings.Join(words, "; "))
	}
	return denial{"SchemaInvalid", field, cause, []string{"correct the field"}, ""}, field
}

// conflict names who owns the fields that the manifest sets.
func conflict(causes []metav1.StatusCause, text string) (denial, string) {
	var managers, fields []string
	for _, c := range causes {
		fields = union(fields, []string{messages.FieldPath(c.Field)})
		if manager := messages.ConflictingManager(c.Message); manager != "" {
			managers = union(managers, []string{manager})
		}
	}
	if manager := messages.ConflictingManager(text); manager != "" && len(managers) == 0 {
		managers = []string{manager}
	}
	field := ""
	if len(fields) > 0 {
		field = fields[0]
	}
	return denial{"FieldOwnershipConflict", strings.Join(managers, ","), fmt.Sprintf("%s owns %s and has set it to something else", list(managers), list(fields)),
		[]string{"leave the field out of the manifest if " + list(managers) + " should keep it (an autoscaler owns spec.replicas)", "or take it over with --force-conflicts"}, ""}, field
}

func forbidden(m messages.Forbidden, obj manifest.Object) denial {
	return denial{"ApplyForbidden", m.Verb + " " + m.Resource, fmt.Sprintf("user %s may not %s %s in namespace %s", m.User, m.Verb, m.Resource, obj.GetNamespace()),
		[]string{fmt.Sprintf("grant it in a Role: apiGroups: [%s], resources: [%s], verbs: [%s]", cmp.Or(m.Group, `""`), m.Resource, m.Verb)}, ""}
}

// immutableField is the first field that validation names; a StatefulSet's answer names only its spec.
func immutableField(causes []metav1.StatusCause) string {
	for _, c := range causes {
		if c.Field != "" {
			return messages.FieldPath(c.Field)
		}
	}
	return ""
}

func orObject(field string) string {
	if field == "" {
		return "a field"
	}
	return field
}

func replaceHint(kind string) []string {
	switch kind {
	case "Job":
		return []string{
			"give the job a new name (with the version in the name), or delete the old one first",
			"or let each run replace it: as a hook (helm.sh/hook or argocd.argoproj.io/hook) the job of an earlier run is deleted first",
		}
	case "StatefulSet":
		return []string{"delete it with --cascade=orphan and apply it again: its pods stay"}
	case "PersistentVolumeClaim":
		return []string{"only the requested size can grow; for anything else make a new claim and copy the data"}
	}
	return []string{"keep the field as it was, or delete the object and apply it again"}
}

// unavailable reports whether the API server, or the way to it, is the trouble.
func unavailable(err error, status metav1.Status) bool {
	var network net.Error
	return status.Code >= 500 || status.Code == 429 || status.Code == 0 && (errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) ||
		strings.Contains(status.Message, "connection refused") || strings.Contains(status.Message, "EOF"))
}
