package pki

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A client and a server of the same authority know each other; a stranger is
// turned away.
func TestIdentities(t *testing.T) {
	ca, err := NewAuthority(filepath.Join(t.TempDir(), "pki"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []Identity{{File: "server", User: "server", Hosts: []string{"127.0.0.1"}}, {File: "admin", User: "jane", Groups: []string{"system:masters"}}} {
		if err := ca.Issue(id); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(ca.Path("server.crt"), ca.Path("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject := r.TLS.PeerCertificates[0].Subject
		_, _ = w.Write([]byte(subject.CommonName + " " + subject.Organization[0]))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()

	client, err := Client(ca.Dir, "admin")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text := make([]byte, 100)
	n, _ := answer.Body.Read(text)
	if got := string(text[:n]); got != "jane system:masters" {
		t.Errorf("the server saw %q", got)
	}
	if _, err := http.Get(server.URL); err == nil {
		t.Error("a client without our authority trusts the server")
	}
}

func TestKubeconfigIsComplete(t *testing.T) {
	dir := t.TempDir()
	ca, err := NewAuthority(filepath.Join(dir, "pki"))
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Issue(Identity{File: "admin", User: "jane"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kubeconfig")
	if err := ca.Kubeconfig(path, "https://127.0.0.1:1", "admin"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"server: https://127.0.0.1:1\n", "client-key-data: LS0", "current-context: sandbox"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("lacks %q:\n%s", want, data)
		}
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the key: %v", info.Mode())
	}
}
