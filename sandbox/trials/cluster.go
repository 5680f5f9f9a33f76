package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/sandbox/instance"
)

// cluster is the sandbox that is up.
type cluster struct {
	name   string
	binary string // of the sandbox
	state  instance.State
	home   string // of the commands; nothing of the caller's settings reaches them
}

var kubeconfigLine = regexp.MustCompile(`(?m)^export KUBECONFIG=(".*")$`)

// bringUp starts a sandbox with a real node; whoever calls it takes it down, also after an error.
func bringUp(ctx context.Context, binary, name, home string) (*cluster, error) {
	c := &cluster{name: name, binary: binary, home: home}
	up := exec.CommandContext(ctx, binary, "up", "--name", name, "--real-node", "--nodes", "0")
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
	c.state, err = (instance.Instance{Dir: filepath.Dir(kubeconfig)}).Status()
	return c, err
}

// takeDown ends the sandbox, also when the context is over.
func (c *cluster) takeDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, c.binary, "down", "--name", c.name).CombinedOutput(); err != nil {
		return fmt.Errorf("taking sandbox %s down: %w\n%s", c.name, err, out)
	}
	return nil
}

func (c *cluster) environment() []string {
	return []string{"PATH=" + c.state.Bin + string(os.PathListSeparator) + os.Getenv("PATH"), "KUBECONFIG=" + c.state.Kubeconfig, "HOME=" + c.home}
}

// kubectl runs one command to its end and returns what it prints.
func (c *cluster) kubectl(ctx context.Context, namespace string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.state.Bin, "kubectl"), append([]string{"--namespace=" + namespace}, args...)...)
	cmd.Env = c.environment()
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running kubectl %s: %w\n%s", strings.Join(args, " "), err, complaints.String())
	}
	return string(out), nil
}

// makeNamespace returns when pods can be made in it.
func (c *cluster) makeNamespace(ctx context.Context, name string) error {
	if _, err := c.kubectl(ctx, "default", "create", "namespace", name); err != nil {
		return err
	}
	return until(ctx, time.Minute, "the default ServiceAccount", func() error {
		_, err := c.kubectl(ctx, name, "get", "serviceaccount", "default")
		return err
	})
}

// dropNamespace makes room; it does not wait.
func (c *cluster) dropNamespace(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, _ = c.kubectl(ctx, "default", "delete", "namespace", name, "--wait=false", "--ignore-not-found")
}

// serving is what runs of a Deployment.
type serving struct {
	Image    string
	Wanted   int32
	Ready    int32
	Pods     int // that are not going away
	Restarts int // of their containers
}

// serving asks the cluster for what runs of the service now.
func (c *cluster) serving(ctx context.Context, namespace string) (serving, error) {
	var d appsv1.Deployment
	var pods corev1.PodList
	if err := errors.Join(
		c.get(ctx, &d, namespace, "get", "deployment", service, "-o", "json"),
		c.get(ctx, &pods, namespace, "get", "pods", "-l", "app="+service, "-o", "json"),
	); err != nil {
		return serving{}, err
	}
	s := serving{Image: d.Spec.Template.Spec.Containers[0].Image, Wanted: *d.Spec.Replicas, Ready: d.Status.ReadyReplicas}
	for _, p := range pods.Items {
		if p.DeletionTimestamp != nil {
			continue
		}
		s.Pods++
		for _, status := range p.Status.ContainerStatuses {
			s.Restarts += int(status.RestartCount)
		}
	}
	return s, nil
}

func (c *cluster) get(ctx context.Context, into any, namespace string, args ...string) error {
	text, err := c.kubectl(ctx, namespace, args...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}

// until polls for what takes a moment.
func until(ctx context.Context, limit time.Duration, what string, done func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := done()
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}
