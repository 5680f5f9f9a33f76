package harness

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/harnesstest"
	"github.com/rolloutgate/rolloutgate/sandbox/instance"
	"github.com/rolloutgate/rolloutgate/sandbox/pki"
)

func TestFront(t *testing.T) {
	sandbox := harnesstest.Sandbox(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s for %s by HTTP/%d", r.URL, r.TLS.PeerCertificates[0].Subject.CommonName, r.ProtoMajor)
	})
	var broken atomic.Bool
	f, err := NewFront(sandbox, func(api *httputil.ReverseProxy) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if broken.Load() {
				Reset(r)
				panic(http.ErrAbortHandler)
			}
			api.ServeHTTP(w, r)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	client, err := pki.Client(filepath.Join(sandbox.Dir, "pki"), "admin")
	if err != nil {
		t.Fatal(err)
	}
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	ask := func() (string, error) {
		answer, err := client.Post(f.URL+"/a?b=c", "", nil)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		text := make([]byte, 100)
		n, _ := answer.Body.Read(text)
		return string(text[:n]), nil
	}
	for _, what := range []string{"at first", "after a reset", "after a reset of all"} {
		if got, err := ask(); err != nil || got != "/a?b=c for jane by HTTP/2" {
			t.Errorf("%s: got %q, %v", what, got, err)
		}
		if what == "at first" {
			broken.Store(true)
			if got, err := ask(); err == nil {
				t.Errorf("the connection was reset, and yet there is an answer: %q", got)
			}
			broken.Store(false)
		}
		f.ResetAll()
		client.CloseIdleConnections() // it would find out with the next request
	}
}

func TestKubeconfig(t *testing.T) {
	dir := t.TempDir()
	s := instance.State{Kubeconfig: filepath.Join(dir, "original"), APIServer: "https://127.0.0.1:1"}
	if err := os.WriteFile(s.Kubeconfig, []byte("    server: https://127.0.0.1:1\n    namespace: default\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "kubeconfig")
	if err := Kubeconfig(s, "https://127.0.0.1:2", "n", file); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if want := "    server: https://127.0.0.1:2\n    namespace: n\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
