//go:build cluster

package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"
)

// inClusters is an environment with several clusters in its kubeconfig: the first one is that of KUBECONFIG, and the others are
// brought up for it.
func inClusters(t *testing.T, env []string, names ...string) []string {
	t.Helper()
	sandbox := os.Getenv("SANDBOX")
	if sandbox == "" {
		t.Fatal("SANDBOX is not set: run these tests with 'make test'")
	}
	namespace := value(env, "ROLLOUTGATE_NAMESPACE")
	all := map[string]any{"apiVersion": "v1", "kind": "Config", "current-context": names[0]}
	var clusters, users, contexts []any
	for i, name := range names {
		path := os.Getenv("KUBECONFIG")
		if i > 0 {
			path = broughtUp(t, sandbox, fmt.Sprintf("example-%s-%d", name, os.Getpid()))
			if out, err := exec.Command("kubectl", "--kubeconfig", path, "create", "namespace", namespace).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		var one struct {
			Clusters []struct{ Cluster any }
			Users    []struct{ User any }
		}
		if err := yaml.Unmarshal(read(t, path), &one); err != nil {
			t.Fatal(err)
		}
		clusters = append(clusters, map[string]any{"name": name, "cluster": one.Clusters[0].Cluster})
		users = append(users, map[string]any{"name": name, "user": one.Users[0].User})
		contexts = append(contexts, map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": name}})
	}
	all["clusters"], all["users"], all["contexts"] = clusters, users, contexts
	text, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return append(env, "KUBECONFIG="+path)
}

// broughtUp is the kubeconfig of a control plane that goes away with the test.
func broughtUp(t *testing.T, sandbox, name string) string {
	t.Helper()
	t.Cleanup(func() {
		if out, err := exec.Command(sandbox, "down", "--name", name).CombinedOutput(); err != nil {
			t.Errorf("taking %s down: %v: %s", name, err, out)
		}
	})
	out, err := exec.Command(sandbox, "up", "--name", name, "--nodes", "2").Output()
	if err != nil {
		t.Fatalf("bringing %s up: %v", name, err)
	}
	m := regexp.MustCompile(`(?m)^export KUBECONFIG="([^"]*)"`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("bringing %s up has said\n%s", name, out)
	}
	return string(m[1])
}
