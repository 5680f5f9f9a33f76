//go:build cluster

package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// issuer signs tokens that an API server accepts for a few seconds.
type issuer struct {
	server *httptest.Server
	key    *rsa.PrivateKey
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := issuer{key: key}
	text := base64.RawURLEncoding.EncodeToString
	i.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			json.NewEncoder(w).Encode(map[string]any{"issuer": i.server.URL, "jwks_uri": i.server.URL + "/keys",
				"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"}})
		case "/keys":
			json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1",
				"n": text(key.N.Bytes()), "e": text(big.NewInt(int64(key.E)).Bytes())}}})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(i.server.Close)
	return i
}

// credential is what an exec plugin prints: a token that says of itself nothing about its end, so that only a refusal tells.
func (i issuer) credential(t *testing.T, lives time.Duration) []byte {
	t.Helper()
	now := time.Now()
	payload, err := json.Marshal(map[string]any{"iss": i.server.URL, "aud": "rolloutgate", "sub": "deployer", "iat": now.Unix(), "exp": now.Add(lives).Unix(), "jti": rand.Text()})
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"1","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	text += "." + base64.RawURLEncoding.EncodeToString(signature)
	return fmt.Appendf(nil, `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":%q}}`, text)
}

// trusted has an API server accept the tokens of the issuer.
func (i issuer) trusted(t *testing.T, p controlPlane) {
	t.Helper()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.server.Certificate().Raw})
	file, err := json.Marshal(map[string]any{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": []any{map[string]any{
		"issuer":        map[string]any{"url": i.server.URL, "audiences": []string{"rolloutgate"}, "certificateAuthority": string(authority)},
		"claimMappings": map[string]any{"username": map[string]any{"claim": "sub", "prefix": "jwt:"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.authentication+".new", file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.authentication+".new", p.authentication); err != nil {
		t.Fatal(err)
	}
}

// TestTokensEnd runs a release in two clusters, of which one accepts only tokens that live for seconds: an exec plugin has new ones,
// until it has none any more.
func TestTokensEnd(t *testing.T) {
	t.Parallel()
	planes := controlPlanes(t, "tokens")
	dir, ns := t.TempDir(), "tokens-"+strings.ToLower(rand.Text()[:6])
	for _, p := range planes {
		inPlane(t, p, "create", "namespace", ns)
	}
	inPlane(t, planes[1], "create", "clusterrolebinding", ns, "--clusterrole=cluster-admin", "--user=jwt:deployer")
	t.Cleanup(func() {
		exec.Command("kubectl", "--kubeconfig", planes[0].kubeconfig, "delete", "namespace", ns, "--wait=false").Run()
	})
	i := newIssuer(t)
	i.trusted(t, planes[1])

	path, token, calls := filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "token"), filepath.Join(dir, "calls")
	if err := merged(path, ns, planes); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	config.AuthInfos["tokens"] = &api.AuthInfo{Exec: &api.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: "sh", Args: []string{"-c", "echo >>" + calls + "; cat " + token}, InteractiveMode: api.NeverExecInteractiveMode,
	}}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}

	const lives = 4 * time.Second
	var ended atomic.Bool
	fresh := func() {
		if err := os.WriteFile(token+".new", i.credential(t, lives), 0o600); err == nil {
			os.Rename(token+".new", token)
		}
	}
	fresh()
	go func() {
		for ; t.Context().Err() == nil; time.Sleep(time.Second) {
			if !ended.Load() {
				fresh()
			}
		}
	}()
	for until := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) { // until the API server has read its file
		out, err := exec.Command("kubectl", "--kubeconfig", path, "--context", "tokens", "get", "pods").CombinedOutput()
		if err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the API server does not know the issuer: %s", out)
		}
	}
	release := func(after string) string {
		manifest := filepath.Join(dir, "web-"+after+".yaml")
		if err := os.WriteFile(manifest, fmt.Appendf(nil, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {sandbox.rolloutgate.dev/ready-after: %s}}
    spec: {containers: [{name: app, image: "registry.example/web:v1"}]}
`, after), 0o600); err != nil {
			t.Fatal(err)
		}
		return manifest
	}
	run := func(args ...string) (string, int) {
		c := exec.Command("rolloutgate", append([]string{"run", "--kubeconfig", path, "--context", "tokens,one", "--ci", "none"}, args...)...)
		out, _ := c.CombinedOutput()
		return string(out), c.ProcessState.ExitCode()
	}
	out, code := run("-f", release("30s"))
	asked, _ := os.ReadFile(calls)
	if code != 0 || len(asked) < 4 {
		t.Fatalf("new tokens all the time: exit code %d, the plugin was asked %d times\n%s", code, len(asked), out)
	}

	time.AfterFunc(8*time.Second, func() { ended.Store(true) })
	out, code = run("-f", release("10m"), "--timeout", "4m")
	if code != 13 || !strings.Contains(out, "tokens: inconclusive, the release was left as it is, for the credentials are not accepted any more") ||
		!strings.Contains(out, "rolloutgate undo ") || !strings.Contains(out, "one: called-off, nothing was changed") {
		t.Errorf("tokens that end: exit code %d\n%s", code, out)
	}
}

func inPlane(t *testing.T, p controlPlane, args ...string) {
	t.Helper()
	if out, err := exec.Command("kubectl", append([]string{"--kubeconfig", p.kubeconfig}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
