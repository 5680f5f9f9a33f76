package cluster

import (
	"context"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// undoUnseen takes back what a command has done to an object when that was not seen yet, or when it has deleted it. It
// tells whether there is nothing more to do.
func (c *Client) undoUnseen(ctx context.Context, u *patch.Undone, live *unstructured.Unstructured, there bool) (done bool, err error) {
	w, planned := &u.Write, u.Write.At
	ours := func(m metav1.ManagedFieldsEntry) bool { return m.Manager == c.undoManagerFor(*w) }
	switch {
	case w.Action != patch.Removed || !there || live.GetDeletionTimestamp() != nil:
	case slices.ContainsFunc(live.GetManagedFields(), ours): // by an earlier try
		u.Action = patch.Recreated
		return true, c.ownAsBefore(ctx, u, live)
	default:
		u.Action, u.Why = patch.Left, "it was created again by somebody else"
		return true, nil
	}
	if !there {
		live = nil
	}
	if live != nil && live.GetDeletionTimestamp() != nil {
		if w.Origin() == nil {
			return true, nil // it goes by itself
		}
		return true, apierrors.NewConflict(w.Resource.GVR().GroupResource(), w.Ref.Name, errors.New("it is still being deleted"))
	}
	if w.Action != patch.Removed {
		var types patch.Types
		if live != nil && w.Before != nil {
			types = c.schemas(ctx, live)
		}
		*w = w.Found(live, types)
	}
	switch {
	case w.Action == patch.Removed && w.Origin() != nil:
		u.Action = patch.Recreated
		return true, c.recreate(ctx, u)
	case w.Written == nil, w.Action == patch.Unchanged, w.Before == nil && !patch.NewSince(live, planned):
		u.Action, u.Why = patch.NotWritten, "the command did not change it"
		return true, nil
	}
	return false, nil
}

// recreate makes an object again that a command has deleted, as it was, owners included. It has another identity, and where
// the API server gives addresses or numbers, it has those that it had if they are still free.
func (c *Client) recreate(ctx context.Context, u *patch.Undone) error {
	w := &u.Write
	made, err := c.createAgain(ctx, w, w.Origin())
	if err != nil {
		return err
	}
	return c.ownAsBefore(ctx, u, made)
}

// ownAsBefore gives the fields of an object that was created again to those who owned them.
func (c *Client) ownAsBefore(ctx context.Context, u *patch.Undone, made *unstructured.Unstructured) error {
	w := &u.Write
	u.Restored, u.At = made, made.GetCreationTimestamp().Time
	u.Altered = !patch.SameAuthored(made, w.Origin())
	for range maxConflicts {
		owned, err := c.setOwners(ctx, w, c.undoManagerFor(*w), w.Origin().GetManagedFields(), u.Restored.GetResourceVersion())
		if err == nil {
			u.Restored = owned
		}
		if !isOptimisticConflict(err) {
			return err
		}
		if u.Restored, err = c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{}); err != nil {
			return err
		}
	}
	return nil
}
