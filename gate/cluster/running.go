package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// PodsOf lists the pods that run for live workloads, without those that end. Objects without pods of their own are
// passed over.
func (c *Client) PodsOf(ctx context.Context, live []rollout.Object) ([]rollout.RunningPod, error) {
	var out []rollout.RunningPod
	for _, object := range live {
		if u, ok := object.(*unstructured.Unstructured); ok {
			object = typed(u)
		}
		selector, ok := rollout.PodSelector(object)
		if !ok || selector.Empty() {
			continue
		}
		list, err := c.typed.CoreV1().Pods(object.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
		if err != nil {
			return out, fmt.Errorf("listing the pods of %s: %w", object.GetName(), err)
		}
		gvk := object.GetObjectKind().GroupVersionKind()
		owner := manifest.Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}
		for i := range list.Items {
			p := &list.Items[i]
			if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
				continue
			}
			out = append(out, rollout.RunningPod{Owner: owner, Pod: p, Revision: rollout.RevisionOf(p)})
		}
	}
	return out, nil
}

// ServicesOf names the Services that select pods with the template of an object.
func (c *Client) ServicesOf(ctx context.Context, object rollout.Object) ([]string, error) {
	if u, ok := object.(*unstructured.Unstructured); ok {
		object = typed(u)
	}
	template := rollout.PodTemplate(object)
	if template == nil {
		return nil, nil
	}
	list, err := c.typed.CoreV1().Services(object.GetNamespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing Services: %w", err)
	}
	var names []string
	for _, s := range list.Items {
		if len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(template.Labels)) {
			names = append(names, s.Name)
		}
	}
	return names, nil
}
