package cluster

import (
	"context"
	"slices"
	"strconv"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// httpRoutes are where the Gateway API's routes live, in clusters that have it.
var httpRoutes = manifest.Resource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes", Namespaced: true}

// backends are what the Ingresses and HTTPRoutes of a namespace send traffic to, and notes for the kinds that the account
// may not list. Clusters without the kinds have none.
func (c *Client) backends(ctx context.Context, namespace string) (all []diagnosis.Backend, notes []string) {
	ingresses, err := c.typed.NetworkingV1().Ingresses(namespace).List(ctx, metav1.ListOptions{})
	switch {
	case err == nil:
		for i := range ingresses.Items {
			all = append(all, backendsOfIngress(&ingresses.Items[i])...)
		}
	case IsDenied(err):
		notes = append(notes, "Ingresses in "+namespace+": "+denial(err)+": ports that nobody serves are not noticed")
	}
	routes, err := c.at(httpRoutes, namespace).List(ctx, metav1.ListOptions{})
	switch {
	case err == nil:
		for i := range routes.Items {
			all = append(all, backendsOfRoute(&routes.Items[i])...)
		}
	case IsDenied(err) && c.serves(ctx, httpRoutes): // without the kind, the answer is no as well
		notes = append(notes, "HTTPRoutes in "+namespace+": "+denial(err)+": ports that nobody serves are not noticed")
	}
	return all, notes
}

// serves tells whether the cluster has a resource.
func (c *Client) serves(ctx context.Context, r manifest.Resource) bool {
	list, err := within(ctx, func() (*metav1.APIResourceList, error) {
		return c.typed.Discovery().ServerResourcesForGroupVersion(r.GVR().GroupVersion().String())
	})
	return err == nil && slices.ContainsFunc(list.APIResources, func(a metav1.APIResource) bool { return a.Name == r.Resource })
}

func backendsOfIngress(i *networkingv1.Ingress) []diagnosis.Backend {
	ref := manifest.Ref{Group: "networking.k8s.io", Kind: "Ingress", Namespace: i.Namespace, Name: i.Name}
	var all []diagnosis.Backend
	add := func(b *networkingv1.IngressBackend) {
		if b == nil || b.Service == nil {
			return
		}
		port := b.Service.Port.Name
		if port == "" {
			port = strconv.Itoa(int(b.Service.Port.Number))
		}
		all = append(all, diagnosis.Backend{Object: ref, Service: b.Service.Name, Port: port})
	}
	add(i.Spec.DefaultBackend)
	for _, rule := range i.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for n := range rule.HTTP.Paths {
			add(&rule.HTTP.Paths[n].Backend)
		}
	}
	return all
}

// backendsOfRoute reads the Services of the route's own namespace.
func backendsOfRoute(route *unstructured.Unstructured) []diagnosis.Backend {
	ref := refOf(route)
	var all []diagnosis.Backend
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	for _, r := range rules {
		rule, _ := r.(map[string]any)
		refs, _, _ := unstructured.NestedSlice(rule, "backendRefs")
		for _, b := range refs {
			backend, _ := b.(map[string]any)
			kind, _, _ := unstructured.NestedString(backend, "kind")
			namespace, _, _ := unstructured.NestedString(backend, "namespace")
			name, _, _ := unstructured.NestedString(backend, "name")
			port, found, _ := unstructured.NestedInt64(backend, "port")
			if found && (kind == "" || kind == "Service") && (namespace == "" || namespace == ref.Namespace) {
				all = append(all, diagnosis.Backend{Object: ref, Service: name, Port: strconv.FormatInt(port, 10)})
			}
		}
	}
	return all
}
