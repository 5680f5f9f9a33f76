package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// maxConflicts is how often a write is tried again because a controller touched the object in between.
const maxConflicts = 5

// oneWrite is how long one write may take. A write is not cut short by a cancellation: its effect would be unknown.
const oneWrite = 20 * time.Second

// Write carries out one write of a plan, under the precondition that the object is still the one that was planned. It
// sets Written and At, also with an error when something was written nevertheless; with an error and no Written the
// write may still have arrived, which Undo finds out. A write is not cut short by a cancellation: its effect would be
// unknown. For a CRD that is new it returns once the kind is served.
func (c *Client) Write(ctx context.Context, w *patch.Write) error {
	if w.Action == patch.Pruned {
		return c.prune(ctx, w)
	}
	if w.Last != nil {
		return c.writeStep(ctx, w)
	}
	if w.Deferred {
		if err := c.resolve(ctx, w); err != nil {
			return err
		}
	}
	if err := c.writeOne(ctx, w); err != nil {
		return err
	}
	if isCRD(w.Sent) && w.Action == patch.Created {
		if err := c.awaitEstablished(ctx, w.Ref.Name); err != nil {
			return fmt.Errorf("waiting for %s to be served: %w", w.Ref, err)
		}
	}
	return nil
}

// writeStep carries out a further write to an object, under the precondition that it is still what the step before has
// made of it. Controllers have written to it since.
func (c *Client) writeStep(ctx context.Context, w *patch.Write) error {
	step := *w
	step.Before, step.Last = w.Last, nil
	ours, err := c.reread(ctx, &step)
	if err == nil && ours == nil {
		err = c.writeOne(ctx, &step)
	} else if err == nil {
		step.Written, step.At = ours, writeTime(ours, w.Manager, c.Now())
	}
	w.Written, w.At = step.Written, step.At
	return err
}

// TryStep asks the API server what a step would make of the object as it is before the run, and sets After. It refuses one
// that the account could not go on from. What the run makes for itself, it has to be allowed to delete.
func (c *Client) TryStep(ctx context.Context, w *patch.Write) error {
	if w.OfRun {
		if lacks := c.cannotUndo(ctx, []patch.Write{*w}); len(lacks) > 0 {
			why := fmt.Errorf("the run could not delete it at its end: this account cannot %s\n  hint: grant it; `rolloutgate rbac` prints all that is needed", lacks[0])
			return apierrors.NewForbidden(w.Resource.GVR().GroupResource(), w.Ref.Name, why)
		}
	}
	if w.Added {
		if _, err := c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{}); err != nil { // each further step begins with that
			return err
		}
		return c.tryAdding(ctx, w)
	}
	asking, warned := collectWarnings(ctx)
	if err := c.dryRun(asking, w); err != nil {
		return err
	}
	w.Warnings = warned.texts
	if w.Merge != nil {
		return &localError{fmt.Errorf("%s cannot be written in steps: the API server takes the new version only when a field is removed first", w.Ref)}
	}
	return c.mayReplace(ctx, w)
}

func (c *Client) writeOne(ctx context.Context, w *patch.Write) error {
	if w.Action == patch.Unchanged {
		w.Written = w.Before
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), oneWrite)
	defer cancel()
	for attempt := 0; ; attempt++ {
		err := c.write(ctx, w)
		if attempt == maxConflicts || !isOptimisticConflict(err) && !IsUnreachable(err) {
			return err
		}
		if ours, err := c.reread(ctx, w); err != nil || ours != nil {
			if ours != nil {
				w.Written, w.At = ours, writeTime(ours, w.Manager, c.Now())
			}
			return err
		}
	}
}

// write prepares the field owners where that is needed, and applies. What an apply cannot change is changed first.
func (c *Client) write(ctx context.Context, w *patch.Write) error {
	if w.Added {
		return c.add(ctx, w)
	}
	body := w.Sent.DeepCopy()
	if w.Before != nil {
		now, err := c.prepare(ctx, w, w.Before)
		if err == nil && w.Merge != nil {
			if now, err = c.merge(ctx, w, w.Merge, now.GetResourceVersion()); err == nil {
				w.Written, w.At = now, writeTime(now, c.fieldManager, c.Now())
				now, err = c.prepare(ctx, w, now)
			}
		}
		if err != nil {
			return err
		}
		if now != w.Before {
			w.Written = now // if the apply fails, the owners have to go back
		}
		body.SetResourceVersion(now.GetResourceVersion())
	}
	written, err := c.patch(ctx, w, body, false)
	if err != nil {
		if retriable(err) {
			w.Written = nil // what was only prepared may be applied by now: the object tells
		}
		return err
	}
	c.sets.share(written)
	w.Written, w.At = written, writeTime(written, c.fieldManager, c.Now())
	if w.Before == nil && w.At.Sub(written.GetCreationTimestamp().Time) > 2*time.Second {
		return &localError{&patch.StaleError{Ref: w.Ref, What: "was created by somebody else"}}
	}
	return nil
}

