package cluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// NextOld are the old pods of a DaemonSet that are to be deleted next, as rollout.ToReplace says of what is there now: a
// watch may not have seen yet what was deleted a moment ago. note says what is not known about the nodes.
//
// There are none when somebody has changed the DaemonSet meanwhile: whether the controller still replaces nothing by
// itself is not known then.
func (c *Client) NextOld(ctx context.Context, w rollout.Workload, atOnce int32) (next []*corev1.Pod, note string, err error) {
	live, ok := w.Live.(*appsv1.DaemonSet)
	if !ok {
		return nil, "", nil
	}
	selector, ok := rollout.PodSelector(live)
	if !ok {
		return nil, "", nil
	}
	set, err := c.typed.AppsV1().DaemonSets(live.Namespace).Get(ctx, live.Name, metav1.GetOptions{})
	if err != nil {
		return nil, "", fmt.Errorf("reading daemonset/%s: %w", live.Name, err)
	}
	if set.UID != live.UID || set.Generation != live.Generation {
		return nil, "", nil
	}
	pods, err := c.typed.CoreV1().Pods(live.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, "", fmt.Errorf("reading the pods of daemonset/%s: %w", live.Name, err)
	}
	nodes, err := c.typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"}) // as the API server's cache has them
	switch {
	case IsDenied(err):
		nodes, note = &corev1.NodeList{}, fmt.Sprintf("the nodes of the canary of daemonset/%s are chosen by name alone, without regard to their labels and to which are down: %s", live.Name, denial(err))
	case err != nil:
		return nil, "", fmt.Errorf("reading the nodes of daemonset/%s: %w", live.Name, err)
	default:
		w.NodesDown = down(nodes.Items)
	}
	w.Live, w.Pods, w.PodsKnown, w.Now = set, owned(pods.Items, set.UID), true, c.Now()
	return rollout.ToReplace(w, nodes.Items, atOnce), note, nil
}

// Replace deletes a pod, if it still is that one: its controller makes another in its place.
func (c *Client) Replace(ctx context.Context, p *corev1.Pod) error {
	err := c.typed.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &p.UID}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting pod %s, so that node %s gets a new one: %w", p.Name, rollout.NodeOf(p), err)
	}
	return nil
}
