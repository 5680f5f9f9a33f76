package prune

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// rule is one reason for which a leftover stays.
type rule struct {
	name string
	// keeps is the reason in words, behind the name of the object; empty: there is none.
	keeps func(Leftover, Facts) string
	// leaves says that the object belongs to somebody else then, and is not asked about again.
	leaves bool
}

// rules are asked in this order, and the first that answers decides. It is never written to.
var rules = []rule{
	{name: "unknown", keeps: func(l Leftover, _ Facts) string {
		if l.Unknown == nil {
			return ""
		}
		return "it could not be read: " + l.Unknown.Error()
	}},
	{name: "moved", leaves: true, keeps: moved},
	{name: "going", keeps: going},
	{name: "unrecorded", keeps: unrecorded},
	{name: "owned", leaves: true, keeps: owned},
	{name: "elsewhere", leaves: true, keeps: elsewhere},
	{name: "marked", leaves: true, keeps: marked},
	{name: "applied", leaves: true, keeps: applied},
	{name: "shared", leaves: true, keeps: shared},
	{name: "changed", leaves: true, keeps: changed},
	{name: "asked", keeps: asked},
	{name: "protected", keeps: protected},
	{name: "inhabited", keeps: inhabited},
	{name: "claims", keeps: claims},
	{name: "read", keeps: read},
}

func moved(l Leftover, f Facts) string {
	if ref, same := f.Written[l.Live.GetUID()]; same {
		return fmt.Sprintf("it is the same object as %s of %s in the manifests", ref, cmp.Or(ref.Group, "the core group"))
	}
	return ""
}

func going(l Leftover, _ Facts) string {
	at := l.Live.GetDeletionTimestamp()
	if at == nil {
		return ""
	}
	text := "it is being deleted since " + at.UTC().Format("15:04:05")
	if finalizers := l.Live.GetFinalizers(); len(finalizers) > 0 {
		text += " and waits for its finalizers " + strings.Join(finalizers, ", ")
	}
	return text
}

func isSecret(l Leftover) bool { return l.Was.Ref.Group == "" && l.Was.Ref.Kind == "Secret" }

func unrecorded(l Leftover, f Facts) string {
	switch {
	case isSecret(l) && f.WithoutSecrets:
		return "the data of Secrets does not go on record here, so no undo could create it again"
	case l.Was.Written == nil:
		return "how the earlier run has left it is not on record"
	}
	return ""
}

func owned(l Leftover, _ Facts) string {
	for _, o := range l.Live.GetOwnerReferences() {
		return fmt.Sprintf("it belongs to %s/%s", strings.ToLower(o.Kind), o.Name)
	}
	return ""
}

func elsewhere(l Leftover, f Facts) string {
	if who := f.Elsewhere[l.Was.Ref]; who != "" {
		return who + " has it, too"
	}
	return ""
}

// marks are how tools say that an object is theirs. A mark that the manifest itself had says nothing.
var marks = []struct{ tool, label, annotation string }{
	{tool: "a release of Helm", annotation: "meta.helm.sh/release-name"},
	{tool: "Argo CD", annotation: "argocd.argoproj.io/tracking-id"},
	{tool: "a Kustomization of Flux", label: "kustomize.toolkit.fluxcd.io/name"},
	{tool: "a HelmRelease of Flux", label: "helm.toolkit.fluxcd.io/name"},
	{tool: "an app of kapp", label: "kapp.k14s.io/app"},
	{tool: "an ApplySet of kubectl", label: "applyset.kubernetes.io/part-of"},
}

func marked(l Leftover, _ Facts) string {
	var labels, annotations map[string]string
	if l.Was.Sent != nil {
		labels, annotations = l.Was.Sent.GetLabels(), l.Was.Sent.GetAnnotations()
	}
	for _, m := range marks {
		for name, of := range map[string][2]map[string]string{m.label: {l.Live.GetLabels(), labels}, m.annotation: {l.Live.GetAnnotations(), annotations}} {
			if is := of[0][name]; name != "" && is != "" && of[1][name] != is {
				return fmt.Sprintf("%s has it: %s is %s", m.tool, name, is)
			}
		}
	}
	return ""
}

