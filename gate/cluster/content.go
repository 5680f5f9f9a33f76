package cluster

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// foreignContent names one object that would go with the object if it were deleted and that this run did not create.
// The undo runs in reverse order, so what this run created in a Namespace or of a CRD's kind is gone or going already.
func (c *Client) foreignContent(ctx context.Context, u *unstructured.Unstructured) (string, error) {
	switch {
	case isCRD(u):
		group, _, _ := unstructured.NestedString(u.Object, "spec", "group")
		plural, _, _ := unstructured.NestedString(u.Object, "spec", "names", "plural")
		versions, _, _ := unstructured.NestedSlice(u.Object, "status", "storedVersions")
		if len(versions) == 0 {
			return "", nil
		}
		gvr := schema.GroupVersionResource{Group: group, Version: fmt.Sprint(versions[0]), Resource: plural}
		return c.anyOf(ctx, gvr, metav1.NamespaceAll)
	case u.GroupVersionKind() == schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}:
		return c.anyIn(ctx, u.GetName())
	}
	return "", nil
}

// anyIn looks through every kind of a namespace.
func (c *Client) anyIn(ctx context.Context, namespace string) (string, error) {
	lists, err := c.typed.Discovery().ServerPreferredNamespacedResources()
	if err != nil && len(lists) == 0 {
		return "", fmt.Errorf("looking for what namespace %s holds: %w", namespace, err)
	}
	listable := discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists)
	for _, list := range listable {
		gv, _ := schema.ParseGroupVersion(list.GroupVersion)
		for _, r := range list.APIResources {
			found, err := c.anyOf(ctx, gv.WithResource(r.Name), namespace)
			if found != "" || err != nil {
				return found, err
			}
		}
	}
	return "", nil
}

// anyOf returns the first object of a kind that somebody made. What cannot be listed counts as somebody's.
func (c *Client) anyOf(ctx context.Context, gvr schema.GroupVersionResource, namespace string) (string, error) {
	list, err := c.dynamic.Resource(gvr).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: 50})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err):
		return "", nil
	case IsDenied(err):
		return gvr.Resource + " that may not be listed", nil
	case err != nil:
		return "", err
	}
	i := slices.IndexFunc(list.Items, func(u unstructured.Unstructured) bool {
		return u.GetDeletionTimestamp() == nil && len(u.GetOwnerReferences()) == 0 && !madeByNamespace(gvr, u.GetName()) && !ofRuns(u)
	})
	if i < 0 {
		return "", nil
	}
	return gvr.Resource + "/" + list.Items[i].GetName(), nil
}

// ofRuns tells what runs keep of themselves from what they write.
func ofRuns(u unstructured.Unstructured) bool {
	return u.GetLabels()[managedBy] == "rolloutgate" && u.GetLabels()[runLabel] != ""
}

// madeByNamespace: the control plane puts these into every namespace.
func madeByNamespace(gvr schema.GroupVersionResource, name string) bool {
	switch gvr.Resource {
	case "events":
		return true
	case "serviceaccounts":
		return name == "default"
	case "configmaps":
		return name == "kube-root-ca.crt"
	case "endpoints", "endpointslices":
		return true // of a Service, which is looked at itself
	}
	return false
}
