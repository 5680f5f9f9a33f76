// Package harnesstest is for tests of the harnesses: a sandbox without a cluster.
package harnesstest

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/rolloutgate/rolloutgate/sandbox/instance"
	"github.com/rolloutgate/rolloutgate/sandbox/pki"
)

// Sandbox is the state of a sandbox whose API server is a handler, with the certificates of a real one.
func Sandbox(t *testing.T, handler http.HandlerFunc) instance.State {
	t.Helper()
	dir := t.TempDir()
	ca, err := pki.NewAuthority(filepath.Join(dir, "pki"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []pki.Identity{{File: "admin", User: "jane"}, {File: "apiserver", User: "apiserver", Hosts: []string{"127.0.0.1"}}} {
		if err := ca.Issue(i); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(ca.Path("apiserver.crt"), ca.Path("apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return instance.State{Dir: dir, APIServer: server.URL}
}
