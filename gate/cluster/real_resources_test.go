//go:build cluster

package cluster

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rights"
)

// TestResourcesKnownOffline: what rights says of a kind without asking is what the API server says of it.
func TestResourcesKnownOffline(t *testing.T) {
	f := onCluster(t, Options{})
	_, lists, err := f.typed.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list.APIResources {
			if strings.Contains(r.Name, "/") {
				continue
			}
			u := &unstructured.Unstructured{}
			u.SetGroupVersionKind(gv.WithKind(r.Kind))
			asked := false
			found, err := rights.Find([]manifest.Object{{Unstructured: u}}, f.ns, func(schema.GroupVersionKind) (manifest.Resource, error) {
				asked = true
				return manifest.Resource{}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if asked {
				continue
			}
			compared++
			if got := found[0].Resource; got.Resource != r.Name || got.Namespaced != r.Namespaced || got.Group != gv.Group {
				t.Errorf("%s: %+v offline, %s (namespaced: %t) by the API server", gv.WithKind(r.Kind), got, r.Name, r.Namespaced)
			}
		}
	}
	if compared < 40 {
		t.Errorf("only %d kinds are known offline", compared)
	}
}
