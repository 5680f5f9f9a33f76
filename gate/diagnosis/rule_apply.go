package diagnosis

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleApply = Rule{Family: "Applying", Causes: []Cause{
	{Code: "SchemaInvalid", class: now("apply", LayerWorkload, ScopeSpec),
		Refusal: RefusedAsInvalid,
		Meaning: "The API server does not accept the object: a field does not exist in this kind, has the wrong type, or has a value that validation refuses.",
		Signals: "The answer to the write: 422 Invalid with details.causes, 400 with \"unknown field\", or, for a server-side apply, 500 with \"field not declared in schema\" or \"failed to create typed patch object\".",
		Remedy:  "Correct the named field; a field that does not exist is usually misspelled or indented wrongly."},
	{Code: "SelectorTemplateMismatch", class: now("apply", LayerWorkload, ScopeSpec),
		Meaning: "The labels of the pod template lack a label of the workload's own selector, so the workload would not own the pods that it makes.",
		Signals: "422 Invalid with \"`selector` does not match template `labels`\" at spec.template.metadata.labels.",
		Remedy:  "Make every label of spec.selector.matchLabels a label of spec.template.metadata.labels; the selector of an existing workload cannot be changed."},
	{Code: "ImmutableFieldChanged", class: now("apply", LayerWorkload, ScopeSpec),
		Meaning: "The manifest changes a field that is fixed once an object exists: a selector, the template of a Job, the volume claims of a StatefulSet, a roleRef, a ConfigMap marked immutable.",
		Signals: "422 Invalid with \"field is immutable\", \"may not change once set\", \"updates to statefulset spec for fields other than\" or a sentence of the same meaning; the values, which the API server repeats, are not shown.",
		Remedy:  "Keep the field as it was, or give the object a new name, or delete it and apply it again."},
	{Code: "FieldOwnershipConflict", class: now("apply", LayerWorkload, ScopeSpec),
		Meaning: "Another manager owns a field that the manifest sets to something else, and taking it over was not asked for.",
		Signals: "409 Conflict with \"Apply failed with N conflicts\"; details.causes name the managers and the fields.",
		Remedy:  "Leave the field out of the manifest if the other manager should keep it (an autoscaler owns spec.replicas), or take it over with --force-conflicts."},
	{Code: "OptimisticLockConflict", class: atTimeout("apply", LayerCluster, ScopeEnv),
		Refusal: RefusedForNow,
		Meaning: "Somebody else kept changing the object between this run's reads and its writes, until the attempts were used up.",
		Signals: "409 Conflict with \"the object has been modified\" on the last of several attempts.",
		Remedy:  "Try again; if it repeats, find the other writer in metadata.managedFields of the object."},
	{Code: "ApplyForbidden", class: now("apply", LayerCluster, ScopeEnv),
		Refusal: RefusedToAccount,
		Meaning: "The account of this run may not do what the write needs.",
		Signals: "403 Forbidden with \"User ... cannot patch resource ...\".",
		Remedy:  "Grant the verb on the resource in a Role or ClusterRole that is bound to the account."},
	{Code: "NamespaceNotFound", class: now("apply", LayerCluster, ScopeSpec),
		Meaning: "The namespace that the object should be in does not exist.",
		Signals: "404 NotFound with details.kind \"namespaces\".",
		Remedy:  "Create the namespace, correct its name, or put its manifest into the same run."},
	{Code: "NamespaceTerminating", class: now("apply", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "The namespace is being deleted, so nothing new can be made in it; controllers say nothing about it and simply stop.",
		Signals: "403 Forbidden with the cause NamespaceTerminating; during a rollout the Namespace's deletionTimestamp and phase, and its conditions NamespaceContentRemaining and NamespaceFinalizersRemaining.",
		Remedy:  "Wait until the namespace is gone and create it anew; if it does not go, remove what its conditions name, usually an object whose finalizer nobody handles."},
	{Code: "KindNotServed", class: now("apply", LayerCluster, ScopeSpec),
		Meaning: "The cluster does not know the kind in this apiVersion: its CRD is not installed, or the version was removed.",
		Signals: "Discovery has no match for the kind, or the write answers 404 without naming an object.",
		Remedy:  "Install the CRD first, or move the manifest to an apiVersion that the cluster serves."},
	{Code: "ObjectTooLarge", class: now("apply", LayerWorkload, ScopeSpec),
		Meaning: "The object is bigger than the API server or its storage takes.",
		Signals: "413, \"request is too large\", or \"must have at most 262144 bytes\" for annotations and \"1048576 bytes\" for the data of a ConfigMap or Secret.",
		Remedy:  "Split the object, or keep big data outside of the cluster."},
	{Code: "ServiceAllocationFailed", class: now("apply", LayerService, ScopeSpec),
		Meaning: "The Service asks for a node port or an address that is taken or outside of the cluster's range.",
		Signals: "422 Invalid with \"provided port is already allocated\", \"provided IP is already allocated\" or \"not in the valid range\".",
		Remedy:  "Choose another nodePort or clusterIP, or leave it to the cluster."},
	{Code: "ApiUnavailable", class: atTimeout("apply", LayerCluster, ScopeEnv),
		Refusal: RefusedForNow,
		Meaning: "The API server did not answer, or answered that it cannot serve now; nothing is known about the manifest.",
		Signals: "No answer, 429, or 5xx whose text is none of those that are really about the object.",
		Remedy:  "Try again; if it lasts, look at the API server and at the way to it."},
	{Code: "ApplyRejected", class: now("apply", LayerWorkload, ScopeSpec),
		Meaning: "The API server refused the write in words that no other cause covers.",
		Signals: "Any other 4xx answer to the write.",
		Remedy:  "Act on the API server's words, which the finding quotes."},
}}

// ExplainApply says why the API server refused to write an object: SchemaInvalid, SelectorTemplateMismatch,
// ImmutableFieldChanged, FieldOwnershipConflict, OptimisticLockConflict, NamespaceNotFound, NamespaceTerminating, KindNotServed, ObjectTooLarge,
// ServiceAllocationFailed, ApplyForbidden, AdmissionDenied and the other denials of admission, ApiUnavailable,
// ApplyRejected.
//
// The HTTP code alone misleads: a server-side apply of an unknown field answers 500, and so does a dead webhook. So the
// text is looked at before an answer counts as trouble of the API server. What the object holds is never quoted: the
// refusal of an immutable template prints all of it, and that of a Secret could print its data.
func ExplainApply(err error, obj manifest.Object) Finding {
	status := statusOf(err)
	d, field := decodeApply(err, status, obj)
	c := standard.cause(d.code)
	f := Finding{
		Code: d.code, Detail: d.detail, Layer: c.layer, Scope: c.scope, Stage: "apply", Confidence: Proven,
		Terminal: TerminalNow, Attempts: 1, entry: c, Object: Subject{Ref: obj.Ref()}, Workload: obj.Ref(), Count: 1,
		Cause: d.cause, Fix: d.fix, FieldPath: field,
		Evidence: []Proof{{Type: "status", Text: answer(status, err, d), Ref: obj.Ref().String()}},
	}
	if c.terminal == TerminalTimeout {
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
	case "SchemaInvalid", "SelectorTemplateMismatch", "ImmutableFieldChanged", "ApplyRejected":
		return text + ": " + d.cause
	}
	return text + ": " + quote(status.Message)
}

// decodeApply finds the code, the words and the field.
func decodeApply(err error, status metav1.Status, obj manifest.Object) (denial, string) {
	text := status.Message
	podField := rollout.PodSpecPath(obj.GroupVersionKind().GroupKind())
	var causes []metav1.StatusCause
	if status.Details != nil {
		causes = status.Details.Causes
	}
	if said, ok := messages.ParseDenial(text); ok && !secretive(obj) {
		d := denied(said)
		if template := rollout.PodTemplate(obj.Unstructured); template != nil {
			d.field = cmp.Or(narrowed(said, &template.Spec), d.field)
		}
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
	case meta.IsNoMatchError(err), messages.SaysNotServed(text), status.Code == 404 && status.Reason != metav1.StatusReasonNotFound:
		return denial{"KindNotServed", obj.GetAPIVersion() + " " + obj.GetKind(), fmt.Sprintf("the cluster does not know kind %s of %s", obj.GetKind(), obj.GetAPIVersion()),
			[]string{"install its CRD first, or move to an apiVersion that the cluster serves"}, ""}, "apiVersion"
	case isModified(status):
		return denial{"OptimisticLockConflict", "", obj.Ref().String() + " was changed by somebody else again and again while this run wrote it",
			[]string{"try again; if it repeats, find the other writer in metadata.managedFields"}, ""}, ""
	case status.Code == 413, messages.SaysTooLarge(text):
		return denial{"ObjectTooLarge", "", "the object is bigger than the API server takes", []string{"split it, or keep big data outside of the cluster"}, ""}, "data"
	}
	if said, ok := messages.ParseForbidden(text); ok {
		return forbidden(said, obj), ""
	}
	return decodeInvalid(err, status, causes, obj)
}
