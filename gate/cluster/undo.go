package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// undoManager makes the write that puts an object back. It is never the manager that applies: its entry is removed
// again by the second step of restore.
func (c *Client) undoManager() string { return undoManagerOf(c.fieldManager) }

// undoManagerFor is that of a write which perhaps another run has made, under another manager.
func (c *Client) undoManagerFor(w patch.Write) string {
	if w.Added {
		return c.undoManager()
	}
	return undoManagerOf(w.Manager)
}

func undoManagerOf(manager string) string { return manager + "-undo" }

// Undo takes one write back. An object that somebody else has changed since is left alone. It tries until ctx ends:
// transient trouble is no reason to leave a cluster half restored.
func (c *Client) Undo(ctx context.Context, w patch.Write) patch.Undone {
	u := patch.Undone{Write: w, Action: patch.Restored, At: c.Now()}
	switch {
	case w.Origin() == nil:
		u.Action = patch.Deleted
	case w.Action == patch.Pruned, w.Action == patch.Removed:
		u.Action = patch.Recreated
	}
	if u.Err = ctx.Err(); u.Err != nil {
		return u
	}
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		if u.Err = c.undoOnce(ctx, &u); u.Err == nil || !retriable(u.Err) {
			return u
		}
		if isOptimisticConflict(u.Err) {
			pause = leastPause // a controller is at work on it: what helps is to be quick
		}
		select {
		case <-ctx.Done():
			return u
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// How long an undo pauses before it tries again.
const leastPause, mostPause = 100 * time.Millisecond, 5 * time.Second

// TryBack asks the API server whether it would take the object again that the write replaces: a policy may be newer than the
// object. That it is not the same any more is no answer to that.
func (c *Client) TryBack(ctx context.Context, w patch.Write) error {
	if w.Action != patch.Configured || w.Before == nil {
		return nil
	}
	_, err := c.of(&w).Update(ctx, w.Before.DeepCopy(), metav1.UpdateOptions{FieldManager: c.undoManagerFor(w), DryRun: []string{metav1.DryRunAll}})
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// Trace finds out what became of a write of which only the plan is known, because the process that was to make it is
// dead. Written is set when it was carried out, and Prepared when only its owners were.
func (c *Client) Trace(ctx context.Context, w *patch.Write) error {
	if w.Action == patch.Unchanged || w.Written != nil || w.Action == patch.Removed {
		return nil
	}
	if w.Action == patch.Pruned {
		return c.tracePrune(ctx, w)
	}
	if w.Deferred {
		r, err := c.resourceFor(ctx, w.Sent.GroupVersionKind())
		if meta.IsNoMatchError(err) {
			return nil // not even its kind was made
		}
		if err != nil {
			return err
		}
		w.Resource, w.Deferred = r, false
	}
	live, err := c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		w.Written = arrived(w, live)
		// An object at a later step may be as it was when the run was planned, which took over one that had come as far.
		if w.Step > 0 && w.Written != nil && !isAt(*w, live) {
			w.Written = nil
		}
		w.Prepared = w.Step == 0 && w.Written == nil && onlyPrepared(w, live)
		if w.Written == nil && w.Step == 0 && halfBack(*w, live, c.undoManagerFor(*w)) {
			w.Written = w.After.DeepCopy()
		}
	}
	return err
}

// Rebase makes the undo of a write also that of an earlier one to the same object.
func (c *Client) Rebase(ctx context.Context, earlier, w patch.Write) (patch.Write, error) {
	if earlier.Written == nil {
		return unprepared(earlier, w), nil
	}
	var known patch.Types
	if w.Before != nil {
		known = c.schemas(ctx, w.Before)
	}
	return patch.Rebase(earlier, w, c.undoManagerFor(earlier), known)
}

// clocksDiffer is by how much the time of a plan, which is ours, may be ahead of that of the API server.
const clocksDiffer = 5 * time.Second

// arrived finds out whether a write whose answer is not known was carried out, and returns what it made of the object:
// nil when it was not. It was when our field manager has an entry that was not there when the write was planned. Where
// the dry-run said what the object becomes, whatever differs from that now was changed by somebody else.
func arrived(w *patch.Write, live *unstructured.Unstructured) *unstructured.Unstructured {
	ours := ownEntry(live, w)
	if w.Replaces != "" && w.Replaces == string(live.GetUID()) {
		return nil
	}
	if ours == nil || ours.Time == nil || ours.Time.Time.Before(w.At.Add(-clocksDiffer)) || onlyPrepared(w, live) {
		return nil
	}
	if w.Before == nil {
		if live.GetCreationTimestamp().Time.Before(w.At.Add(-clocksDiffer)) {
			return nil
		}
	} else if live.GetUID() != w.Before.GetUID() {
		return nil
	} else if was := ownEntry(w.Before, w); was != nil && equality.Semantic.DeepEqual(was, ours) && !carriedOut(*w, live) {
		return nil
	}
	if w.After == nil || w.Before == nil && onlyWriter(live, w.Manager) {
		return live // what a dry-run makes up, as an address or an identity, is another one than what is given in the end
	}
	written := w.After.DeepCopy()
	if w.Before == nil { // a Job has the identity that it was given in the dry-run in its selector, too
		written.Object, _ = renamed(written.Object, string(written.GetUID()), string(live.GetUID())).(map[string]any)
	}
	written.SetUID(live.GetUID())
	written.SetCreationTimestamp(live.GetCreationTimestamp())
	written.SetManagedFields(ownersAt(ours.Time.Time, live, w.Before))
	return written
}

// carriedOut tells by the content alone whether an object has become what a write was to make of it. Owners have their
// times to the second: of two writes in one second that own the same fields, they do not tell which one was the last.
func carriedOut(w patch.Write, live *unstructured.Unstructured) bool {
	if w.After == nil || equality.Semantic.DeepEqual(patch.Authored(live), patch.Authored(w.Before)) {
		return false
	}
	return isAt(w, live)
}

// halfBack tells whether a write that is only there to lead traffic has gone back with all fields, and the process died
// before it gave them to their owners. The fields that it wrote had no others beside them, so nothing is left of its entry.
func halfBack(w patch.Write, live *unstructured.Unstructured, undoManager string) bool {
	if !w.Added || w.Before == nil || w.After == nil || live.GetUID() != w.Before.GetUID() || !equality.Semantic.DeepEqual(patch.Authored(live), patch.Authored(w.Before)) {
		return false
	}
	return slices.ContainsFunc(live.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == undoManager && m.Operation == metav1.ManagedFieldsOperationUpdate && m.Subresource == "" &&
			m.Time != nil && !m.Time.Time.Before(w.At.Add(-clocksDiffer))
	})
}

// isAt tells whether an object is what a write was to make of it, at the step of that write.
func isAt(w patch.Write, live *unstructured.Unstructured) bool {
	if w.After == nil {
		return false
	}
	w.Written = w.After
	return patch.Holds(w, live) && patch.AtStep(w, live)
}

// onlyWriter tells whether nobody but a manager has written an object, its status aside.
func onlyWriter(u *unstructured.Unstructured, manager string) bool {
	return !slices.ContainsFunc(u.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager != manager && m.Subresource == ""
	})
}