// add sends what is added to an object as a patch of the manager that the write names.
func (c *Client) add(ctx context.Context, w *patch.Write) error {
	change, err := json.Marshal(w.Sent)
	if err != nil {
		return &localError{fmt.Errorf("encoding %s: %w", w.Ref, err)}
	}
	written, err := c.mergeAs(ctx, w, w.Manager, change, w.Before.GetResourceVersion())
	if err == nil {
		w.Written, w.At = written, writeTime(written, w.Manager, c.Now())
	}
	return err
}

// tryAdding asks what an object would become by what is added to it, and sets After.
func (c *Client) tryAdding(ctx context.Context, w *patch.Write) error {
	change, err := json.Marshal(w.Sent)
	if err != nil {
		return &localError{fmt.Errorf("encoding %s: %w", w.Ref, err)}
	}
	w.After, err = c.mergeAs(ctx, w, w.Manager, change, "")
	return err
}

// writeTime is the time that the API server itself noted for our write.
func writeTime(u *unstructured.Unstructured, manager string, fallback time.Time) time.Time {
	for _, m := range u.GetManagedFields() {
		if m.Manager == manager && m.Subresource == "" && m.Time != nil {
			return m.Time.Time
		}
	}
	return fallback
}

// isOptimisticConflict tells "somebody wrote in between" from "somebody else owns this field".
func isOptimisticConflict(err error) bool {
	var status *apierrors.StatusError
	if !apierrors.IsConflict(err) || !errors.As(err, &status) {
		return false
	}
	if status.ErrStatus.Details == nil {
		return true
	}
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			return false
		}
	}
	return true
}

// reread renews the snapshot after a conflict or a lost answer. A controller that wrote its status or scaled is no
// obstacle; anybody who changed what we planned against is. When the object is already as we meant it to be, by our
// own hand, our write did arrive and the object is returned.
func (c *Client) reread(ctx context.Context, w *patch.Write) (ours *unstructured.Unstructured, err error) {
	live, err := c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && w.Before == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c.isOurs(w, live) {
		return live, nil
	}
	if w.Before == nil {
		if ours = arrived(w, live); ours != nil {
			return ours, nil
		}
	}
	if w.Before == nil || live.GetUID() != w.Before.GetUID() || !patch.SameAuthored(live, w.Before) {
		return nil, &localError{&patch.StaleError{Ref: w.Ref, What: "was changed by " + c.lastWriter(live)}}
	}
	if w.Added {
		w.Before = live
		return nil, nil
	}
	owners := w.Before.GetManagedFields()
	_, was, err := c.prepared(w.Before, w.Sent)
	if err != nil {
		return nil, err
	}
	_, is, err := c.prepared(live, w.Sent)
	if err != nil {
		return nil, err
	}
	w.Before = live
	if was && !is { // we have prepared it before the conflict: the snapshot keeps the owners from before that
		w.Before = live.DeepCopy()
		w.Before.SetManagedFields(owners)
	}
	return nil, nil
}

// isOurs tells whether an object is as this write means it to be, by our own hand. The number of replicas may be another
// by now if it shows otherwise that we have written.
func (c *Client) isOurs(w *patch.Write, live *unstructured.Unstructured) bool {
	switch {
	case w.After == nil || !hasManager(live.GetManagedFields(), w.Manager):
		return false
	case equality.Semantic.DeepEqual(patch.Authored(live), patch.Authored(w.After)):
		return true
	}
	return patch.SameAuthored(live, w.After) && (w.Before == nil || !equality.Semantic.DeepEqual(ownEntry(live, w), ownEntry(w.Before, w)))
}

func hasManager(entries []metav1.ManagedFieldsEntry, manager string) bool {
	for _, m := range entries {
		if m.Manager == manager {
			return true
		}
	}
	return false
}

// lastWriter names the field manager of the newest write that was neither ours nor one of a status.
func (c *Client) lastWriter(u *unstructured.Unstructured) string {
	name, newest := "somebody else", time.Time{}
	for _, m := range u.GetManagedFields() {
		if m.Subresource == "" && m.Manager != c.fieldManager && m.Time != nil && m.Time.After(newest) {
			name, newest = fmt.Sprintf("%q at %s", m.Manager, m.Time.UTC().Format("15:04:05")), m.Time.Time
		}
	}
	return name
}

// awaitEstablished waits until a new CRD is served, so that objects of its kind can be applied.
func (c *Client) awaitEstablished(ctx context.Context, name string) error {
	at := c.dynamic.Resource(crdResource)
	return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		crd, err := at.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		return hasCondition(crd, "Established", "True"), nil
	})
}

func hasCondition(u *unstructured.Unstructured, kind, status string) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == kind && m["status"] == status {
			return true
		}
	}
	return false
}

// resolve plans an item whose kind was not served when the plan was made. Discovery lags behind Established by a
// moment.
func (c *Client) resolve(ctx context.Context, w *patch.Write) error {
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		c.mapper.Reset()
		r, err := c.resourceFor(ctx, w.Sent.GroupVersionKind())
		w.Resource = r
		return err == nil, ignoreNoMatch(err)
	})
	if err != nil {
		return err
	}
	w.Deferred = false
	_, err = c.planWrite(ctx, w, c.scalersOf(nil), map[string]bool{})
	return err
}

func ignoreNoMatch(err error) error {
	if meta.IsNoMatchError(err) {
		return nil
	}
	return err
}
