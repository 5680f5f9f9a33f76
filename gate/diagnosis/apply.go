package diagnosis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var (
	notDeclared  = regexp.MustCompile(`(?:([^\s:]+): )?field not declared in schema`)
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	immutable    = regexp.MustCompile(`field is immutable|may not change once set|updates to statefulset spec for fields other than|spec is immutable after creation|is immutable when`)
	allocation   = regexp.MustCompile(`provided (port|IP) is (already allocated|not in the valid range)|provided range is not`)
	conflictWith = regexp.MustCompile(`conflict with "([^"]+)"`)
	notServed    = regexp.MustCompile(`no matches for kind|could not find the requested resource|the server doesn't have a resource type`)
	cannotDo     = regexp.MustCompile(`User "([^"]*)" cannot (\w+) resource "([^"]*)"(?: in API group "([^"]*)")?`)
	setElsewhere = regexp.MustCompile(`\[(?:name|containerPort)="?([^"\]]+)"?[^\]]*\]`)
)

// ExplainApply says why the API server refused to write an object: SchemaInvalid, ImmutableFieldChanged,
// FieldOwnershipConflict, NamespaceNotFound, NamespaceTerminating, KindNotServed, ObjectTooLarge,
// ServiceAllocationFailed, ApplyForbidden, AdmissionDenied and the other denials of admission, ApiUnavailable,
// ApplyRejected.
//
// The HTTP code alone misleads: a server-side apply of an unknown field answers 500, and so does a dead webhook. So the
// text is looked at before an answer counts as trouble of the API server. What the object holds is never quoted: the
// refusal of an immutable template prints all of it, and that of a Secret could print its data.
func ExplainApply(err error, obj manifest.Object) Finding {
	status := statusOf(err)
	d, field := decodeApply(err, status, obj)
	c := classes[d.code]
	f := Finding{
		Code: d.code, Detail: d.detail, Layer: c.layer, Scope: c.scope, Stage: "apply", Confidence: Proven,
		Terminal: TerminalNow, Attempts: 1, Object: obj.Ref(), Workload: obj.Ref(), Count: 1,
		Cause: d.cause, Fix: d.fix, FieldPath: field,
		Evidence: []Proof{{Type: "status", Text: answer(status, err, d), Ref: obj.Ref().String()}},
	}
	if d.code == "ApiUnavailable" {
		f.Terminal, f.Confidence = TerminalTimeout, Likely
	}
	line, _ := obj.Locate(f.FieldPath)
	f.File, f.Line = obj.Source.Path, line
	f.Rule = f.Code + " fails at once"
	return f
}

// statusOf is the API server's answer, or an empty one.
func statusOf(err error) metav1.Status {
	var api apierrors.APIStatus
	if errors.As(err, &api) {
		return api.Status()
	}
	return metav1.Status{Message: err.Error()}
}

// secretive reports whether answers about the object may hold what it holds.
func secretive(obj manifest.Object) bool { return obj.Unstructured != nil && obj.GetKind() == "Secret" }

// answer quotes the API server as far as that is safe.
func answer(status metav1.Status, err error, d denial) string {
	text := fmt.Sprintf("%d %s", status.Code, status.Reason)
	if status.Code == 0 {
		text = "no answer"
	}
	switch d.code {
	case "SchemaInvalid", "ImmutableFieldChanged", "ApplyRejected":
		return text + ": " + d.cause
	}
	return text + ": " + quote(status.Message)
}

// decodeApply finds the code, the words and the field.
func decodeApply(err error, status metav1.Status, obj manifest.Object) (denial, string) {
	text := status.Message
	podField := podPath(obj.GetKind())
	var causes []metav1.StatusCause
	if status.Details != nil {
		causes = status.Details.Causes
	}
	if d, ok := decodeDenial(text); ok && !secretive(obj) {
		if d.field != "" {
			return d, podField + "." + d.field
		}
		return d, ""
	}
	switch {
	case strings.Contains(text, "Apply failed with") && status.Code == 409, len(causes) > 0 && causes[0].Type == metav1.CauseTypeFieldManagerConflict:
		return conflict(causes, text)
	case apierrors.HasStatusCause(err, "NamespaceTerminating"), strings.Contains(text, "because it is being terminated"):
		return denial{"NamespaceTerminating", obj.GetNamespace(), "namespace " + obj.GetNamespace() + " is being deleted", []string{"wait until it is gone and create it anew; if that takes long, see which finalizers hold it"}, ""}, "metadata.namespace"
	case status.Code == 404 && status.Details != nil && status.Details.Kind == "namespaces":
		return denial{"NamespaceNotFound", status.Details.Name, "namespace " + status.Details.Name + " does not exist", []string{"create the namespace, or put its manifest into the same run"}, ""}, "metadata.namespace"
	case meta.IsNoMatchError(err), notServed.MatchString(text), status.Code == 404 && status.Reason != metav1.StatusReasonNotFound:
		return denial{"KindNotServed", obj.GetAPIVersion() + " " + obj.GetKind(), fmt.Sprintf("the cluster does not know kind %s of %s", obj.GetKind(), obj.GetAPIVersion()),
			[]string{"install its CRD first, or move to an apiVersion that the cluster serves"}, ""}, "apiVersion"
	case status.Code == 413, strings.Contains(text, "request is too large"), strings.Contains(text, "must have at most"):
		return denial{"ObjectTooLarge", "", "the object is bigger than the API server takes", []string{"split it, or keep big data outside of the cluster"}, ""}, "data"
	case cannotDo.MatchString(text):
		return forbidden(cannotDo.FindStringSubmatch(text), obj), ""
	}
	return decodeInvalid(err, status, causes, obj)
}

