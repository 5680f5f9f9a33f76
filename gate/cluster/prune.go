package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/prune"
)

// Leftovers reads objects of an earlier run as they are now, and finds out what others have written into them since. One
// that cannot be read says why.
func (c *Client) Leftovers(ctx context.Context, members []patch.Write) ([]prune.Leftover, error) {
	all := make([]prune.Leftover, len(members))
	errs := make([]error, len(members))
	inParallel(len(members), func(i int) {
		l := prune.Leftover{Was: members[i]}
		live, err := c.of(&l.Was).Get(ctx, l.Was.Ref.Name, metav1.GetOptions{})
		switch {
		case err == nil:
			l.Live = live
			if l.Was.Written != nil {
				l.Theirs = patch.Theirs(l.Was, live, c.schemas(ctx, live))
			}
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		case IsUnreachable(err), retriable(err), apierrors.IsUnauthorized(err):
			errs[i] = fmt.Errorf("reading %s: %w", l.Was.Ref, err)
		default:
			l.Unknown = err
		}
		all[i] = l
	})
	return all, errors.Join(errs...)
}

// LacksForPruning are the rights that the account lacks to delete some objects, and to create them again.
func (c *Client) LacksForPruning(ctx context.Context, prunes []patch.Write) []string {
	var questions []question
	for _, w := range prunes {
		for _, verb := range []string{"delete", "create"} {
			if q := (question{verb, w.Resource.Group, w.Resource.Resource, w.Ref.Namespace}); !slices.Contains(questions, q) {
				questions = append(questions, q)
			}
		}
	}
	return c.lacks(ctx, questions)
}

// heldTime is how long a deleted object may take to be gone before the run goes on without that.
const heldTime = 10 * time.Second

// prune deletes an object, if it is still the one that was planned. It sets Written when the object is gone or going; the
// error is a *patch.HeldError when that takes its time.
func (c *Client) prune(ctx context.Context, w *patch.Write) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), oneWrite)
	defer cancel()
	asked := false
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		err := c.pruneOnce(ctx, w, &asked)
		if asked {
			w.Written, w.At = w.Before, c.Now()
		}
		if err == nil || !retriable(err) || errors.As(err, new(*patch.HeldError)) {
			return err
		}
		if isOptimisticConflict(err) {
			pause = leastPause
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// pruneOnce is one try. asked notes that a deletion was sent which may have arrived.
func (c *Client) pruneOnce(ctx context.Context, w *patch.Write, asked *bool) error {
	live, err := c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && *asked:
		return nil
	case apierrors.IsNotFound(err):
		return &localError{&patch.StaleError{Ref: w.Ref, What: "was deleted by somebody else"}}
	case err != nil:
		return err
	case live.GetDeletionTimestamp() != nil && *asked && live.GetUID() == w.Before.GetUID():
		return c.awaitGone(ctx, w)
	case live.GetDeletionTimestamp() != nil:
		return &localError{&patch.StaleError{Ref: w.Ref, What: "was deleted by somebody else"}}
	}
	*asked = false // whatever was sent has not arrived
	if why := prune.Changes(*w, live, c.theirsSincePlan(ctx, w, live)); why != "" {
		return &localError{fmt.Errorf("%s stays: %s", w.Ref, why)}
	}
	foreign, err := c.foreignContent(ctx, live)
	if err != nil {
		return err
	}
	if foreign != "" {
		return &localError{fmt.Errorf("%s stays: it holds %s", w.Ref, foreign)}
	}
	policy := metav1.DeletePropagationBackground
	uid, version := live.GetUID(), live.GetResourceVersion()
	err = c.of(w).Delete(ctx, w.Ref.Name, metav1.DeleteOptions{
		PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version},
	})
	switch {
	case err == nil:
		w.Before, *asked = live, true
		return c.awaitGone(ctx, w)
	case apierrors.IsNotFound(err):
		return &localError{&patch.StaleError{Ref: w.Ref, What: "was deleted by somebody else"}}
	case (retriable(err) || IsUnreachable(err)) && !isOptimisticConflict(err):
		w.Before, *asked = live, true // it may have arrived
	}
	return err
}

