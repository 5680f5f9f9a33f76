package cluster

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// finding is an API server that has Deployments and Widgets, and one of each; what is at a path is JSON.
func finding(t *testing.T) *Client {
	resources := func(group string, all ...metav1.APIResource) any {
		return metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: group, APIResources: all}
	}
	group := func(name string) metav1.APIGroup {
		v := metav1.GroupVersionForDiscovery{GroupVersion: name + "/v1", Version: "v1"}
		return metav1.APIGroup{Name: name, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v}
	}
	verbs := metav1.Verbs{"get", "list"}
	at := map[string]any{
		"/api":                 metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}},
		"/api/v1":              resources("v1"),
		"/apis":                metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{group("apps"), group("example.com")}},
		"/apis/apps/v1":        resources("apps/v1", metav1.APIResource{Name: "deployments", SingularName: "deployment", Namespaced: true, Kind: "Deployment", Verbs: verbs, ShortNames: []string{"deploy"}}),
		"/apis/example.com/v1": resources("example.com/v1", metav1.APIResource{Name: "widgets", SingularName: "widget", Namespaced: true, Kind: "Widget", Verbs: verbs}),
		"/apis/apps/v1/namespaces/shop/deployments/web": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "w"}},
		"/apis/example.com/v1/namespaces/shop/widgets/parent": map[string]any{"apiVersion": "example.com/v1", "kind": "Widget",
			"metadata": map[string]any{"name": "parent", "namespace": "shop", "labels": map[string]any{"kustomize.toolkit.fluxcd.io/name": "shop"}}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer, found := at[r.URL.Path]
		if !found {
			w.WriteHeader(http.StatusNotFound)
			answer = apierrors.NewNotFound(schema.GroupResource{}, r.URL.Path).Status()
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	c, err := New(&rest.Config{Host: server.URL}, Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFindAwaited: what is to be waited for may not be there yet.
func TestFindAwaited(t *testing.T) {
	c := finding(t)
	if _, err := c.Find(t.Context(), []string{"deploy/new"}, false); !apierrors.IsNotFound(err) {
		t.Errorf("a Deployment that is not there: %v", err)
	}
	targets, err := c.Find(t.Context(), []string{"deploy/new", "deployments/web"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if got := targets[0]; got.Applied != nil || got.Ref.String() != "deployment/new" || got.Ref.Namespace != "shop" || got.Resource.Resource != "deployments" {
		t.Errorf("found %+v", got)
	}
	if got := targets[1]; got.Applied == nil || got.Ref.String() != "deployment/web" {
		t.Errorf("found %+v", got)
	}
	if _, err := c.Find(t.Context(), []string{"gadget/new"}, true); err == nil || !strings.Contains(err.Error(), `no kind "gadget"`) {
		t.Errorf("a kind that is not there: %v", err)
	}
}

// TestControllerOf reads what has made an object, whatever kind it is.
func TestControllerOf(t *testing.T) {
	c := finding(t)
	made := func(kind, name string) *unstructured.Unstructured {
		controls := true
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
		u.SetNamespace("shop")
		u.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "example.com/v1", Kind: kind, Name: name, UID: "p", Controller: &controls}})
		return u
	}
	above, err := c.ControllerOf(t.Context(), made("Widget", "parent"))
	if err != nil || above == nil || above.GetLabels()["kustomize.toolkit.fluxcd.io/name"] != "shop" {
		t.Errorf("read %v, %v", above, err)
	}
	if above, err := c.ControllerOf(t.Context(), made("Widget", "gone")); !apierrors.IsNotFound(err) {
		t.Errorf("one that is gone: %v, %v", above, err)
	}
	if above, err := c.ControllerOf(t.Context(), made("Gadget", "x")); err == nil {
		t.Errorf("one of a kind that is not served: %v", above)
	}
	if above, err := c.ControllerOf(t.Context(), &unstructured.Unstructured{Object: map[string]any{}}); above != nil || err != nil {
		t.Errorf("of nobody's object: %v, %v", above, err)
	}
}