// decodeInvalid is about the object itself being wrong, and about answers that nobody can do anything with.
func decodeInvalid(err error, status metav1.Status, causes []metav1.StatusCause, obj manifest.Object) (denial, string) {
	text := status.Message
	if immutable.MatchString(text) {
		field := immutableField(causes)
		return denial{"ImmutableFieldChanged", field, fmt.Sprintf("%s cannot be changed in an existing %s", orObject(field), obj.GetKind()), replaceHint(obj.GetKind()), ""}, field
	}
	if m := allocation.FindStringSubmatch(text); m != nil {
		field := "spec.ports"
		if len(causes) > 0 {
			field = normalField(causes[0].Field)
		}
		return denial{"ServiceAllocationFailed", field, "the service asks for an address or port that it cannot have: " + quote(m[0]), []string{"choose another nodePort or clusterIP, or leave it to the cluster"}, ""}, field
	}
	if m := notDeclared.FindStringSubmatch(text); m != nil {
		field := normalField(strings.Trim(m[1], "."))
		return denial{"SchemaInvalid", field, fmt.Sprintf("field %s does not exist in %s", field, obj.GetKind()), []string{"correct the spelling or the indentation of the field"}, ""}, field
	}
	if m := unknownField.FindStringSubmatch(text); m != nil {
		field := normalField(m[1])
		return denial{"SchemaInvalid", field, fmt.Sprintf("field %s does not exist in %s", field, obj.GetKind()), []string{"correct the spelling or the indentation of the field"}, ""}, field
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

// invalid lists what validation found. Its messages repeat the values, which in a Secret nobody may see and which for
// whole templates fill pages.
func invalid(status metav1.Status, causes []metav1.StatusCause, obj manifest.Object) (denial, string) {
	var words []string
	field := ""
	for _, c := range causes {
		at := normalField(c.Field)
		if field == "" {
			field = at
		}
		if secretive(obj) {
			words = append(words, at+" is not valid")
			continue
		}
		words = append(words, at+": "+withoutDump(c.Message))
	}
	cause := "the object is not valid"
	if len(words) > 0 {
		cause += ": " + quote(strings.Join(words, "; "))
	}
	return denial{"SchemaInvalid", field, cause, []string{"correct the field"}, ""}, field
}

// dump is how the API server prints a whole Go value into a message: Invalid value: core.PodTemplateSpec{…}: reason.
var dump = regexp.MustCompile(`(?s)Invalid value: (?:&?[\w.\[\]*]+\{.*\}|\{.*\}|map\[.*\]|"[^"]{80,}"): `)

func withoutDump(text string) string { return dump.ReplaceAllString(text, "") }

// conflict names who owns the fields that the manifest sets.
func conflict(causes []metav1.StatusCause, text string) (denial, string) {
	var managers, fields []string
	for _, c := range causes {
		fields = union(fields, []string{normalField(c.Field)})
		if m := conflictWith.FindStringSubmatch(c.Message); m != nil {
			managers = union(managers, []string{m[1]})
		}
	}
	if m := conflictWith.FindStringSubmatch(text); m != nil && len(managers) == 0 {
		managers = []string{m[1]}
	}
	field := ""
	if len(fields) > 0 {
		field = fields[0]
	}
	return denial{"FieldOwnershipConflict", strings.Join(managers, ","), fmt.Sprintf("%s owns %s and has set it to something else", list(managers), list(fields)),
		[]string{"leave the field out of the manifest if " + list(managers) + " should keep it (an autoscaler owns spec.replicas)", "or take it over with --force-conflicts"}, ""}, field
}

func forbidden(m []string, obj manifest.Object) denial {
	group := m[4]
	if group == "" {
		group = `""`
	}
	return denial{"ApplyForbidden", m[2] + " " + m[3], fmt.Sprintf("user %s may not %s %s in namespace %s", m[1], m[2], m[3], obj.GetNamespace()),
		[]string{fmt.Sprintf("grant it in a Role: apiGroups: [%s], resources: [%s], verbs: [%s]", group, m[3], m[2])}, ""}
}

// immutableField is the first field that validation names; a StatefulSet's answer names only its spec.
func immutableField(causes []metav1.StatusCause) string {
	for _, c := range causes {
		if c.Field != "" {
			return normalField(c.Field)
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
		return []string{"give the job a new name (generateName, or the version in the name), or delete the old one first"}
	case "StatefulSet":
		return []string{"delete it with --cascade=orphan and apply it again: its pods stay"}
	case "PersistentVolumeClaim":
		return []string{"only the requested size can grow; for anything else make a new claim and copy the data"}
	}
	return []string{"keep the field as it was, or delete the object and apply it again"}
}

// normalField turns a path of server-side apply, .spec.containers[name="app"].image, into the form of the reports.
func normalField(path string) string {
	path = strings.TrimPrefix(path, ".")
	return setElsewhere.ReplaceAllStringFunc(path, func(m string) string { return strings.ReplaceAll(m, `"`, "") })
}

// unavailable reports whether the API server, or the way to it, is the trouble.
func unavailable(err error, status metav1.Status) bool {
	var network net.Error
	return status.Code >= 500 || status.Code == 429 || status.Code == 0 && (errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) ||
		strings.Contains(status.Message, "connection refused") || strings.Contains(status.Message, "EOF"))
}
