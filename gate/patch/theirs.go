package patch

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Theirs lists what somebody else has written into an object that this run created, and that would be lost with it:
// fields that this run wrote and others have changed since, and keys that they have added to a ConfigMap or Secret.
// Metadata, the number of replicas, and what Kubernetes' own controllers write do not count.
func Theirs(w Write, live *unstructured.Unstructured, undoManager string, types Types) ([]Kept, error) {
	w.Before = &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": live.GetAPIVersion(), "kind": live.GetKind(),
		"metadata": map[string]any{"name": live.GetName(), "uid": string(live.GetUID())},
	}}
	if live.GetNamespace() != "" {
		w.Before.SetNamespace(live.GetNamespace())
	}
	inverse, err := Invert(w, live, undoManager, types)
	if err != nil {
		return nil, err
	}
	theirs := inverse.Kept
	if gvk := live.GroupVersionKind(); gvk.Group == "" && (gvk.Kind == "ConfigMap" || gvk.Kind == "Secret") {
		for _, k := range Foreign(w, live, types) {
			if !slices.ContainsFunc(theirs, func(has Kept) bool { return has.Path == k.Path }) {
				theirs = append(theirs, k)
			}
		}
	}
	return slices.DeleteFunc(theirs, func(k Kept) bool {
		return strings.HasPrefix(k.Path, "metadata") || k.Path == "spec.replicas" || slices.Contains(controlPlane, k.Manager)
	}), nil
}
