package patch

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Set is a field of an object and the value that it gets; the path is as in spec.strategy.
type Set struct {
	Path  string
	Value any // as in JSON; nil removes the field
}

// AsStep is the write to an object as a step of its run: the same with other values in some fields. stepped are the paths
// in which the steps of the run differ. What After says of them is a guess until the API server was asked.
func (w Write) AsStep(step int, stepped []string, fields ...Set) (Write, error) {
	w.Step, w.Stepped = step, stepped
	for _, of := range []**unstructured.Unstructured{&w.Sent, &w.After} {
		if *of == nil || len(fields) == 0 {
			continue
		}
		*of = (*of).DeepCopy()
		for _, f := range fields {
			at := strings.Split(f.Path, ".")
			if f.Value == nil {
				unstructured.RemoveNestedField((*of).Object, at...)
				continue
			}
			if err := unstructured.SetNestedField((*of).Object, runtime.DeepCopyJSONValue(f.Value), at...); err != nil {
				return w, fmt.Errorf("setting %s of %s: %w", f.Path, w.Ref, err)
			}
		}
	}
	return w, nil
}

// AtStep tells whether an object has the values of a step in the fields in which the steps differ. A field that one of
// them does not have differs from any value.
func AtStep(w Write, live *unstructured.Unstructured) bool {
	for _, path := range w.Stepped {
		at := strings.Split(path, ".")
		has, _, _ := unstructured.NestedFieldNoCopy(live.Object, at...)
		wants, _, _ := unstructured.NestedFieldNoCopy(w.After.Object, at...)
		if !equality.Semantic.DeepEqual(has, wants) {
			return false
		}
	}
	return true
}

// Arrived is the last step of several writes of one run to one object that was carried out, as a write that undoes all of
// them; false when none was.
func Arrived(steps []Write) (Write, bool) {
	if len(steps) == 0 || steps[0].Written == nil {
		return Write{}, false
	}
	for i := len(steps) - 1; ; i-- {
		if steps[i].Written != nil {
			return steps[i], true
		}
	}
}
