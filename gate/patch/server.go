package patch

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// set lists what only the API server and the controllers of the control plane set. No run changes it, and no undo.
var (
	setMetadata    = []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}
	setAnnotations = []string{"deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"}
)

// authored is an object without what only the server sets. It is a copy as deep as it needs to be: what is in it is
// shared with the object and must not be written to.
func authored(u *unstructured.Unstructured) any {
	if u == nil {
		return absent{}
	}
	out := without(u.Object, "status", "metadata")
	metadata, ok := u.Object["metadata"].(map[string]any)
	if !ok {
		return out
	}
	rest := without(metadata, setMetadata...)
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		delete(rest, "annotations")
		if left := without(annotations, setAnnotations...); len(left) > 0 {
			rest["annotations"] = left
		}
	}
	out["metadata"] = rest
	return out
}

// withServerFields is the authored part of an object with what the server has set in live.
func withServerFields(part map[string]any, live *unstructured.Unstructured) *unstructured.Unstructured {
	out := (&unstructured.Unstructured{Object: part}).DeepCopy()
	from := live.DeepCopy().Object
	copyFields(out.Object, from, "status")
	metadata, _ := from["metadata"].(map[string]any)
	to, ok := out.Object["metadata"].(map[string]any)
	if !ok {
		to = map[string]any{}
		out.Object["metadata"] = to
	}
	copyFields(to, metadata, setMetadata...)
	set := map[string]any{}
	annotations, _ := metadata["annotations"].(map[string]any)
	copyFields(set, annotations, setAnnotations...)
	if left, ok := to["annotations"].(map[string]any); ok {
		copyFields(left, set, setAnnotations...)
	} else if len(set) > 0 {
		to["annotations"] = set
	}
	return out
}

func without(m map[string]any, names ...string) map[string]any {
	out := map[string]any{}
	for name, v := range m {
		out[name] = v
	}
	for _, name := range names {
		delete(out, name)
	}
	return out
}

func copyFields(to, from map[string]any, names ...string) {
	for _, name := range names {
		if v, ok := from[name]; ok {
			to[name] = v
		}
	}
}
