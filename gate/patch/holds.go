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
	now, ok := live.(*unstructured.Unstructured)
	if !ok {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
		if err != nil {
			return false
		}
		now = &unstructured.Unstructured{Object: fields}
		now.SetGroupVersionKind(w.Written.GroupVersionKind())
	}
	if now.GetUID() != w.Written.GetUID() {
		return false
	}
	k := kindOf(nil, w.Written)
	changed, foreign := noPaths(), noPaths()
	k.compare(nil, w.beforeOf(k), content(w.Written), changed)
	k.compare(nil, content(w.Written), content(now), foreign)
	holds := true
	for at := range changed.whole.All() { // it cannot be left early: All of v6.4.2 panics then
		holds = holds && !foreign.reaches(at)
	}
	return holds
}
