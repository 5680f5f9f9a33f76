package cluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

func TestBackends(t *testing.T) {
	to := func(name, port string, number int32) networkingv1.IngressBackend {
		return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: name, Port: networkingv1.ServiceBackendPort{Name: port, Number: number}}}
	}
	fallback := to("errors", "", 80)
	ingress := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: "public", Namespace: "shop"}, Spec: networkingv1.IngressSpec{
		DefaultBackend: &fallback,
		Rules: []networkingv1.IngressRule{{}, {IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Backend: to("web", "http", 0)}, {Backend: networkingv1.IngressBackend{}}},
		}}}},
	}}
	from := manifest.Ref{Group: "networking.k8s.io", Kind: "Ingress", Namespace: "shop", Name: "public"}
	want := []diagnosis.Backend{{Object: from, Service: "errors", Port: "80"}, {Object: from, Service: "web", Port: "http"}}
	if d := cmp.Diff(want, backendsOfIngress(ingress)); d != "" {
		t.Errorf("Ingress (-want +got):\n%s", d)
	}
	route := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": map[string]any{"name": "public", "namespace": "shop"},
		"spec": map[string]any{"rules": []any{map[string]any{"backendRefs": []any{
			map[string]any{"name": "web", "port": int64(80)},
			map[string]any{"name": "web", "port": int64(80), "namespace": "other"},
			map[string]any{"name": "pool", "kind": "InferencePool"},
		}}}},
	}}
	want = []diagnosis.Backend{{Object: manifest.Ref{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute", Namespace: "shop", Name: "public"}, Service: "web", Port: "80"}}
	if d := cmp.Diff(want, backendsOfRoute(route)); d != "" {
		t.Errorf("HTTPRoute (-want +got):\n%s", d)
	}
}
