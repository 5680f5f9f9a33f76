package patch

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Theirs lists what somebody else has written into an object that this run created, and that would be lost with it:
// fields that this run wrote and others have changed since, and keys that they have added to a ConfigMap or Secret.
// Metadata, the number of replicas, and what Kubernetes' own controllers write do not count.
func Theirs(w Write, live *unstructured.Unstructured, types Types) []Kept {
	k := kindOf(types, live)
	written := content(w.Written)
	differ := noPaths()
	k.compare(nil, written, content(live), differ)
	gvk := live.GroupVersionKind()
	keys := gvk.Group == "" && (gvk.Kind == "ConfigMap" || gvk.Kind == "Secret")
	who := since(w.Written, live)
	var theirs []Kept
	for _, at := range differ.top() {
		by := who.kept(at, at)
		switch {
		case strings.HasPrefix(by.Path, "metadata"), by.Path == "spec.replicas", slices.Contains(controlPlane, by.Manager):
		case keys || k.has(at, written):
			theirs = append(theirs, by)
		}
	}
	return theirs
}

// has tells whether a value has a field.
func (k kind) has(at fieldpath.Path, v any) bool {
	if len(at) == 0 {
		return true
	}
	e := at[0]
	if m, ok := k.mapping(v); ok && e.FieldName != nil {
		fields, _ := v.(map[string]any)
		is, there := fields[*e.FieldName]
		return there && k.field(m, *e.FieldName).has(at[1:], is)
	}
	if l, ok := k.listing(v); ok {
		list, fits := k.byKey(l, v)
		is, several := list.at(e)
		_, gone := is.(absent)
		return fits && !gone && (several || k.item(l).has(at[1:], is))
	}
	return false
}