// renamed returns a value with one text for another, wherever it is all of a text.
func renamed(value any, from, to string) any {
	switch v := value.(type) {
	case map[string]any:
		for key, part := range v {
			v[key] = renamed(part, from, to)
		}
	case []any:
		for i, part := range v {
			v[i] = renamed(part, from, to)
		}
	case string:
		if v == from {
			return to
		}
	}
	return value
}

// ownersAt are the owners of an object as far as is known of a moment: who has written since is as it was before.
func ownersAt(moment time.Time, live, before *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	var entries []metav1.ManagedFieldsEntry
	for _, m := range live.GetManagedFields() {
		if m.Time == nil || !m.Time.After(moment) {
			entries = append(entries, m)
			continue
		}
		if before == nil {
			continue
		}
		for _, was := range before.GetManagedFields() {
			if was.Manager == m.Manager && was.Operation == m.Operation && was.Subresource == m.Subresource {
				entries = append(entries, was)
			}
		}
	}
	return entries
}

// ownEntry is the entry of the manager that makes a write.
func ownEntry(u *unstructured.Unstructured, w *patch.Write) *metav1.ManagedFieldsEntry {
	operation := metav1.ManagedFieldsOperationApply
	if w.Added {
		operation = metav1.ManagedFieldsOperationUpdate
	}
	var own *metav1.ManagedFieldsEntry
	for _, m := range u.GetManagedFields() {
		if m.Manager != w.Manager || m.Subresource != "" {
			continue
		}
		// Where a merge has to come before the apply, a run may have died in between.
		if m.Operation == operation && own == nil || w.Merge != nil && (own == nil || m.Time.After(own.Time.Time)) {
			own = &m
		}
	}
	return own
}

func retriable(err error) bool {
	var held *patch.HeldError
	return errors.As(err, &held) || apierrors.IsAlreadyExists(err) || isOptimisticConflict(err) || IsUnreachable(err) || apierrors.IsInternalError(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err)
}

