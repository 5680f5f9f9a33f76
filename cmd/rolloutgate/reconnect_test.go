//go:build cluster

package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// relay stands between a client and the API server and can cut every connection, as a load balancer does.
type relay struct {
	net.Listener
	server string

	mu   sync.Mutex
	down bool
	open []net.Conn
}

func (r *relay) serve() {
	for {
		conn, err := r.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		up, err := net.Dial("tcp", r.server)
		if r.down || err != nil {
			conn.Close()
			r.mu.Unlock()
			continue
		}
		r.open = append(r.open, conn, up)
		r.mu.Unlock()
		go func() { io.Copy(up, conn); up.Close() }()
		go func() { io.Copy(conn, up); conn.Close() }()
	}
}

// cut closes all connections and refuses new ones for a while.
func (r *relay) cut(d time.Duration) {
	r.mu.Lock()
	r.down = true
	for _, c := range r.open {
		c.Close()
	}
	r.open = nil
	r.mu.Unlock()
	time.Sleep(d)
	r.mu.Lock()
	r.down = false
	r.mu.Unlock()
}

// throughRelay writes a kubeconfig for the namespace whose connections go through the relay.
func throughRelay(t *testing.T, namespace string) (*relay, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := inNamespace(os.Getenv("KUBECONFIG"), path, namespace); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cluster := config.Clusters[config.Contexts[config.CurrentContext].Cluster]
	server, err := url.Parse(cluster.Server)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	r := &relay{Listener: listener, server: server.Host}
	go r.serve()
	cluster.Server = "https://" + listener.Addr().String()
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return r, path
}

const slowToBeReady = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations: {sandbox.rolloutgate.dev/ready-after: 8s}
    spec:
      containers: [{name: app, image: "registry.example/web:v1"}]
`

// TestReconnect: the API server goes away in the middle of a rollout, with every watch. The rollout is judged by what it
// became, and the run does not hang.
func TestReconnect(t *testing.T) {
	const ns = "s-reconnect"
	if out, err := exec.Command("kubectl", "create", "namespace", ns).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer exec.Command("kubectl", "delete", "namespace", ns, "--wait=false").Run()
	r, kubeconfig := throughRelay(t, ns)
	file := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(file, []byte(slowToBeReady), 0o600); err != nil {
		t.Fatal(err)
	}
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		time.Sleep(2 * time.Second)
		r.cut(3 * time.Second)
	}()
	var out bytes.Buffer
	p := &program{getenv: os.Getenv, stdin: os.Stdin, stdout: &out, stderr: &out}
	code := p.execute(context.Background(), []string{"run", "-f", file, "--kubeconfig", kubeconfig, "--timeout", "60s"})
	<-cut
	if code != 0 {
		t.Errorf("exit code %d:\n%s", code, &out)
	}
}
