package patch

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Base is an object as it would be if an earlier write of an unfinished run had never been.
type Base struct {
	// Object is nil when that write has created the object.
	Object *unstructured.Unstructured `json:"object,omitempty"`
	// Theirs is what others have written into an object that was created so: it must not be deleted with it.
	Theirs []Kept `json:"theirs,omitempty"`
}

// Rebase makes the undo of a write also the undo of an earlier one to the same object, whose run did not come to an end:
// of the two of them together. What others wrote in between stays. first must say what it has written, and second must
// have been planned after it.
func Rebase(first, second Write, undoManager string, types Types) (Write, error) {
	switch {
	case first.Action == Pruned && first.Written != nil && second.Before == nil && first.Origin() != nil:
		second.Base = &Base{Object: first.Origin()} // this run has made it anew
		return second, nil
	case second.Before == nil || first.Written == nil:
		return second, nil // there is nothing left of it
	case first.Written.GetUID() != second.Before.GetUID():
		return second, nil // it was deleted and created again: by somebody who meant it
	case first.Origin() == nil:
		second.Base = &Base{Theirs: Theirs(first, second.Before, types)}
		if first.Base != nil {
			second.Base.Theirs = append(first.Base.Theirs, second.Base.Theirs...)
		}
		return second, nil
	}
	inverse, err := Invert(first, second.Before, undoManager, types)
	if err != nil {
		return second, fmt.Errorf("going back behind an unfinished run: %w", err)
	}
	base := inverse.Object.DeepCopy()
	base.SetManagedFields(second.Before.GetManagedFields())
	base.SetManagedFields(inverse.Owners(base))
	second.Base = &Base{Object: base}
	return second, nil
}
