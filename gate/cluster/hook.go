package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// Locate fills the namespaces of objects in, as Plan does. Of a kind that the API server does not serve nothing is known;
// Plan says so.
func (c *Client) Locate(ctx context.Context, objects []manifest.Object) ([]manifest.Object, error) {
	located, defined := make([]manifest.Object, len(objects)), definedKinds(objects)
	for i, o := range objects {
		w, err := c.locate(ctx, o, defined)
		switch {
		case err == nil:
			located[i] = w.Object
		case IsUnreachable(err):
			return nil, err
		default:
			located[i] = o
		}
	}
	return located, nil
}

// Exist tells whether at least one of some objects, which have their namespaces, is there.
func (c *Client) Exist(ctx context.Context, objects []manifest.Object) (bool, error) {
	for _, o := range objects {
		w, err := c.locate(ctx, o, nil)
		if err == nil {
			_, err = c.of(&w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
		}
		if !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
			return err == nil, err
		}
	}
	return false, nil
}

// dryRunAnew asks the API server what the object would become if there were no older one of its name, and whether that
// one may be deleted. It asks about an object of another name, for the name is taken.
func (c *Client) dryRunAnew(ctx context.Context, w *patch.Write) error {
	if err := c.delete(ctx, w, w.Replaces, metav1.DryRunAll); err != nil {
		return err
	}
	other := *w
	other.Sent = w.Sent.DeepCopy()
	other.Sent.SetName(otherName(w.Ref.Name))
	other.Ref.Name = other.Sent.GetName()
	after, err := c.patch(ctx, &other, other.Sent, true)
	if err != nil {
		return err
	}
	content, _ := renamed(after.Object, other.Ref.Name, w.Ref.Name).(map[string]any)
	w.After = &unstructured.Unstructured{Object: content}
	return nil
}

// otherName is a name like a given one, of a length that every kind takes, and that no object has.
func otherName(name string) string {
	const most = 50
	return strings.TrimRight(name[:min(len(name), most)], "-.:") + "-" + strings.ToLower(rand.Text()[:8])
}

// delete deletes the object of a write on the condition that it is the one with the UID. With it goes everything below.
func (c *Client) delete(ctx context.Context, w *patch.Write, uid string, dryRun ...string) error {
	policy, own := metav1.DeletePropagationForeground, types.UID(uid)
	return c.of(w).Delete(ctx, w.Ref.Name, metav1.DeleteOptions{
		PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &own}, DryRun: dryRun,
	})
}

// removePause is how long Remove pauses before it looks again.
const removePause = 200 * time.Millisecond

// Remove deletes the object of a write, if it is the one with the UID, and returns when that is gone with everything
// below it. Another object of that name is an error.
func (c *Client) Remove(ctx context.Context, w patch.Write, uid string) error {
	asked := false
	return wait.PollUntilContextCancel(ctx, removePause, true, func(ctx context.Context) (bool, error) {
		live, err := c.of(&w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return true, nil
		case err != nil && retriable(err):
			return false, nil
		case err != nil:
			return false, err
		case string(live.GetUID()) != uid:
			return false, &localError{&patch.StaleError{Ref: w.Ref, What: "was created by somebody else"}}
		case asked:
			return false, nil
		}
		if err := c.delete(ctx, &w, uid); err != nil && !apierrors.IsNotFound(err) && !retriable(err) {
			return false, fmt.Errorf("deleting %s: %w", w.Ref, err)
		} else if err == nil {
			asked = true
		}
		return false, nil
	})
}
