package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/csaupgrade"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// maxConflicts is how often a write is tried again because a controller touched the object in between.
const maxConflicts = 5

// Change is one object that this run wrote, or looked at and left unchanged.
type Change struct {
	Item
	// Written is the object as the API server returned it for our write; for Unchanged it is the live object.
	Written *unstructured.Unstructured
	// At is the API server's time of the write.
	At time.Time
}

// ApplyError is one object that could not be applied although its dry-run went through.
type ApplyError struct {
	Object manifest.Object
	Err    error
}

func (e *ApplyError) Error() string { return fmt.Sprintf("applying %s: %v", e.Object.Ref(), e.Err) }

// Unwrap returns what the API server said.
func (e *ApplyError) Unwrap() error { return e.Err }

// oneWrite is how long one write may take. A write is not cut short by a cancellation: its effect would be unknown.
const oneWrite = 20 * time.Second

// Apply writes the plan in its order and tells wrote of each object. It returns what it has written so far also when
// it fails, for Undo. Every write carries the precondition that the object is still the one that was planned.
func (c *Client) Apply(ctx context.Context, plan Plan, wrote func(Change)) ([]Change, error) {
	changes := make([]Change, 0, len(plan.Items))
	for _, item := range plan.Items {
		if item.deferred {
			if err := c.resolve(ctx, &item); err != nil {
				return changes, &ApplyError{item.Object, err}
			}
		}
		if ctx.Err() != nil {
			return changes, context.Cause(ctx)
		}
		change, err := c.applyItem(ctx, item)
		if change.Written != nil {
			changes = append(changes, change)
			wrote(change)
		}
		if err != nil {
			return changes, &ApplyError{item.Object, err}
		}
		if isCRD(item.Object.Unstructured) && item.Action == Created {
			if err := c.awaitEstablished(ctx, item.Ref().Name); err != nil {
				return changes, fmt.Errorf("waiting for %s to be served: %w", item.Ref(), err)
			}
		}
	}
	return changes, nil
}

func (c *Client) applyItem(ctx context.Context, item Item) (Change, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), oneWrite)
	defer cancel()
	change := Change{Item: item, At: c.Now()}
	if item.Action == Unchanged {
		change.Written = item.Live
		return change, nil
	}
	for attempt := 0; ; attempt++ {
		err := c.write(ctx, &change)
		if attempt == maxConflicts || !isOptimisticConflict(err) && !IsUnreachable(err) {
			return change, err
		}
		if ours, err := c.reread(ctx, &change.Item); err != nil || ours != nil {
			if ours != nil {
				change.Written, change.At = ours, writeTime(ours, c.fieldManager, change.At)
			}
			return change, err
		}
	}
}

// write takes kubectl's ownership over where there is any, then applies.
func (c *Client) write(ctx context.Context, change *Change) error {
	item := &change.Item
	body := item.desired.DeepCopy()
	if item.Live != nil {
		version := item.Live.GetResourceVersion()
		if takenOverBy(item.Live) {
			moved, err := c.takeOver(ctx, item)
			if err != nil {
				return err
			}
			change.Written, version = moved, moved.GetResourceVersion()
		}
		body.SetResourceVersion(version)
	}
	written, err := c.patch(ctx, item, body, false)
	if err != nil {
		return err
	}
	change.Written, change.At = written, writeTime(written, c.fieldManager, c.Now())
	if item.Live == nil && change.At.Sub(written.GetCreationTimestamp().Time) > 2*time.Second {
		return &localError{fmt.Errorf("%s was created by somebody else while this run was planning", item.Ref())}
	}
	return nil
}

// takeOver moves the ownership of the fields that `kubectl apply` owns to our manager. It is a change of
// metadata.managedFields only, so no controller sees it; the apply that follows is then one change, not two.
func (c *Client) takeOver(ctx context.Context, item *Item) (*unstructured.Unstructured, error) {
	data, err := csaupgrade.UpgradeManagedFieldsPatch(item.Live.DeepCopy(), kubectlManagers(), c.fieldManager)
	if err != nil {
		return nil, &localError{fmt.Errorf("taking the ownership of %s over from kubectl: %w", item.Ref(), err)}
	}
	return c.at(item.resource, item.Object.GetNamespace()).Patch(ctx, item.Object.GetName(), types.JSONPatchType, data,
		metav1.PatchOptions{FieldManager: c.fieldManager})
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
func (c *Client) reread(ctx context.Context, item *Item) (ours *unstructured.Unstructured, err error) {
	live, err := c.at(item.resource, item.Object.GetNamespace()).Get(ctx, item.Object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) && item.Live == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if item.Predicted != nil && sameAuthored(live, item.Predicted) && hasManager(live.GetManagedFields(), c.fieldManager) {
		return live, nil
	}
	if item.Live == nil || live.GetUID() != item.Live.GetUID() || !sameAuthored(live, item.Live) {
		return nil, &localError{fmt.Errorf("%s was changed by %s while this run was planning", item.Ref(), c.lastWriter(live))}
	}
	managed := item.Live.GetManagedFields()
	item.Live = live
	if !takenOverBy(live) && hasManager(managed, kubectlManager) {
		// Our own take-over went through before the conflict: the snapshot keeps the owners from before it.
		item.Live.SetManagedFields(managed)
	}
	return nil, nil
}

func hasManager(entries []metav1.ManagedFieldsEntry, manager string) bool {
	for _, m := range entries {
		if m.Manager == manager {
			return true
		}
	}
	return false
}

// sameAuthored compares what users write; the number of replicas is left out because autoscalers write it as well.
func sameAuthored(a, b *unstructured.Unstructured) bool {
	x, y := authored(a), authored(b)
	unstructured.RemoveNestedField(x, "spec", "replicas")
	unstructured.RemoveNestedField(y, "spec", "replicas")
	return equality.Semantic.DeepEqual(x, y)
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
func (c *Client) resolve(ctx context.Context, item *Item) error {
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		c.mapper.Reset()
		r, err := c.resourceFor(item.Object.GroupVersionKind())
		item.resource = r
		return err == nil, ignoreNoMatch(err)
	})
	if err != nil {
		return err
	}
	item.deferred = false
	return c.planItem(ctx, item, map[manifest.Ref]bool{}, map[string]bool{})
}

func ignoreNoMatch(err error) error {
	if meta.IsNoMatchError(err) {
		return nil
	}
	return err
}
