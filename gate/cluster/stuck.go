package cluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// FreeStuck deletes the pods of a revision that keep a StatefulSet from moving to another, and returns their names.
// revision is the controller-revision-hash of the broken pods: what this run wrote, for an undo; what was there before,
// for a version that repairs it.
//
// With OrderedReady the controller waits for a pod that is not Ready before it looks at any other, so a broken pod of
// one revision blocks the next for ever (kubernetes/kubernetes#67250). Only pods of that revision are deleted, only
// while they are not Ready, and only once the controller has taken another template in: before that it would make them
// anew as they were.
func (c *Client) FreeStuck(ctx context.Context, live rollout.Object, revision string) ([]string, error) {
	set, ok := live.(*appsv1.StatefulSet)
	if !ok || !rollout.OneByOne(set) || revision == "" {
		return nil, nil
	}
	if !rollout.Observed(set) || set.Status.UpdateRevision == revision {
		return nil, nil
	}
	pods, err := c.typed.CoreV1().Pods(set.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: appsv1.ControllerRevisionHashLabelKey + "=" + revision,
	})
	if err != nil {
		return nil, fmt.Errorf("reading the pods of statefulset/%s: %w", set.Name, err)
	}
	var deleted []string
	for _, p := range owned(pods.Items, set.UID) {
		if rollout.IsReady(p) || p.DeletionTimestamp != nil {
			continue
		}
		// One that becomes ready meanwhile must stay: the controller goes on with the next one then, and two would be missing.
		seen := &metav1.Preconditions{UID: &p.UID, ResourceVersion: &p.ResourceVersion}
		err := c.typed.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: seen})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			continue // the next look tells
		}
		if err != nil {
			return deleted, fmt.Errorf("deleting pod %s of revision %s: %w", p.Name, revision, err)
		}
		deleted = append(deleted, p.Name)
	}
	return deleted, nil
}
