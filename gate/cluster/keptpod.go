package cluster

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// KeepPod takes a pod out of the hands of its controller, if it still is that pod and that controller still has it.
func (c *Client) KeepPod(ctx context.Context, p *corev1.Pod, k rollout.Keeping) error {
	pods := c.typed.CoreV1().Pods(p.Namespace)
	for try := 1; ; try++ {
		live, err := pods.Get(ctx, p.Name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading pod %s: %w", p.Name, err)
		}
		owner, was := metav1.GetControllerOf(live), metav1.GetControllerOf(p)
		if live.UID != p.UID || live.DeletionTimestamp != nil || owner == nil || was == nil || owner.UID != was.UID {
			return fmt.Errorf("pod %s is not what it was a moment ago: it has been deleted, or taken over", p.Name)
		}
		change, err := keptPatch(live, rollout.Kept(live, k))
		if err != nil {
			return err
		}
		_, err = pods.Patch(ctx, p.Name, types.MergePatchType, change, metav1.PatchOptions{FieldManager: c.fieldManager})
		if err == nil {
			return nil
		}
		if !isOptimisticConflict(err) || try == maxConflicts {
			return fmt.Errorf("taking pod %s out of the hands of its controller: %w", p.Name, err)
		}
	}
}

// keptPatch is the merge patch from one pod to the other. It holds for this very pod in this very version.
func keptPatch(from, to *corev1.Pod) ([]byte, error) {
	labels := map[string]any{}
	for key := range from.Labels {
		labels[key] = nil
	}
	for key, value := range to.Labels {
		labels[key] = value
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": from.UID, "resourceVersion": from.ResourceVersion,
		"labels": labels, "annotations": to.Annotations, "ownerReferences": to.OwnerReferences,
	}})
}

// LacksForKeeping are the verbs that the account lacks to keep pods of a namespace, in words.
func (c *Client) LacksForKeeping(ctx context.Context, namespace string) []string {
	return c.lacks(ctx, []question{{"get", "", "pods", namespace}, {"patch", "", "pods", namespace}})
}
