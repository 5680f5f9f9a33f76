//go:build cluster

package examples_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// hook is a Job of examples/argo-cd/gate.yaml.
type hook struct {
	Kind     string
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	Spec struct {
		Template struct {
			Spec struct {
				ServiceAccountName string `yaml:"serviceAccountName"`
				Containers         []struct {
					Args []string
					Env  []struct{ Name, Value string }
				}
			}
		}
	}
}

// TestArgoCDHooks does what Argo CD would: it applies the manifests, and then runs the Jobs of the hooks, with their
// arguments and with the rights of their account. The API server takes all of them.
func TestArgoCDHooks(t *testing.T) {
	t.Parallel()
	env := environment(t)
	namespace := value(env, "ROLLOUTGATE_NAMESPACE")
	kubectl := func(args ...string) {
		t.Helper()
		if out, code := execute(t, "argo-cd", env, "kubectl", append(args, "-n", namespace)...); code != 0 {
			t.Fatalf("kubectl %s: %s", strings.Join(args, " "), out)
		}
	}
	const manager = "--field-manager=argocd-controller"
	kubectl("apply", "--server-side", "--dry-run=server", manager, "-f", "gate.yaml")
	kubectl("apply", "--server-side", manager, "-f", "web.yaml")
	var rights []string // all but the Jobs, which would run an image that is not there
	hooks := map[string]hook{}
	for decoder := yaml.NewDecoder(bytes.NewReader(read(t, "argo-cd/gate.yaml"))); ; {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		var h hook
		if err := node.Decode(&h); err != nil {
			t.Fatal(err)
		}
		if h.Kind == "Job" {
			hooks[h.Metadata.Annotations["argocd.argoproj.io/hook"]] = h
			continue
		}
		text, err := yaml.Marshal(&node)
		if err != nil {
			t.Fatal(err)
		}
		rights = append(rights, string(text))
	}
	path := filepath.Join(t.TempDir(), "rights.yaml")
	// Argo CD gives the subject of a binding its namespace, as it does to every object.
	text := strings.ReplaceAll(strings.Join(rights, "---\n"), "- kind: ServiceAccount\n", "- namespace: "+namespace+"\n      kind: ServiceAccount\n")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl("apply", "--server-side", manager, "-f", path)

	runs := func(phase string) (string, int) {
		t.Helper()
		h := hooks[phase]
		if len(h.Spec.Template.Spec.Containers) != 1 || h.Metadata.Annotations["argocd.argoproj.io/hook-delete-policy"] == "" {
			t.Fatalf("there is no hook %s with a delete policy", phase)
		}
		container := h.Spec.Template.Spec.Containers[0]
		own := slices.Clip(env)
		for _, v := range container.Env {
			own = append(own, v.Name+"="+v.Value)
		}
		// The sandbox's Prometheus, and less time than a real release deserves.
		own = append(own, "ROLLOUTGATE_PROMETHEUS_URL="+os.Getenv("ROLLOUTGATE_PROMETHEUS_URL"), "ROLLOUTGATE_SETTLE=2s", "ROLLOUTGATE_WINDOW=8s", "ROLLOUTGATE_INTERVAL=2s")
		account := "system:serviceaccount:" + namespace + ":" + h.Spec.Template.Spec.ServiceAccountName
		return execute(t, "argo-cd", own, rolloutgate(), append(container.Args, "--as", account)...)
	}
	out, code := runs("PostSync")
	if code != 0 || !strings.HasPrefix(lastLine(out), "rolloutgate: passed (exit 0): deployment/web is complete") || strings.Contains(out, "cannot") {
		t.Errorf("a good version: exit code %d\n%s", code, out)
	}

	kubectl("set", "image", "deployment/web", "web=ghcr.io/stefanprodan/podinfo:missing")
	out, code = runs("PostSync")
	if code != 21 || !strings.Contains(out, "ImageNotFound") {
		t.Errorf("a bad version: exit code %d\n%s", code, out)
	}
	out, code = runs("SyncFail")
	if code != 0 || !strings.Contains(out, "ImageNotFound in deployment/web") {
		t.Errorf("after a failed sync: exit code %d\n%s", code, out)
	}
}

// TestFluxWorkflow runs the script of the workflow in a checkout, when Flux has applied what is in it.
func TestFluxWorkflow(t *testing.T) {
	t.Parallel()
	env := environment(t)
	var workflow struct {
		Jobs map[string]struct{ Steps []struct{ Run string } }
	}
	if err := yaml.Unmarshal(read(t, "flux/deploy.yml"), &workflow); err != nil {
		t.Fatal(err)
	}
	steps := workflow.Jobs["gate"].Steps
	path := script(t, steps[len(steps)-1].Run)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "deploy"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"web.yaml", "next.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, "deploy/web.yaml"), read(t, "flux/"+version), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"apply", "-n", value(env, "ROLLOUTGATE_NAMESPACE"), "--server-side", "--field-manager=kustomize-controller", "-f", "deploy/web.yaml"}
		if out, code := execute(t, dir, env, "kubectl", args...); code != 0 {
			t.Fatal(out)
		}
		out, code := execute(t, dir, env, "bash", "--noprofile", "--norc", "-e", "-o", "pipefail", path)
		if code != 0 || !strings.HasPrefix(lastLine(out), "rolloutgate: passed (exit 0): deployment/web is complete") {
			t.Errorf("%s: exit code %d\n%s", version, code, out)
		}
	}
}
