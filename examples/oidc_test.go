//go:build cluster

package examples_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// github is as much of GitHub as jobs and API servers see that deal in tokens: an issuer with keys, and the address at which a
// job asks for a token.
type github struct {
	issuer, job *httptest.Server
	key         *rsa.PrivateKey

	mu     sync.Mutex
	claims map[string]any // beyond those about time and the issuer
	lives  time.Duration
	issued []string
}

const requestSecret = "may-ask-for-tokens"

func newGitHub(t *testing.T) *github {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := &github{key: key, lives: 5 * time.Minute}
	g.issuer = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			json.NewEncoder(w).Encode(map[string]any{"issuer": g.issuer.URL, "jwks_uri": g.issuer.URL + "/keys",
				"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"}})
		case "/keys":
			json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1",
				"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes())}}})
		default:
			http.NotFound(w, r)
		}
	}))
	g.job = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+requestSecret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"value": g.token(t, r.URL.Query().Get("audience"))})
	}))
	t.Cleanup(g.issuer.Close)
	t.Cleanup(g.job.Close)
	return g
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// token is one for the job, as GitHub signs it.
func (g *github) token(t *testing.T, audience string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	claims := maps.Clone(g.claims)
	now := time.Now()
	maps.Copy(claims, map[string]any{"iss": g.issuer.URL, "aud": audience, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(g.lives).Unix(), "jti": rand.Text()})
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Error(err)
	}
	text := encode([]byte(`{"alg":"RS256","kid":"1","typ":"JWT"}`)) + "." + encode(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, g.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Error(err)
	}
	g.issued = append(g.issued, text+"."+encode(signature))
	return g.issued[len(g.issued)-1]
}

// trust tells the API server of this issuer, with the file of the README.
func (g *github) trust(t *testing.T, file string) {
	t.Helper()
	path := os.Getenv("SANDBOX_AUTHENTICATION")
	if path == "" {
		t.Fatal("SANDBOX_AUTHENTICATION is not set: run these tests with 'make test'")
	}
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.issuer.Certificate().Raw}))
	const url = "    url: https://token.actions.githubusercontent.com\n"
	if !strings.Contains(file, url) {
		t.Fatalf("the file of the README has another issuer:\n%s", file)
	}
	file = strings.Replace(file, url, "    url: "+g.issuer.URL+"\n    certificateAuthority: |\n"+indent(authority, "      "), 1)
	before := read(t, path)
	t.Cleanup(func() { replace(t, path, before) })
	replace(t, path, []byte(file))
}

// replace writes a file in one step, so that whoever waits for its change reads all of it.
func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestGitHubOIDC deploys with nothing but tokens of the job, which end while the run goes on, and with those of a job in
// another repository.
func TestGitHubOIDC(t *testing.T) {
	t.Parallel()
	env := environment(t)
	namespace := value(env, "ROLLOUTGATE_NAMESPACE")
	page := string(read(t, "github-oidc/README.md"))
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
	grant := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(page)
	if len(blocks) != 2 || grant == nil {
		t.Fatal("the README has no two files and one command")
	}
	g := newGitHub(t)
	g.claims = map[string]any{"sub": "repo:shop/web:environment:production", "repository_id": "123456789"}
	g.trust(t, blocks[0][1])
	if out, code := execute(t, ".", env, "sh", "-c", strings.Replace(grant[1], " -n shop ", " -n "+namespace+" ", 1)); code != 0 {
		t.Fatalf("%s: %s", grant[1], out)
	}

	dir := repository(t, "github-oidc/deploy.yml", ".github/workflows/deploy.yml")
	kubeconfig := withoutCredentials(t, blocks[1][1], value(env, "KUBECONFIG"), namespace)
	write(t, filepath.Join(dir, "kubeconfig.yaml"), kubeconfig)
	deploy(t, dir, "quickstart/good.yaml")
	for until := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) { // until the API server has read its file
		out, code := execute(t, dir, env, "kubectl", "--kubeconfig=kubeconfig.yaml", "--token="+g.token(t, "https://kubernetes.example.com"), "get", "pods")
		if code == 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the API server does not know the issuer: %s", out)
		}
	}

	g.lives = 70 * time.Second // a token is not used in its last minute
	args, acts := onGitHub(t, env)
	args = append(args, "--env", "KUBECONFIG=", "--env", "ROLLOUTGATE_TIMEOUT=", "--env", "ROLLOUTGATE_NAMESPACE=",
		"--env", "ACTIONS_ID_TOKEN_REQUEST_URL="+g.job.URL+"/token?job=1", "--env", "ACTIONS_ID_TOKEN_REQUEST_TOKEN="+requestSecret)
	asked := len(g.issued)
	out, code := execute(t, dir, acts, "go", args...)
	if code != 0 || !strings.Contains(out, "deployment/web is complete") || len(g.issued) == asked {
		t.Fatalf("a good version: exit code %d, %d tokens\n%s", code, len(g.issued)-asked, out)
	}
	g.isNowhere(t, out, dir)

	deploy(t, dir, "quickstart/never-ready.yaml")
	asked = len(g.issued)
	out, code = execute(t, dir, acts, "go", append(args, "--env", "ROLLOUTGATE_TIMEOUT=30s")...)
	if code == 0 || !strings.Contains(out, "deployment/web is back at the previous version (verified)") || len(g.issued) < asked+3 {
		t.Errorf("a bad version, for longer than a token lives: exit code %d, %d tokens\n%s", code, len(g.issued)-asked, out)
	}
	g.isNowhere(t, out, dir)

	g.claims["repository_id"] = "987654321"
	out, code = execute(t, dir, acts, "go", args...)
	if code == 0 || !strings.Contains(out, "(exit 77)") && !strings.Contains(out, "exit status 77") {
		t.Errorf("another repository: exit code %d\n%s", code, out)
	}
	g.isNowhere(t, out, dir)
}

// isNowhere: no token is in the log or in a report.
func (g *github) isNowhere(t *testing.T, log, dir string) {
	t.Helper()
	texts := map[string]string{"the log": log}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			texts[path] = string(read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range texts {
		for _, token := range append(g.issued, requestSecret) {
			parts := strings.Split(token, ".")
			if strings.Contains(text, parts[len(parts)-1]) {
				t.Errorf("a token is in %s", where)
			}
		}
	}
}

// withoutCredentials is the kubeconfig of the README for the cluster of another one.
func withoutCredentials(t *testing.T, text, kubeconfig, namespace string) string {
	t.Helper()
	var known struct {
		Clusters []struct{ Cluster map[string]string }
	}
	if err := yaml.Unmarshal(read(t, kubeconfig), &known); err != nil {
		t.Fatal(err)
	}
	cluster := known.Clusters[0].Cluster
	authority := cluster["certificate-authority-data"]
	if file := cluster["certificate-authority"]; authority == "" {
		authority = base64.StdEncoding.EncodeToString(read(t, file))
	}
	for from, to := range map[string]string{
		`server: .*`: "server: " + cluster["server"], `certificate-authority-data: .*`: "certificate-authority-data: " + authority,
		`namespace: \w+`: "namespace: " + namespace,
	} {
		changed := regexp.MustCompile(from).ReplaceAllString(text, to)
		if changed == text {
			t.Fatalf("the kubeconfig of the README has no %q", from)
		}
		text = changed
	}
	return text
}
