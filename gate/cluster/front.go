package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// services is where Services live.
var services = manifest.Resource{Version: "v1", Resource: "services", Namespaced: true}

// Front reads a Deployment as it is now, and what stands before the pods of one of its revisions; an empty revision is
// the one that its template is of now.
func (c *Client) Front(ctx context.Context, of manifest.Ref, revision string) (rollout.Front, error) {
	front := rollout.Front{Revision: revision}
	live, err := c.typed.AppsV1().Deployments(of.Namespace).Get(ctx, of.Name, metav1.GetOptions{})
	if err != nil {
		return front, err
	}
	front.Wanted = rollout.Replicas(live)
	selector, ok := rollout.PodSelector(live)
	if !ok {
		return front, nil
	}
	if revision == "" {
		if front.Revision, err = c.newestOf(ctx, of, live, selector); err != nil {
			return front, err
		}
	}
	pods, err := c.typed.CoreV1().Pods(of.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return front, fmt.Errorf("listing pods: %w", err)
	}
	all, err := c.at(services, of.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return front, fmt.Errorf("listing Services: %w", err)
	}
	template := maps.Clone(live.Spec.Template.Labels)
	template[appsv1.DefaultDeploymentUniqueLabelKey] = front.Revision
	var own, others []labels.Set
	for i := range pods.Items {
		p := &pods.Items[i]
		hash, made := p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
		switch set := labels.Set(p.Labels); {
		case p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded:
			// Evicted pods of versions long gone can be there for weeks.
		case !made || !selector.Matches(set):
			others = append(others, set)
		case hash != front.Revision:
			front.Others++
		default:
			own = append(own, set)
			front.Pods++
			if rollout.IsReady(p) {
				front.Ready++
			}
		}
	}
	if len(own) == 0 {
		own = append(own, template)
	}
	for i := range all.Items {
		front = withService(front, &all.Items[i], own, others)
	}
	return front, nil
}

// Routes lists the HTTPRoutes of a namespace that do not end; served is false for a cluster that does not have the kind.
func (c *Client) Routes(ctx context.Context, namespace string) (routes []*unstructured.Unstructured, served bool, err error) {
	all, err := c.at(httpRoutes, namespace).List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsNotFound(err), IsDenied(err) && !c.serves(ctx, httpRoutes): // without the kind, the answer can be no as well
		return nil, false, nil
	case err != nil:
		return nil, true, err
	}
	for i := range all.Items {
		if all.Items[i].GetDeletionTimestamp() == nil {
			routes = append(routes, &all.Items[i])
		}
	}
	return routes, true, nil
}

// newestOf is the revision of a Deployment's template; empty when the controller has not made it yet.
func (c *Client) newestOf(ctx context.Context, of manifest.Ref, live *appsv1.Deployment, selector labels.Selector) (string, error) {
	list, err := c.typed.AppsV1().ReplicaSets(of.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return "", fmt.Errorf("listing ReplicaSets: %w", err)
	}
	w := rollout.Workload{Ref: of, Live: live}
	for i := range list.Items {
		w.ReplicaSets = append(w.ReplicaSets, &list.Items[i])
	}
	if set := rollout.NewReplicaSet(w); set != nil {
		return set.Labels[appsv1.DefaultDeploymentUniqueLabelKey], nil
	}
	return "", nil
}

// withService adds a Service to a front when it selects some of its own pods.
func withService(front rollout.Front, service *unstructured.Unstructured, own, others []labels.Set) rollout.Front {
	selects, _, _ := unstructured.NestedStringMap(service.Object, "spec", "selector")
	delete(selects, appsv1.DefaultDeploymentUniqueLabelKey) // of a pin
	if len(selects) == 0 || service.GetDeletionTimestamp() != nil {
		return front
	}
	matches := labels.SelectorFromSet(selects)
	if !slices.ContainsFunc(own, func(s labels.Set) bool { return matches.Matches(s) }) {
		return front
	}
	front.Services = append(front.Services, service)
	if slices.ContainsFunc(others, func(s labels.Set) bool { return matches.Matches(s) }) {
		front.Shared = append(front.Shared, service.GetName())
	}
	return front
}
