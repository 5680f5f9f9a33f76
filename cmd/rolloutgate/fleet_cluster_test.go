//go:build cluster

package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// controlPlane is one of several clusters: its context, and what the sandbox says of it.
type controlPlane struct {
	name, kubeconfig, prometheus, authentication string
}

// controlPlanes are the cluster of KUBECONFIG, named one, and others that are brought up for this test.
func controlPlanes(t *testing.T, names ...string) []controlPlane {
	t.Helper()
	sandbox := os.Getenv("SANDBOX")
	if os.Getenv("KUBECONFIG") == "" || sandbox == "" {
		t.Fatal("KUBECONFIG or SANDBOX is not set: run this test with `sandbox run -- go test -tags cluster`")
	}
	all := []controlPlane{{"one", os.Getenv("KUBECONFIG"), os.Getenv("ROLLOUTGATE_PROMETHEUS_URL"), os.Getenv("SANDBOX_AUTHENTICATION")}}
	for _, name := range names {
		own := fmt.Sprintf("%s-%d", name, os.Getpid())
		t.Cleanup(func() {
			if out, err := exec.Command(sandbox, "down", "--name", own).CombinedOutput(); err != nil {
				t.Errorf("taking %s down: %v: %s", own, err, out)
			}
		})
		out, err := exec.Command(sandbox, "up", "--name", own, "--nodes", "2").Output()
		if err != nil {
			t.Fatalf("bringing %s up: %v", own, err)
		}
		said := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^export (\w+)="([^"]*)"`).FindAllStringSubmatch(string(out), -1) {
			said[m[1]] = m[2]
		}
		all = append(all, controlPlane{name, said["KUBECONFIG"], said["ROLLOUTGATE_PROMETHEUS_URL"], said["SANDBOX_AUTHENTICATION"]})
	}
	return all
}

// merged writes a kubeconfig with a context for each cluster, named as it, with the namespace.
func merged(path, namespace string, planes []controlPlane) error {
	all := api.NewConfig()
	for _, p := range planes {
		one, err := clientcmd.LoadFromFile(p.kubeconfig)
		if err != nil {
			return err
		}
		context := one.Contexts[one.CurrentContext]
		all.Clusters[p.name], all.AuthInfos[p.name] = one.Clusters[context.Cluster], one.AuthInfos[context.AuthInfo]
		all.Contexts[p.name] = &api.Context{Cluster: p.name, AuthInfo: p.name, Namespace: namespace}
	}
	all.CurrentContext = planes[0].name
	return clientcmd.WriteToFile(*all, path)
}

// TestFleet runs releases in three real control planes.
func TestFleet(t *testing.T) {
	t.Parallel()
	planes := controlPlanes(t, "two", "three")
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/fleet",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "report": reports, "image": imageIn},
		Setup: func(env *testscript.Env) error {
			ns := "f-" + strings.ToLower(strings.NewReplacer("script-", "", "_", "-").Replace(filepath.Base(env.WorkDir)))
			ns += "-" + strings.ToLower(rand.Text()[:4])
			path := filepath.Join(env.WorkDir, "kubeconfig")
			if err := merged(path, ns, planes); err != nil {
				return err
			}
			for _, p := range planes {
				env.Setenv("PROMETHEUS_"+strings.ToUpper(p.name), p.prometheus)
				if out, err := exec.Command("kubectl", "--kubeconfig", p.kubeconfig, "create", "namespace", ns).CombinedOutput(); err != nil {
					return fmt.Errorf("creating namespace %s in %s: %w: %s", ns, p.name, err, out)
				}
			}
			env.Defer(func() {
				exec.Command("kubectl", "--kubeconfig", planes[0].kubeconfig, "delete", "namespace", ns, "--wait=false").Run()
			})
			env.Setenv("KUBECONFIG", path)
			env.Setenv("NAMESPACE", ns)
			env.Setenv("PATH", os.Getenv("PATH")+":"+env.Getenv("PATH"))
			env.Setenv("ROLLOUTGATE_REPORT_DIR", filepath.Join(env.WorkDir, "report"))
			return nil
		},
	})
}

// imageIn compares the tag that a Deployment has in each cluster: `image web v1 v2 v2`. A dash stands for one that has none.
func imageIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: image NAME TAG-IN-ONE TAG-IN-TWO TAG-IN-THREE")
	}
	for i, context := range []string{"one", "two", "three"} {
		err := ts.Exec("kubectl", "--context", context, "get", "deployment", args[0], "--ignore-not-found", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
		ts.Check(err)
		_, tag, _ := strings.Cut(strings.TrimSpace(ts.ReadFile("stdout")), ":")
		if tag == "" {
			tag = "-"
		}
		if tag != args[i+1] {
			ts.Fatalf("%s in %s has %s, want %s", args[0], context, tag, args[i+1])
		}
	}
}
