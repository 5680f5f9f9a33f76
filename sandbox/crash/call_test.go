package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestCalls(t *testing.T) {
	for _, c := range []struct {
		method, url string
		want        call
		kept, any   bool
	}{
		{"GET", "/apis/apps/v1/namespaces/n/deployments?watch=true", call{Object: "deployments", resource: "deployments", watch: true}, false, false},
		{"GET", "/apis/apps/v1/namespaces/n/deployments/web", call{Object: "deployments/web", resource: "deployments"}, false, false},
		{"PATCH", "/apis/apps/v1/namespaces/n/deployments/web?fieldManager=rolloutgate", call{Object: "deployments/web", resource: "deployments", write: true}, false, false},
		{"PATCH", "/apis/apps/v1/namespaces/n/deployments/web?dryRun=All", call{Object: "deployments/web", resource: "deployments"}, false, false},
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", call{Object: "selfsubjectaccessreviews", resource: "selfsubjectaccessreviews"}, false, false},
		{"POST", "/apis/coordination.k8s.io/v1/namespaces/n/leases", call{Object: "leases", resource: "leases", write: true}, true, false},
		{"PATCH", "/apis/coordination.k8s.io/v1/namespaces/n/leases/rolloutgate-x", call{Object: "leases/rolloutgate-x", resource: "leases", write: true}, true, true},
		{"POST", "/api/v1/namespaces/n/secrets", call{Object: "secrets", resource: "secrets", write: true}, true, false},
		{"PUT", "/api/v1/namespaces/n/secrets/rolloutgate-x", call{Object: "secrets/rolloutgate-x", resource: "secrets", write: true}, true, false},
		{"PUT", "/api/v1/namespaces/n/secrets/password", call{Object: "secrets/password", resource: "secrets", write: true}, false, false},
		{"DELETE", "/api/v1/namespaces/n/pods/db-1", call{Object: "pods/db-1", resource: "pods", write: true}, false, false},
		{"POST", "/api/v1/namespaces", call{Object: "namespaces", resource: "namespaces", write: true}, false, false},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		c.want.Verb = c.method
		got := callOf(c.method, u)
		if got != c.want || got.kept() != c.kept || got.anyTime() != c.any {
			t.Errorf("%s %s: got %+v, kept %t, at any time %t", c.method, c.url, got, got.kept(), got.anyTime())
		}
	}
}

func TestDeletesThatAreTried(t *testing.T) {
	for body, want := range map[string]bool{
		``:                         false,
		`{"kind":"DeleteOptions"}`: false,
		`{"kind":"DeleteOptions","dryRun":["All"]}`: true,
	} {
		request := httptest.NewRequest(http.MethodDelete, "/apis/batch/v1/namespaces/shop/jobs/migrate", strings.NewReader(body))
		if got := triesDelete(request); got != want {
			t.Errorf("%s: %t", body, got)
		}
		if left, err := io.ReadAll(request.Body); err != nil || string(left) != body {
			t.Errorf("%s: passed on is %q, %v", body, left, err)
		}
	}
}
