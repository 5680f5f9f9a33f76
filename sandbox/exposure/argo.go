package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

var rolloutResource = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"}

// rolloutHealthy is the phase of a Rollout that is complete.
const rolloutHealthy = "Healthy"

// argoVersionOf is the version of the module that a controller was built from, as the Go tool has written it into it.
func argoVersionOf(binary string) (string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "", fmt.Errorf("reading the version of Argo Rollouts: %w", err)
	}
	return info.Main.Version, nil
}

// startArgo installs the kinds of Argo Rollouts and runs its controller until it is stopped; what it says is in dir.
func startArgo(ctx context.Context, c client.Cluster, binary, kinds, dir string) (stop func(), err error) {
	for _, args := range [][]string{
		{"apply", "--server-side", "-k", kinds},
		{"wait", "--for=condition=Established", "--timeout=30s", "customresourcedefinitions", "--all"},
	} {
		if _, err := c.Kubectl(ctx, "default", "", args...); err != nil {
			return nil, err
		}
	}
	said, err := os.Create(filepath.Join(dir, "argo.txt"))
	if err != nil {
		return nil, err
	}
	// Whichever ports are free.
	controller := exec.Command(binary, "--kubeconfig", c.State.Kubeconfig, "--leader-elect=false", "--metricsport", "0", "--healthzPort", "0")
	controller.Env, controller.Stdout, controller.Stderr = c.Environment(), said, said
	controller.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's signals are for the harness
	if err := controller.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the controller of Argo Rollouts: %w", err), said.Close())
	}
	return func() {
		_ = controller.Process.Kill()
		_ = controller.Wait()
		_ = said.Close()
	}, nil
}
