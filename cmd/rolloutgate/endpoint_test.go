//go:build cluster || realnode

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// queueEndpoint starts a real server that says how long a queue is: `endpoint NAME`. Its address is in $NAME. The queue is short as
// long as version 1 of the Deployment web is in the cluster, and long with any other. It wants the key of the file "key", and is out of order
// while there is a file "down".
func queueEndpoint(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: endpoint NAME")
	}
	config, down := ts.Getenv("KUBECONFIG"), ts.MkAbs("down")
	key := strings.TrimSpace(ts.ReadFile("key"))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := os.Stat(down); err == nil {
			http.Error(w, "out of order, key "+r.Header.Get("X-Key"), http.StatusServiceUnavailable)
			return
		}
		if r.Header.Get("X-Key") != key {
			http.Error(w, "who are you? not "+r.Header.Get("X-Key"), http.StatusUnauthorized)
			return
		}
		depth := 5
		image, err := exec.Command("kubectl", "--kubeconfig", config, "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}").Output()
		if err == nil && !strings.HasSuffix(string(image), ":v1") {
			depth = 5000
		}
		fmt.Fprintf(w, `{"namespace": %q, "queue": {"depth": "%d", "moving": %t}}`, r.URL.Query().Get("namespace"), depth, depth < 100)
	}))
	ts.Defer(func() { s.CloseClientConnections(); s.Close() })
	ts.Setenv(args[0], s.URL)
}
