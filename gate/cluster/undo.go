package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// undoManager makes the write that puts an object back. It is never the manager that applies: its entry is removed
// again by the second step of restore.
func (c *Client) undoManager() string { return c.fieldManager + "-undo" }

// Undo takes one write back. An object that somebody else has changed since is left alone. It tries until ctx ends:
// transient trouble is no reason to leave a cluster half restored.
func (c *Client) Undo(ctx context.Context, w patch.Write) patch.Undone {
	u := patch.Undone{Write: w, Action: patch.Restored, At: c.Now()}
	if w.Before == nil {
		u.Action = patch.Deleted
	}
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

// arrived finds out whether a write whose answer is not known was carried out, and returns what it made of the object:
// nil when it was not. It was when our field manager has an entry from after the plan that was not there before. Where
// the dry-run said what the object becomes, whatever differs from that now was changed by somebody else.
func arrived(w *patch.Write, live *unstructured.Unstructured) *unstructured.Unstructured {
	ours := ownEntry(live, w.Manager)
	if ours == nil || ours.Time == nil || ours.Time.Time.Before(w.At.Truncate(time.Second)) {
		return nil
	}
	if w.Before == nil {
		if live.GetCreationTimestamp().Time.Before(w.At.Truncate(time.Second)) {
			return nil
		}
	} else if live.GetUID() != w.Before.GetUID() {
		return nil
	} else if was := ownEntry(w.Before, w.Manager); was != nil && equality.Semantic.DeepEqual(was, ours) {
		return nil
	}
	if w.After == nil {
		return live
	}
	written := w.After.DeepCopy()
	written.SetUID(live.GetUID())
	written.SetCreationTimestamp(live.GetCreationTimestamp())
	return written
}

// ownEntry is the entry of the manager that a run applies with.
func ownEntry(u *unstructured.Unstructured, manager string) *metav1.ManagedFieldsEntry {
	for _, m := range u.GetManagedFields() {
		if m.Manager == manager && m.Operation == metav1.ManagedFieldsOperationApply && m.Subresource == "" {
			return &m
		}
	}
	return nil
}

func retriable(err error) bool {
	return isOptimisticConflict(err) || IsUnreachable(err) || apierrors.IsInternalError(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err)
}

func (c *Client) undoOnce(ctx context.Context, u *patch.Undone) error {
	if u.Write.Action == patch.Unchanged {
		u.Action, u.Why = patch.NotWritten, "this run did not change it"
		return nil
	}
	live, err := c.of(&u.Write).Get(ctx, u.Write.Ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		switch {
		case u.Write.Written == nil:
			u.Action, u.Why = patch.NotWritten, "the write of this run did not arrive, or it was deleted after that"
		case u.Action == patch.Restored:
			u.Action, u.Why = patch.Left, "it was deleted after this run wrote it"
		}
		return nil
	}
	if err != nil {
		return err
	}
	if u.Write.Written == nil && u.Restored == nil {
		if u.Write.Written = arrived(&u.Write, live); u.Write.Written == nil {
			u.Action, u.Why = patch.NotWritten, "the write of this run did not arrive"
			return nil
		}
	}
	if c.restored(u, live) {
		return c.restoreOwners(ctx, u, live)
	}
	if why := c.changedSince(live, u.Write); why != "" {
		u.Action, u.Why = patch.Left, why
		return nil
	}
	if u.Action == patch.Deleted {
		foreign, err := c.foreignContent(ctx, live)
		if err != nil {
			return err
		}
		if foreign != "" {
			u.Action, u.Why = patch.Left, "it now holds "+foreign+", which this run did not create"
			return nil
		}
		return c.remove(ctx, u, live)
	}
	return c.restore(ctx, u, live)
}

// changedSince says who has changed the object since this run wrote it, and "" when nobody has. A workload is ours
// as long as its pod template is; any other object as long as every field that this run sent is as it was written.
// What controllers and autoscalers add beside that (a volume name, a node name, replicas) takes nothing over.
func (c *Client) changedSince(live *unstructured.Unstructured, w patch.Write) string {
	if live.GetUID() != w.Written.GetUID() {
		return "it was deleted and created again after this run wrote it"
	}
	theirs, isWorkload := templateOf(live)
	ours, _ := templateOf(w.Written)
	switch {
	case isWorkload && equality.Semantic.DeepEqual(theirs, ours):
		return ""
	case !isWorkload && sameWhereSent(patch.Authored(w.Sent), patch.Authored(live), patch.Authored(w.Written)):
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
func (c *Client) remove(ctx context.Context, u *patch.Undone, live *unstructured.Unstructured) error {
	policy := metav1.DeletePropagationForeground
	uid, version := live.GetUID(), live.GetResourceVersion()
	err := c.of(&u.Write).Delete(ctx, u.Write.Ref.Name, metav1.DeleteOptions{
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
func (c *Client) restore(ctx context.Context, u *patch.Undone, live *unstructured.Unstructured) error {
	at := c.of(&u.Write)
	restored, err := at.Update(ctx, snapshotOver(live, u.Write.Written, u.Write.Before), metav1.UpdateOptions{FieldManager: c.undoManager()})
	if err != nil {
		return err
	}
	u.Restored, u.At = restored, writeTime(restored, c.undoManager(), c.Now())
	return c.restoreOwners(ctx, u, restored)
}

// restored tells whether the first write of restore has gone through in an earlier try whose answer, or whose second
// write, was lost.
func (c *Client) restored(u *patch.Undone, live *unstructured.Unstructured) bool {
	return u.Action == patch.Restored && hasManager(live.GetManagedFields(), c.undoManager()) && patch.SameAuthored(live, u.Write.Before)
}

// restoreOwners is the second write. A controller may write in between, as it does at once when a pod template has
// changed back; then it is tried again on what is there now.
func (c *Client) restoreOwners(ctx context.Context, u *patch.Undone, live *unstructured.Unstructured) error {
	at := c.of(&u.Write)
	for range maxConflicts {
		patch, err := json.Marshal([]map[string]any{
			{"op": "replace", "path": "/metadata/managedFields", "value": ownersOver(live, u.Write.Before)},
			{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
		})
		if err != nil {
			return fmt.Errorf("encoding the field owners: %w", err)
		}
		u.Restored = live
		owned, err := at.Patch(ctx, u.Write.Ref.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: c.undoManager()})
		if err == nil {
			u.Restored = owned
		}
		if !isOptimisticConflict(err) {
			return err
		}
		if live, err = at.Get(ctx, u.Write.Ref.Name, metav1.GetOptions{}); err != nil {
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
func (c *Client) Gone(ctx context.Context, u patch.Undone) (bool, error) {
	_, err := c.of(&u.Write).Get(ctx, u.Write.Ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}
