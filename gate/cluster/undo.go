package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Undone is what became of one object of an undo.
type Undone struct {
	Change
	Action UndoAction
	// Written is the object as the API server returned it for the restoring write; nil when nothing was restored.
	Written *unstructured.Unstructured
	At      time.Time
	Err     error // why the object could not be put back
	// Why says in words why an object was left alone.
	Why string
}

// UndoAction is what an undo did to one object.
type UndoAction string

// The actions of an undo.
const (
	Restored UndoAction = "restored"
	Deleted  UndoAction = "deleted"
	Left     UndoAction = "left" // somebody else has changed or removed it since: it is theirs now
)

// undoManager makes the write that puts an object back. It is never the manager that applies: its entry is removed
// again by the second step of restore.
func (c *Client) undoManager() string { return c.fieldManager + "-undo" }

// Undo puts back every object that was changed, in reverse order, and tells did of each. An object that somebody
// else has changed since is left alone. Errors are in the answers; one of them does not stop the others.
func (c *Client) Undo(ctx context.Context, changes []Change, did func(Undone)) []Undone {
	var undone []Undone
	for _, change := range slices.Backward(changes) {
		if change.Item.Action == Unchanged {
			continue
		}
		u := c.undoItem(ctx, change)
		undone = append(undone, u)
		did(u)
	}
	return undone
}

func (c *Client) undoItem(ctx context.Context, change Change) Undone {
	u := Undone{Change: change, Action: Restored, At: c.Now()}
	if change.Live == nil {
		u.Action = Deleted
	}
	// Transient trouble is no reason to leave a cluster half restored: try until the undo's own time is up.
	backoff := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 20, Cap: 5 * time.Second}
	err := wait.ExponentialBackoffWithContext(ctx, backoff, func(ctx context.Context) (bool, error) {
		u.Err = c.undoOnce(ctx, &u)
		return u.Err == nil || !retriable(u.Err), nil
	})
	if u.Err == nil && err != nil {
		u.Err = err
	}
	return u
}

func retriable(err error) bool {
	return isOptimisticConflict(err) || IsUnreachable(err) || apierrors.IsInternalError(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err)
}

func (c *Client) undoOnce(ctx context.Context, u *Undone) error {
	live, err := c.at(u.resource, u.Object.GetNamespace()).Get(ctx, u.Object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if u.Action == Restored {
			u.Action, u.Why = Left, "it was deleted after this run wrote it"
		}
		return nil
	}
	if err != nil {
		return err
	}
	if c.restored(u, live) {
		return c.restoreOwners(ctx, u, live)
	}
	if why := c.changedSince(live, u.Change); why != "" {
		u.Action, u.Why = Left, why
		return nil
	}
	if u.Action == Deleted {
		foreign, err := c.foreignContent(ctx, live)
		if err != nil {
			return err
		}
		if foreign != "" {
			u.Action, u.Why = Left, "it now holds "+foreign+", which this run did not create"
			return nil
		}
		return c.remove(ctx, u, live)
	}
	return c.restore(ctx, u, live)
}

// changedSince says who has changed the object since this run wrote it, and "" when nobody has. A workload is ours
// as long as its pod template is; any other object as long as every field that this run sent is as it was written.
// What controllers and autoscalers add beside that (a volume name, a node name, replicas) takes nothing over.
func (c *Client) changedSince(live *unstructured.Unstructured, change Change) string {
	if live.GetUID() != change.Written.GetUID() {
		return "it was deleted and created again after this run wrote it"
	}
	theirs, isWorkload := templateOf(live)
	ours, _ := templateOf(change.Written)
	switch {
	case isWorkload && equality.Semantic.DeepEqual(theirs, ours):
		return ""
	case !isWorkload && sameWhereSent(authored(change.desired), authored(live), authored(change.Written)):
		return ""
	}
	return "it was changed by " + c.lastWriter(live) + ", after this run wrote it"
}

// templateOf returns the pod template of the kinds that have one at spec.template.
func templateOf(u *unstructured.Unstructured) (map[string]any, bool) {
	template, found, err := unstructured.NestedMap(u.Object, "spec", "template")
	return template, found && err == nil && rollout.Watched(u.GroupVersionKind().GroupKind())
}

// sameWhereSent compares live and written in the fields that sent has. Lists are compared whole.
func sameWhereSent(sent, live, written any) bool {
	fields, ok := sent.(map[string]any)
	if !ok {
		return equality.Semantic.DeepEqual(live, written)
	}
	l, isMap := live.(map[string]any)
	w, wasMap := written.(map[string]any)
	if !isMap || !wasMap {
		return isMap == wasMap && equality.Semantic.DeepEqual(live, written)
	}
	for key, value := range fields {
		if !sameWhereSent(value, l[key], w[key]) {
			return false
		}
	}
	return true
}