// theirsSincePlan are the parts of an object that somebody else has written since it was decided to delete it.
func (c *Client) theirsSincePlan(ctx context.Context, w *patch.Write, live *unstructured.Unstructured) []patch.Kept {
	then := *w
	then.Written = w.Before
	return patch.Theirs(then, live, c.schemas(ctx, live))
}

// awaitGone waits for a moment until a deleted object is gone.
func (c *Client) awaitGone(ctx context.Context, w *patch.Write) error {
	ctx, cancel := context.WithTimeout(ctx, heldTime)
	defer cancel()
	held := &patch.HeldError{Ref: w.Ref}
	for {
		live, err := c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err), err == nil && live.GetUID() != w.Before.GetUID():
			return nil
		case err == nil:
			held.Finalizers = live.GetFinalizers()
		}
		select {
		case <-ctx.Done():
			return held
		case <-time.After(removePause):
		}
	}
}

// tracePrune finds out whether an object was deleted by a run whose process is dead, and which had begun to delete.
func (c *Client) tracePrune(ctx context.Context, w *patch.Write) error {
	live, err := c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err), err == nil && (live.GetUID() != w.Before.GetUID() || live.GetDeletionTimestamp() != nil):
		w.Written = w.Before
		return nil
	}
	return err
}

// undoPrune creates a deleted object again, in two writes: the object, under a manager of our own, and then its field owners.
func (c *Client) undoPrune(ctx context.Context, u *patch.Undone) error {
	w := &u.Write
	origin := w.Origin()
	live, err := c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && origin == nil:
		return nil
	case apierrors.IsNotFound(err):
		if live, err = c.createAgain(ctx, w, origin); err != nil {
			return err
		}
	case err != nil:
		return err
	case live.GetUID() == w.Before.GetUID() && live.GetDeletionTimestamp() != nil:
		return &patch.HeldError{Ref: w.Ref, Finalizers: live.GetFinalizers()}
	case live.GetUID() == w.Before.GetUID():
		u.Action, u.Why = patch.NotWritten, "the deletion of this run did not arrive"
		return nil
	case origin == nil || !c.createdAgain(w, live, origin):
		u.Action, u.Why = patch.Left, "somebody else has created it again after this run deleted it"
		return nil
	}
	u.Restored, u.At = live, writeTime(live, c.undoManagerFor(*w), live.GetCreationTimestamp().Time)
	return c.ownersAgain(ctx, u, origin)
}

// createAgain creates a deleted object. What was chosen for it from what all share, it gets again if that is still free.
func (c *Client) createAgain(ctx context.Context, w *patch.Write, origin *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	body := patch.Anew(origin)
	create := func(body *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		return c.of(w).Create(ctx, body, metav1.CreateOptions{FieldManager: c.undoManagerFor(*w)})
	}
	live, err := create(body)
	if apierrors.IsInvalid(err) || apierrors.IsInternalError(err) {
		if other, chosen := patch.Unallocated(body); chosen {
			return create(other)
		}
	}
	return live, err
}

// createdAgain tells whether an object is one that an earlier try has created: its owners are our manager for undos, or
// already those that the deleted object had.
func (c *Client) createdAgain(w *patch.Write, live, origin *unstructured.Unstructured) bool {
	own, undoer := authorsOf(live), c.undoManagerFor(*w)
	if len(own) == 1 && own[0].Manager == undoer {
		return true
	}
	return patch.SameOwners(own, authorsOf(origin)) // both may be none: an object of nothing but a name has no field to own
}

// authorsOf are the field owners of an object but for controllers of Kubernetes, who may have written to it by now.
func authorsOf(u *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	return slices.DeleteFunc(slices.Clone(u.GetManagedFields()), func(m metav1.ManagedFieldsEntry) bool {
		return ofSubresource(m) || strings.HasPrefix(m.Manager, "kube-")
	})
}

// ownersAgain gives the fields of an object back to those who had them.
func (c *Client) ownersAgain(ctx context.Context, u *patch.Undone, origin *unstructured.Unstructured) error {
	for range maxConflicts {
		owners := slices.DeleteFunc(slices.Clone(origin.GetManagedFields()), ofSubresource)
		for _, e := range u.Restored.GetManagedFields() {
			if ofSubresource(e) {
				owners = append(owners, e)
			}
		}
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
