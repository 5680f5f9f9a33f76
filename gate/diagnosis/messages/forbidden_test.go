package messages

import "testing"

func TestParseForbidden(t *testing.T) {
	for text, want := range map[string]Forbidden{
		`deployments.apps "web" is forbidden: User "ci" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`: {"ci", "patch", "deployments", "apps"},
		`pods is forbidden: User "system:serviceaccount:shop:web" cannot list resource "pods" in API group "" in the namespace "shop"`:   {"system:serviceaccount:shop:web", "list", "pods", ""},
	} {
		if got, ok := ParseForbidden(text); !ok || got != want {
			t.Errorf("%s: got %+v, %t", text, got, ok)
		}
	}
	if got, ok := ParseForbidden(`pods "web" is forbidden: violates PodSecurity "restricted:latest": x`); ok {
		t.Errorf("admission is no authorization: %+v", got)
	}
}

func TestRefusedServiceAccount(t *testing.T) {
	for text, want := range map[string]string{
		`E0504 10:00:00.000000 1 main.go:12] pods is forbidden: User "system:serviceaccount:shop:web" cannot list resource "pods" in API group "" in the namespace "shop"`: "shop/web",
		`forbidden: User "system:serviceaccount:shop:web" cannot get path "/metrics"`:                                                                                      "shop/web",
		`deployments.apps "web" is forbidden: User "ci" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`:                                   "",
	} {
		namespace, name, ok := RefusedServiceAccount(text)
		if got := namespace + "/" + name; ok != (want != "") || ok && got != want {
			t.Errorf("%s: got %s, %t", text, got, ok)
		}
	}
}
