package patch

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Holds tells whether everything that a write has changed is still as it wrote it, whatever others have changed beside
// that. live is the object now, in any form.
func Holds(w Write, live runtime.Object) bool {
	if w.Written == nil {
		return false
	}
	if w.Before == nil { // it has written everything
		w.Before = &unstructured.Unstructured{Object: map[string]any{}}
		w.Before.SetGroupVersionKind(w.Written.GroupVersionKind())
	}
	now, ok := live.(*unstructured.Unstructured)
	if !ok {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
		if err != nil {
			return false
		}
		now = &unstructured.Unstructured{Object: content}
		now.SetGroupVersionKind(w.Written.GroupVersionKind())
	}
	inv, err := Invert(w, now, "", nil)
	return err == nil && inv.Extent == All
}
