package patch

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Holds tells whether everything that a write has changed is still as it wrote it, whatever others have changed beside
// that. live is the object now, in any form.
func Holds(w Write, live runtime.Object) bool {
	if w.Written == nil {
		return false
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
	k := kindOf(nil, w.Written)
	ours, theirs := noPaths(), noPaths()
	k.compare(nil, content(w.Before), content(w.Written), ours)
	k.compare(nil, content(w.Written), content(now), theirs)
	holds := true
	theirs.all.Iterate(func(at fieldpath.Path) { holds = holds && !ours.has(at) })
	return holds
}