// remove deletes an object that this run created. Foreground: it is gone when everything below it is gone.
func (c *Client) remove(ctx context.Context, u *Undone, live *unstructured.Unstructured) error {
	policy := metav1.DeletePropagationForeground
	uid, version := live.GetUID(), live.GetResourceVersion()
	err := c.at(u.resource, u.Object.GetNamespace()).Delete(ctx, u.Object.GetName(), metav1.DeleteOptions{
		PropagationPolicy: &policy,
		Preconditions:     &metav1.Preconditions{UID: &uid, ResourceVersion: &version},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// restore puts the snapshot back in two writes. The first restores what users write, under a manager of our own. The
// second puts the field owners back, so that the next apply merges as if this run had never been; it changes no
// generation. Both carry the resource version that was read.
func (c *Client) restore(ctx context.Context, u *Undone, live *unstructured.Unstructured) error {
	at := c.at(u.resource, u.Object.GetNamespace())
	restored, err := at.Update(ctx, snapshotOver(live, u.Change.Written, u.Live), metav1.UpdateOptions{FieldManager: c.undoManager()})
	if err != nil {
		return err
	}
	u.Written, u.At = restored, writeTime(restored, c.undoManager(), c.Now())
	return c.restoreOwners(ctx, u, restored)
}

// restored tells whether the first write of restore has gone through in an earlier try whose answer, or whose second
// write, was lost.
func (c *Client) restored(u *Undone, live *unstructured.Unstructured) bool {
	return u.Action == Restored && hasManager(live.GetManagedFields(), c.undoManager()) && sameAuthored(live, u.Live)
}

// restoreOwners is the second write. A controller may write in between, as it does at once when a pod template has
// changed back; then it is tried again on what is there now.
func (c *Client) restoreOwners(ctx context.Context, u *Undone, live *unstructured.Unstructured) error {
	at := c.at(u.resource, u.Object.GetNamespace())
	for range maxConflicts {
		patch, err := json.Marshal([]map[string]any{
			{"op": "replace", "path": "/metadata/managedFields", "value": ownersOver(live, u.Live)},
			{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
		})
		if err != nil {
			return fmt.Errorf("encoding the field owners: %w", err)
		}
		u.Written = live
		owned, err := at.Patch(ctx, u.Object.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: c.undoManager()})
		if err == nil {
			u.Written = owned
		}
		if !isOptimisticConflict(err) {
			return err
		}
		if live, err = at.Get(ctx, u.Object.GetName(), metav1.GetOptions{}); err != nil {
			return err
		}
	}
	return errors.New("the object kept changing while its field owners were put back")
}

// snapshotOver is the object to write: the snapshot, on top of what others may have changed since. live is the
// object now, written what this run wrote.
func snapshotOver(live, written, snapshot *unstructured.Unstructured) *unstructured.Unstructured {
	out := snapshot.DeepCopy()
	out.SetResourceVersion(live.GetResourceVersion())
	out.SetGeneration(live.GetGeneration())
	// This run never writes these two, so whoever changed them since keeps the last word.
	out.SetFinalizers(live.GetFinalizers())
	out.SetOwnerReferences(live.GetOwnerReferences())
	out.SetLabels(merge(live.GetLabels(), written.GetLabels(), snapshot.GetLabels()))
	out.SetAnnotations(merge(live.GetAnnotations(), written.GetAnnotations(), snapshot.GetAnnotations()))
	if status, ok := live.Object["status"]; ok {
		out.Object["status"] = status
	}
	now, scaled, _ := unstructured.NestedInt64(live.Object, "spec", "replicas")
	then, _, _ := unstructured.NestedInt64(written.Object, "spec", "replicas")
	if scaled && now != then {
		_ = unstructured.SetNestedField(out.Object, now, "spec", "replicas")
	}
	return out
}

// merge goes back to the snapshot in the keys that nobody but this run has changed.
func merge(live, written, snapshot map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range snapshot {
		if now, has := live[k]; has == keyIn(written, k) && now == written[k] {
			out[k] = v
		} else if has {
			out[k] = now
		}
	}
	for k, v := range live {
		was, ours := written[k]
		_, before := snapshot[k]
		if !before && (!ours || was != v) {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func keyIn(m map[string]string, k string) bool { _, ok := m[k]; return ok }

// ownersOver is the snapshot's field owners with the status owners of now.
func ownersOver(now, snapshot *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	var entries []metav1.ManagedFieldsEntry
	for _, m := range snapshot.GetManagedFields() {
		if m.Subresource == "" {
			entries = append(entries, m)
		}
	}
	for _, m := range now.GetManagedFields() {
		if m.Subresource != "" {
			entries = append(entries, m)
		}
	}
	return entries
}

// Gone tells whether an object that the undo deleted is gone, with everything below it.
func (c *Client) Gone(ctx context.Context, u Undone) (bool, error) {
	_, err := c.at(u.resource, u.Object.GetNamespace()).Get(ctx, u.Object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// Exact tells whether a restored object is what it was before, as far as users write it. An admission webhook can
// stand in the way.
func (u Undone) Exact() bool { return u.Written != nil && sameAuthored(u.Written, u.Live) }