func (c *Client) undoOnce(ctx context.Context, u *patch.Undone) error {
	w := &u.Write
	if w.Action == patch.Unchanged {
		u.Action, u.Why = patch.NotWritten, "this run did not change it"
		return nil
	}
	if w.Action == patch.Pruned {
		return c.undoPrune(ctx, u)
	}
	live, err := c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
	if w.Command && w.Written == nil && (err == nil || apierrors.IsNotFound(err)) {
		if done, err := c.undoUnseen(ctx, u, live, err == nil); done {
			return err
		}
	}
	switch {
	case apierrors.IsNotFound(err) && w.Written == nil:
		u.Action, u.Why = patch.NotWritten, "the write of this run did not arrive"
		return nil
	case apierrors.IsNotFound(err) && w.Origin() != nil:
		u.Action, u.Why = patch.Left, "it was deleted after this run wrote it"
		return nil
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	}
	if w.Written == nil && w.Last != nil && !carriedOut(*w, live) {
		w.Written = w.Last
	}
	if w.Written == nil {
		if w.Written = arrived(w, live); w.Written == nil {
			u.Action, u.Why = patch.NotWritten, "the write of this run did not arrive"
			return c.unprepare(ctx, w, live)
		}
	}
	switch {
	case live.GetUID() != w.Written.GetUID():
		u.Action, u.Why = patch.Left, "it was deleted and created again after this run wrote it"
	case w.Origin() == nil:
		return c.undoCreation(ctx, u, live)
	case live.GetDeletionTimestamp() != nil:
		u.Action, u.Why = patch.Left, "it is being deleted"
	default:
		return c.undoChange(ctx, u, live)
	}
	return nil
}

// undoCreation removes what this run created, unless something of somebody else would go with it.
func (c *Client) undoCreation(ctx context.Context, u *patch.Undone, live *unstructured.Unstructured) error {
	w := &u.Write
	if live.GetDeletionTimestamp() != nil {
		return nil
	}
	if w.Before == nil && w.At.Sub(live.GetCreationTimestamp().Time) > 2*time.Second {
		u.Action, u.Why = patch.Left, "it was created by somebody else while this run was planning"
		return nil
	}
	theirs := patch.Theirs(*w, live, c.schemas(ctx, live))
	if w.Base != nil {
		theirs = append(theirs, w.Base.Theirs...)
	}
	if len(theirs) > 0 {
		u.Action, u.Kept, u.Why = patch.Left, theirs, changedBy(theirs)
		return nil
	}
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

// changedBy says in words who has changed an object.
func changedBy(theirs []patch.Kept) string {
	var who []string
	for _, k := range theirs {
		text := cmp.Or(k.Manager, "somebody else")
		if !k.Time.IsZero() {
			text += " at " + k.Time.UTC().Format("15:04:05")
		}
		if !slices.Contains(who, text) {
			who = append(who, text)
		}
	}
	return fmt.Sprintf("it was changed by %s, after this run wrote it: %s", strings.Join(who, " and "), theirs[0].Path)
}

// undoChange writes the inverse of what this run wrote, in two writes. The first puts the fields back, under a manager
// of our own. The second puts their owners back, so that the next apply merges as if this run had never been; it
// changes no generation. Both carry the resource version that was read.
func (c *Client) undoChange(ctx context.Context, u *patch.Undone, live *unstructured.Unstructured) error {
	inverse, err := patch.Invert(u.Write, live, c.undoManagerFor(u.Write), c.schemas(ctx, live))
	if err != nil {
		return &localError{err}
	}
	u.Kept = inverse.Kept
	if inverse.Extent == patch.None {
		u.Action, u.Why = patch.Left, changedBy(inverse.Kept)
		return nil
	}
	u.Restored = live
	if inverse.Changes {
		restored, err := c.of(&u.Write).Update(ctx, inverse.Object, metav1.UpdateOptions{FieldManager: c.undoManagerFor(u.Write)})
		if err != nil {
			u.Restored = nil
			return err
		}
		u.Restored, u.At = restored, writeTime(restored, c.undoManagerFor(u.Write), c.Now())
		u.Altered = !patch.SameAuthored(restored, inverse.Object)
	}
	return c.restoreOwners(ctx, u, inverse)
}

// restoreOwners is the second write. A controller may write in between, as it does at once when a pod template has
// changed back; then it is tried again on what is there now.
func (c *Client) restoreOwners(ctx context.Context, u *patch.Undone, inverse *patch.Inverse) error {
	for range maxConflicts {
		owners := inverse.Owners(u.Restored)
		if patch.SameOwners(owners, u.Restored.GetManagedFields()) {
			return nil
		}
		owned, err := c.setOwners(ctx, &u.Write, c.undoManagerFor(u.Write), owners, u.Restored.GetResourceVersion())
		if err == nil {
			u.Restored = owned
		}
		if !isOptimisticConflict(err) {
			return err
		}
		now, err := c.of(&u.Write).Get(ctx, u.Write.Ref.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		u.Restored = now
	}
	return errors.New("the object kept changing while its field owners were put back")
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

// Gone tells whether an object that the undo deleted is gone, with everything below it.
func (c *Client) Gone(ctx context.Context, u patch.Undone) (bool, error) {
	_, err := c.of(&u.Write).Get(ctx, u.Write.Ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}
