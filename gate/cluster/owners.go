package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// kubectlManager is the field manager of `kubectl apply` without --server-side. It owns its fields by Update, so a
// server-side apply next to it would add to its fields where the user means to replace them.
const kubectlManager = "kubectl-client-side-apply"

// byHand are the managers of kubectl commands with which people write whole objects or variables.
var byHand = []string{"kubectl-create", "kubectl-edit", "kubectl-replace", "kubectl-set"}

// takenOver are the managers by Update whose fields become ours before an apply, so that what the manifest has no more
// goes. Ours is one of them: a write of ours that was no apply leaves such an entry, and so is that of an undo which did not
// come to give the fields back to their owners, and that of a pin which was forgotten. With --force-conflicts the
// manifest is the truth, so what people wrote by hand is taken over too. What other tools own stays, and the plan says
// so: an injector cannot be told from a tool that is not used any more.
func (c *Client) takenOver() sets.Set[string] { return takenOver(c.fieldManager, c.force) }

func takenOver(manager string, force bool) sets.Set[string] {
	managers := sets.New(kubectlManager, manager, undoManagerOf(manager), patch.PinManager)
	if force {
		managers.Insert(byHand...)
	}
	return managers
}

// prepared are the managed fields that an object must have before it is applied, and whether they differ from those
// that it has. The fields of the managers that are taken over are ours. spec.replicas, if it is not sent, is not ours
// any more: leaving out what we own would make the API server set it to 1.
func (c *Client) prepared(live, sent *unstructured.Unstructured) (entries []metav1.ManagedFieldsEntry, differ bool, err error) {
	return prepared(live, sent, c.fieldManager, c.force)
}

func prepared(live, sent *unstructured.Unstructured, manager string, force bool) (entries []metav1.ManagedFieldsEntry, differ bool, err error) {
	object := live.DeepCopy()
	if err := csaupgrade.UpgradeManagedFields(object, takenOver(manager, force), manager); err != nil {
		return nil, false, &localError{fmt.Errorf("taking the ownership of %s over: %w", refOf(live), err)}
	}
	entries = object.GetManagedFields()
	if _, sends, _ := unstructured.NestedFieldNoCopy(sent.Object, "spec", "replicas"); !sends {
		entries = patch.Release(entries, manager, "spec", "replicas")
	}
	return entries, !equality.Semantic.DeepEqual(entries, live.GetManagedFields()), nil
}

// prepare writes the managed fields that an apply needs, if they are not there. It is a change of
// metadata.managedFields only, so no controller sees it; the apply that follows is then one change, not two.
func (c *Client) prepare(ctx context.Context, w *patch.Write, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	entries, differ, err := c.prepared(live, w.Sent)
	if err != nil || !differ {
		return live, err
	}
	return c.setOwners(ctx, w, c.fieldManager, entries, live.GetResourceVersion())
}

// unprepare gives the ownership back that a run has taken over which did not come to the write that was to follow. Nothing
// else of it is in the object.
func (c *Client) unprepare(ctx context.Context, w *patch.Write, live *unstructured.Unstructured) error {
	if !onlyPrepared(w, live) {
		return nil
	}
	_, err := c.setOwners(ctx, w, c.undoManagerFor(*w), ownersBefore(w, live), live.GetResourceVersion())
	return err
}

// unprepared is a write whose undo also gives the ownership back that an earlier write to the object has only taken over.
func unprepared(earlier, w patch.Write) patch.Write {
	if w.Before != nil && onlyPrepared(&earlier, w.Before) {
		w.Before = w.Before.DeepCopy()
		w.Before.SetManagedFields(ownersBefore(&earlier, w.Before))
	}
	return w
}

// ownersBefore are the owners of an object from before a write, those of its subresources as they are.
func ownersBefore(w *patch.Write, live *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	owners := slices.DeleteFunc(slices.Clone(w.Before.GetManagedFields()), ofSubresource)
	for _, e := range live.GetManagedFields() {
		if ofSubresource(e) {
			owners = append(owners, e)
		}
	}
	return owners
}

// onlyPrepared tells whether an object is what it was before a write, but for the owners, which are as they have to be for
// that write.
func onlyPrepared(w *patch.Write, live *unstructured.Unstructured) bool {
	if w.Before == nil || w.Added || live.GetUID() != w.Before.GetUID() || !equality.Semantic.DeepEqual(patch.Authored(live), patch.Authored(w.Before)) {
		return false
	}
	for _, force := range []bool{false, true} {
		entries, differ, err := prepared(w.Before, w.Sent, w.Manager, force)
		if err == nil && differ && patch.SameOwners(untimed(entries), untimed(live.GetManagedFields())) {
			return true
		}
	}
	return false
}

func ofSubresource(e metav1.ManagedFieldsEntry) bool { return e.Subresource != "" }

// untimed are the entries without their times, and without those of subresources.
func untimed(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	entries = slices.DeleteFunc(slices.Clone(entries), ofSubresource)
	for i := range entries {
		entries[i].Time = nil
	}
	return entries
}

// setOwners writes the managed fields, on the condition that the object has the version.
func (c *Client) setOwners(ctx context.Context, w *patch.Write, manager string, entries []metav1.ManagedFieldsEntry, version string) (*unstructured.Unstructured, error) {
	data, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": entries},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": version},
	})
	if err != nil {
		return nil, &localError{fmt.Errorf("encoding the field owners of %s: %w", w.Ref, err)}
	}
	return c.of(w).Patch(ctx, w.Ref.Name, types.JSONPatchType, data, metav1.PatchOptions{FieldManager: manager})
}
