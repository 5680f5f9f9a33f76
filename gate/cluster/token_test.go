package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// jwt is a token that lives from one second to another.
func jwt(from, to int64) string {
	payload := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":"x","iat":%d,"exp":%d}`, from, to))
	return "e30." + payload + ".signature"
}

func TestLifetime(t *testing.T) {
	for token, want := range map[string]time.Duration{
		jwt(1000, 1300): 5 * time.Minute, jwt(1000, 4600): time.Hour, jwt(1300, 1000): 5 * time.Minute,
		"opaque": 5 * time.Minute, "a.b.c": 5 * time.Minute, "a.e30.c": 5 * time.Minute, "": 5 * time.Minute,
	} {
		if got := lifetime(token); got != want {
			t.Errorf("%q lives %s, want %s", token, got, want)
		}
	}
}

// issuer hands out numbered tokens.
type issuer struct {
	mu    sync.Mutex
	asked int
	err   error
}

func (i *issuer) ask(context.Context) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	return jwt(int64(i.asked), int64(i.asked)+300), i.err
}

// answers is an API server behind no network.
type answers func(*http.Request) int

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a(r), Body: http.NoBody, Request: r, Header: http.Header{}}, nil
}

// TestTokensAreRenewed in a run that takes longer than a token lives.
func TestTokensAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var i issuer
		var shown []string
		config := WithTokens(&rest.Config{Host: "https://api.example"}, i.ask)
		config.Transport = answers(func(r *http.Request) int {
			shown = append(shown, r.Header.Get("Authorization"))
			return http.StatusOK
		})
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		request := func() {
			t.Helper()
			resp, err := client.Get("https://api.example/version")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		for range 12 { // 11 minutes
			request()
			time.Sleep(time.Minute)
		}
		if i.asked != 3 || shown[0] != "Bearer "+jwt(1, 301) || shown[11] != "Bearer "+jwt(3, 303) {
			t.Errorf("asked %d times, and showed %q", i.asked, shown)
		}
		// GitHub is away for a moment: the last token is still good.
		i.err = errors.New("HTTP status 503")
		request()
		if last := shown[len(shown)-1]; last != "Bearer "+jwt(3, 303) {
			t.Errorf("showed %q", last)
		}
	})
}

// TestRefusedTokenIsNotShownAgain: the keys of an issuer change, and clocks are wrong.
func TestRefusedTokenIsNotShownAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var i issuer
		config := WithTokens(&rest.Config{Host: "https://api.example"}, i.ask)
		config.Transport = answers(func(r *http.Request) int {
			if r.Header.Get("Authorization") == "Bearer "+jwt(1, 301) {
				return http.StatusUnauthorized
			}
			return http.StatusOK
		})
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		var codes []int
		for range 3 {
			time.Sleep(time.Second)
			resp, err := client.Get("https://api.example/version")
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, resp.StatusCode)
		}
		// A token that is as young as the request may have been refused for another reason.
		if fmt.Sprint(codes) != "[401 401 200]" && fmt.Sprint(codes) != "[401 200 200]" {
			t.Errorf("answers %v", codes)
		}
	})
}

// TestTokensReplaceCredentials: what the kubeconfig has is not shown beside them, and its program is not run.
func TestTokensReplaceCredentials(t *testing.T) {
	var user, impersonated string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, impersonated = r.Header.Get("Authorization"), r.Header.Get("Impersonate-User")
		if len(r.TLS.PeerCertificates) > 0 {
			user += " and a certificate"
		}
		w.Write([]byte("{}"))
	}))
	defer server.Close()
	var i issuer
	config := WithTokens(&rest.Config{
		Host: server.URL, Username: "admin", Password: "password", BearerToken: "token", BearerTokenFile: "/no/such/file",
		Impersonate:     rest.ImpersonationConfig{UserName: "someone"},
		TLSClientConfig: rest.TLSClientConfig{CAData: pemOf(server.Certificate().Raw), CertFile: "/no/such/file", KeyFile: "/no/such/file"},
	}, i.ask)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(server.URL + "/version")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if user != "Bearer "+jwt(1, 301) || impersonated != "someone" {
		t.Errorf("shows %q for %q", user, impersonated)
	}
	i.err = errors.New("HTTP status 403")
	fresh, err := rest.HTTPClientFor(WithTokens(&rest.Config{Host: server.URL}, i.ask))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Get(server.URL); err == nil || !strings.Contains(err.Error(), "HTTP status 403") || strings.Contains(err.Error(), "signature") {
		t.Errorf("without a token: %v", err)
	}
}

func pemOf(der []byte) []byte {
	return fmt.Appendf(nil, "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n", base64.StdEncoding.EncodeToString(der))
}

// TestWhoeverIsNotKnown is not told that the manifest is wrong.
func TestWhoeverIsNotKnown(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`)
	}))
	defer server.Close()
	client, err := New(&rest.Config{Host: server.URL}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"}}}
	_, err = client.Plan(t.Context(), []manifest.Object{{Unstructured: web}})
	if !apierrors.IsUnauthorized(err) || !strings.Contains(err.Error(), "does not accept the credentials") {
		t.Errorf("planning: %v", err)
	}
}
