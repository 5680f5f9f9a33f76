package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/instance"
)

// Cluster is a sandbox that is up.
type Cluster struct {
	State  instance.State
	name   string
	binary string // of the sandbox
	home   string // of the commands
}

var kubeconfigLine = regexp.MustCompile(`(?m)^export KUBECONFIG=(".*")$`)

// BringUp starts a sandbox with the flags of `sandbox up`. Commands in it have home as their home directory. Whoever
// calls it calls TakeDown, also after an error.
func BringUp(ctx context.Context, binary, name, home string, flags ...string) (*Cluster, error) {
	c := &Cluster{name: name, binary: binary, home: home}
	up := exec.CommandContext(ctx, binary, append([]string{"up", "--name", name}, flags...)...)
	var complaints strings.Builder
	up.Stderr = &complaints
	// It clears away what it has begun when it is asked to end.
	up.Cancel, up.WaitDelay = func() error { return up.Process.Signal(syscall.SIGTERM) }, 30*time.Second
	out, err := up.Output()
	if err != nil {
		return c, fmt.Errorf("bringing sandbox %s up: %w\n%s", name, err, complaints.String())
	}
	match := kubeconfigLine.FindSubmatch(out)
	if match == nil {
		return c, fmt.Errorf("bringing sandbox %s up: it does not tell its KUBECONFIG", name)
	}
	kubeconfig, err := strconv.Unquote(string(match[1]))
	if err != nil {
		return c, fmt.Errorf("bringing sandbox %s up: %w", name, err)
	}
	c.State, err = instance.Instance{Dir: filepath.Dir(kubeconfig)}.Status()
	return c, err
}

// TakeDown ends the sandbox, also when the context is over.
func (c *Cluster) TakeDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, c.binary, "down", "--name", c.name).CombinedOutput(); err != nil {
		return fmt.Errorf("taking sandbox %s down: %w\n%s", c.name, err, out)
	}
	return nil
}

// Version of the API server.
func (c *Cluster) Version() string { return c.State.Versions["kube-apiserver"] }

// KubectlPath is the kubectl of the cluster's own version.
func (c *Cluster) KubectlPath() string { return filepath.Join(c.State.Bin, "kubectl") }

// Environment of the commands.
func (c *Cluster) Environment() []string {
	return Environment(SearchPath(c.State), c.State.Kubeconfig, c.home)
}

// SearchPath is a PATH on which the sandbox' own kubectl comes first.
func SearchPath(s instance.State) string {
	return s.Bin + string(os.PathListSeparator) + os.Getenv("PATH")
}

// Environment is all that commands are told: nothing of the caller's own settings reaches them.
func Environment(path, kubeconfig, home string) []string {
	return []string{"PATH=" + path, "KUBECONFIG=" + kubeconfig, "HOME=" + home}
}

// Kubectl runs one command to its end and returns what it prints.
func (c *Cluster) Kubectl(ctx context.Context, namespace, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.KubectlPath(), append([]string{"--namespace=" + namespace}, args...)...)
	var complaints strings.Builder
	cmd.Env, cmd.Stdin, cmd.Stderr = c.Environment(), strings.NewReader(stdin), &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running kubectl %s: %w\n%s%s", strings.Join(args, " "), err, out, complaints.String())
	}
	return string(out), nil
}

// MakeNamespace returns when pods can be made in it.
func (c *Cluster) MakeNamespace(ctx context.Context, name string) error {
	if _, err := c.Kubectl(ctx, "default", "", "create", "namespace", name); err != nil {
		return err
	}
	return Until(ctx, time.Minute, "the default ServiceAccount", func() error {
		_, err := c.Kubectl(ctx, name, "", "get", "serviceaccount", "default")
		return err
	})
}

// DropNamespace makes room, also when the context is over; it does not wait for the end.
func (c *Cluster) DropNamespace(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, _ = c.Kubectl(ctx, "default", "", "delete", "namespace", name, "--wait=false", "--ignore-not-found")
}
