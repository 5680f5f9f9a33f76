package patch

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	smd "sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Apply is what server-side apply makes of live before the API server fills in defaults and asks anybody: sent, merged
// into it by the rules of its type, without what manager has applied before, sends no longer, and nobody else owns.
// It stands in for a dry-run where the owners of fields are not yet what they will be. Conflicts are not looked for.
func Apply(live, sent *unstructured.Unstructured, manager string, types Types) (*unstructured.Unstructured, error) {
	k := kindOf(types, live)
	bare := live.DeepCopy()
	bare.SetManagedFields(nil)
	object, err := k.typed(bare)
	if err != nil {
		return nil, fmt.Errorf("reading the live object: %w", err)
	}
	config, err := k.typed(sent)
	if err != nil {
		return nil, fmt.Errorf("reading what is sent: %w", err)
	}
	version := fieldpath.APIVersion(live.GetAPIVersion())
	managers := fieldpath.ManagedFields{}
	for i, e := range entriesOf(live) {
		name, applied := fmt.Sprint(i), e.Operation == metav1.ManagedFieldsOperationApply
		if applied && e.Manager == manager && e.Subresource == "" {
			name = "" // ours
		}
		managers[name] = fieldpath.NewVersionedSet(e.set, version, applied)
	}
	updater := (&smd.UpdaterBuilder{Converter: oneVersion{}}).BuildUpdater()
	merged, _, err := updater.Apply(object, config, version, managers, "", true)
	if err != nil {
		return nil, fmt.Errorf("merging: %w", err)
	}
	if merged == nil { // nothing changes
		return live.DeepCopy(), nil
	}
	content, ok := merged.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("merging: the result is no object")
	}
	out := (&unstructured.Unstructured{Object: content}).DeepCopy()
	out.SetManagedFields(live.GetManagedFields())
	return out, nil
}

// typed reads an object. Items of a list that have one key are tolerated, as the API server does it.
func (k kind) typed(u *unstructured.Unstructured) (*typed.TypedValue, error) {
	return typed.AsTyped(value.NewValueInterface(u.Object), k.schema, k.ref, typed.AllowDuplicates)
}

// oneVersion converts nothing: what others own in another version of the API is taken to have the same name there.
type oneVersion struct{}

func (oneVersion) Convert(object *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return object, nil
}

func (oneVersion) IsMissingVersionError(error) bool { return false }
