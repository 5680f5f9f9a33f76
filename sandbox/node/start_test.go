package node

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// These tests run containerd and the registry for real, with a script in the kubelet's place, and so need what Start
// needs except for a cluster. They lose patience with the kubelet after a while, and with all of it after a minute, which
// is much for a machine with nothing else to do.
func failToStart(t *testing.T, kubelet string, patience time.Duration) (dir string, err error) {
	t.Helper()
	if missing := Missing(); len(missing) > 0 || testing.Short() {
		if os.Getenv("SANDBOX_E2E") == "1" {
			t.Fatalf("a machine that runs all tests has to be able to run a node; missing: %v", missing)
		}
		t.Skipf("needs a machine that can run a node; missing: %v", missing)
	}
	dir = t.TempDir()
	files := map[string]string{
		"kubelet": "#!/bin/sh\n" + kubelet + "\n",
		"testapp": "stands in for a program: nothing runs it here",
		"proxy":   "#!/bin/sh\nexec sleep 1000\n",
		"ca.crt":  "",
		"kubeconfig": `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
			users: [{name: u}], clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]}`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	services, err := ChooseServices(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	state := filepath.Join(dir, "state")
	_, err = Start(ctx, Config{
		Dir: state, Kubeconfig: filepath.Join(dir, "kubeconfig"), CAFile: filepath.Join(dir, "ca.crt"),
		Kubelet: filepath.Join(dir, "kubelet"), KubeProxy: filepath.Join(dir, "proxy"),
		ProxyKubeconfig: filepath.Join(dir, "kubeconfig"), Services: services, Testapp: filepath.Join(dir, "testapp"), Log: func(line string) {
			if line == "starting the kubelet and kube-proxy" {
				time.AfterFunc(patience, cancel)
			}
		},
	})
	if err == nil {
		t.Fatal("a node without a kubelet is Ready")
	}
	return state, err
}

func TestStartGivesUp(t *testing.T) {
	dir, err := failToStart(t, "exec sleep 1000", time.Second)
	if !strings.Contains(err.Error(), "waiting for the node to be Ready") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("the error does not say what Start waited for: %v", err)
	}
	nothingLeft(t, dir)
}

func TestStartReportsTheDead(t *testing.T) {
	dir, err := failToStart(t, "echo unknown flag; exit 3", time.Minute)
	for _, part := range []string{"the node ended by itself", "kubelet ended with status 3", "unknown flag"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	nothingLeft(t, dir)
}

func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	name := bridgeName(dir)
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		if strings.HasPrefix(i.Name, name) {
			t.Errorf("network interface %s is left", i.Name)
		}
	}
	if routes, _ := os.ReadFile("/proc/net/route"); bytes.Contains(routes, []byte(name)) {
		t.Errorf("routes are left:\n%s", routes)
	}
	if left, _ := filepath.Glob(filepath.Join(cgroupMount, "*", name)); len(left) > 0 {
		t.Errorf("control groups are left: %s", left)
	}
	if mounts, _ := os.ReadFile("/proc/self/mounts"); bytes.Contains(mounts, []byte(dir)) {
		t.Errorf("mounts are left:\n%s", mounts)
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range commands {
		if text, _ := os.ReadFile(file); bytes.Contains(text, []byte(dir)) {
			t.Errorf("a process is left: %q", text)
		}
	}
}