// applied keeps what the run that has it on record has not applied, or what was applied again since: then it is in other
// manifests, too.
func applied(l Leftover, _ Facts) string {
	was, is := entry(l.Was.Written, l.Was.Manager), entry(l.Live, l.Was.Manager)
	switch {
	case was == nil && is == nil && bare(l.Was.Sent) && (l.Was.Action == patch.Created || l.Was.Action == patch.Pruned):
		return "" // the run itself has created it
	case was == nil && bare(l.Was.Sent):
		return "its manifest has nothing but a name, so that it does not tell who has applied it"
	case was == nil:
		return "no run has ever applied it: it was there already, as the manifests had it"
	case is == nil:
		return fmt.Sprintf("%s does not apply it any more: somebody else has taken it over", l.Was.Manager)
	case !is.Time.Equal(was.Time):
		return fmt.Sprintf("it was applied again by %s at %s, and not by a run of this set", l.Was.Manager, is.Time.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return ""
}

func entry(u *unstructured.Unstructured, manager string) *metav1.ManagedFieldsEntry {
	for _, e := range u.GetManagedFields() {
		if e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == "" && e.Time != nil {
			return &e
		}
	}
	return nil
}

// bare tells whether a manifest has nothing but a name, as that of a ServiceAccount: there is no field in it to be owned.
func bare(u *unstructured.Unstructured) bool {
	if u == nil {
		return false
	}
	for field, value := range u.Object {
		m, _ := value.(map[string]any)
		for key := range m {
			if field != "metadata" || key != "name" && key != "namespace" {
				return false
			}
		}
		if m == nil && field != "apiVersion" && field != "kind" {
			return false
		}
	}
	return true
}

// shared keeps what somebody else applies as well.
func shared(l Leftover, _ Facts) string {
	for _, e := range l.Live.GetManagedFields() {
		if e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == "" && e.Manager != l.Was.Manager {
			return e.Manager + " applies it, too"
		}
	}
	return ""
}

func changed(l Leftover, _ Facts) string {
	if len(l.Theirs) == 0 {
		return ""
	}
	by := l.Theirs[0]
	return fmt.Sprintf("%s was changed by %s since", by.Path, cmp.Or(by.Manager, "somebody else"))
}

// Annotation is our own: with the value "false" an object is never pruned.
const Annotation = "rolloutgate.dev/prune"

// wishes are the annotations by which people say that an object is to stay, ours and those of other tools.
var wishes = []struct {
	annotation string
	says       func(value string) bool
}{
	{Annotation, is("false")},
	{"helm.sh/resource-policy", is("keep")},
	{"argocd.argoproj.io/sync-options", func(value string) bool { return option(value, "Prune=false") || option(value, "Prune=confirm") }},
	{"kustomize.toolkit.fluxcd.io/prune", is("disabled")},
	{"kapp.k14s.io/delete-strategy", is("orphan")},
}

func is(want string) func(string) bool {
	return func(value string) bool { return strings.EqualFold(strings.TrimSpace(value), want) }
}

// option tells whether a list of options with commas has one.
func option(list, want string) bool {
	for o := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(o), want) {
			return true
		}
	}
	return false
}

func asked(l Leftover, _ Facts) string {
	for _, w := range wishes {
		if value := l.Live.GetAnnotations()[w.annotation]; w.says(value) {
			return fmt.Sprintf("its annotation %s: %s asks for that", w.annotation, value)
		}
	}
	return ""
}

// ProtectedKinds are those that are deleted only when they are asked for: with them goes what nobody has in a file.
var ProtectedKinds = []schema.GroupKind{
	{Kind: "Namespace"}, {Kind: "PersistentVolumeClaim"}, {Kind: "PersistentVolume"},
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"},
}

func protected(l Leftover, f Facts) string {
	gk := l.Was.Ref.GroupKind()
	if !slices.Contains(ProtectedKinds, gk) || slices.Contains(f.Protected, gk) {
		return ""
	}
	return fmt.Sprintf("a %s is deleted only with --prune-protected %s", gk.Kind, gk.Kind)
}

func inhabited(l Leftover, f Facts) string {
	if l.Was.Ref.GroupKind() == (schema.GroupKind{Kind: "Namespace"}) && slices.Contains(f.Namespaces, l.Was.Ref.Name) {
		return "this run has objects in it, or is on record there"
	}
	return ""
}

// claims keeps a StatefulSet whose claims would go with it.
func claims(l Leftover, f Facts) string {
	claim := schema.GroupKind{Kind: "PersistentVolumeClaim"}
	if l.Was.Ref.Group != "apps" || l.Was.Ref.Kind != "StatefulSet" || slices.Contains(f.Protected, claim) {
		return ""
	}
	policy, _, _ := unstructured.NestedString(l.Live.Object, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
	if policy != "Delete" {
		return ""
	}
	return "its claims would be deleted with it (persistentVolumeClaimRetentionPolicy), and they are only with --prune-protected PersistentVolumeClaim"
}

// Changes tells what has happened to an object since it was decided to delete it; empty when that still holds. Its status and
// its number of replicas are no part of that.
func Changes(planned patch.Write, live *unstructured.Unstructured, theirs []patch.Kept) string {
	now := Leftover{Was: planned, Live: live, Theirs: theirs}
	now.Was.Written = planned.Before
	if live.GetUID() != planned.Before.GetUID() {
		return "it was deleted and created again"
	}
	for _, keeps := range []func(Leftover, Facts) string{owned, marked, applied, shared, changed, asked, claims} {
		if why := keeps(now, Facts{Protected: protectedOf(planned)}); why != "" {
			return why
		}
	}
	return ""
}

// protectedOf does not ask a second time for what was decided.
func protectedOf(planned patch.Write) []schema.GroupKind {
	policy, _, _ := unstructured.NestedString(planned.Before.Object, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
	if policy == "Delete" {
		return ProtectedKinds
	}
	return nil
}
