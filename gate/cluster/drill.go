package cluster

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/rolloutgate/rolloutgate/gate/drill"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Live reads a target as it is.
func (c *Client) Live(ctx context.Context, t rollout.Target) (*unstructured.Unstructured, error) {
	live, err := c.at(t.Resource, t.Ref.Namespace).Get(ctx, t.Ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", t.Ref, err)
	}
	return live, nil
}

// Copies are those that drills have made in a namespace, of the kind of one object.
func (c *Client) Copies(ctx context.Context, like *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	r, err := c.resourceFor(ctx, like.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	list, err := c.at(r, like.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: drill.Label})
	if err != nil {
		return nil, err
	}
	return pointers(list.Items), nil
}

// RemoveCopy deletes the copy of a drill with everything below it, and returns when it is gone. It deletes nothing but a
// copy. That it is gone already is no error.
func (c *Client) RemoveCopy(ctx context.Context, u *unstructured.Unstructured) error {
	r, err := c.resourceFor(ctx, u.GroupVersionKind())
	if err != nil {
		return err
	}
	at := c.at(r, u.GetNamespace())
	var last error
	err = wait.PollUntilContextCancel(ctx, 250*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		live, err := at.Get(ctx, u.GetName(), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return true, nil
		case err != nil && !retriable(err):
			return false, err
		case err != nil:
			last = err
			return false, nil
		case live.GetLabels()[drill.Label] == "":
			return false, &localError{fmt.Errorf("%s is no copy of a drill", refOf(live))}
		case live.GetDeletionTimestamp() != nil:
			return false, nil
		}
		policy, uid := metav1.DeletePropagationForeground, live.GetUID()
		err = at.Delete(ctx, u.GetName(), metav1.DeleteOptions{PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &uid}})
		if err == nil || apierrors.IsNotFound(err) || retriable(err) {
			last = err
			return false, nil
		}
		return false, err
	})
	if err != nil && last != nil && ctx.Err() != nil {
		err = last // says more than that the time is up
	}
	return err
}
