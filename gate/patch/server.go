package patch

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// content is what of an object can go back: all but what only the server sets; no run changes that, and no undo. It is
// absent for no object. What is in it is shared with the object and must not be written to.
func content(u *unstructured.Unstructured) any {
	if u == nil {
		return absent{}
	}
	out := without(u.Object, "status", "metadata")
	metadata, ok := u.Object["metadata"].(map[string]any)
	if !ok {
		return out
	}
	rest := without(metadata, serverFields...)
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		delete(rest, "annotations")
		if left := without(annotations, serverAnnotations...); len(left) > 0 {
			rest["annotations"] = left
		}
	}
	out["metadata"] = rest
	return out
}

// withServerFields is the content of an object with what the server has set in live.
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
	copyFields(to, metadata, serverFields...)
	set := map[string]any{}
	annotations, _ := metadata["annotations"].(map[string]any)
	copyFields(set, annotations, serverAnnotations...)
	if left, ok := to["annotations"].(map[string]any); ok {
		copyFields(left, set, serverAnnotations...)
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
