package main

import (
	"context"
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

	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rolloutgate/rolloutgate/sandbox/instance"
)

// resources that workloads of cases and objects of events may be.
var resources = map[string]schema.GroupVersionResource{
	"deployment":            {Group: "apps", Version: "v1", Resource: "deployments"},
	"statefulset":           {Group: "apps", Version: "v1", Resource: "statefulsets"},
	"daemonset":             {Group: "apps", Version: "v1", Resource: "daemonsets"},
	"replicaset":            {Group: "apps", Version: "v1", Resource: "replicasets"},
	"job":                   {Group: "batch", Version: "v1", Resource: "jobs"},
	"cronjob":               {Group: "batch", Version: "v1", Resource: "cronjobs"},
	"pod":                   {Version: "v1", Resource: "pods"},
	"service":               {Version: "v1", Resource: "services"},
	"configmap":             {Version: "v1", Resource: "configmaps"},
	"persistentvolumeclaim": {Version: "v1", Resource: "persistentvolumeclaims"},
	"node":                  {Version: "v1", Resource: "nodes"},
	"event":                 {Version: "v1", Resource: "events"},
	"serviceaccount":        {Version: "v1", Resource: "serviceaccounts"},
	"namespace":             {Version: "v1", Resource: "namespaces"},
	"logs":                  {Group: "kwok.x-k8s.io", Version: "v1alpha1", Resource: "logs"},
}

// cluster is one sandbox that is up.
type cluster struct {
	name    string
	binary  string // of the sandbox
	state   instance.State
	dynamic dynamic.Interface
	home    string // of the commands; nothing of the caller's settings reaches them
}

var kubeconfigLine = regexp.MustCompile(`(?m)^export KUBECONFIG=(".*")$`)

// bringUp starts a sandbox; whoever calls it takes it down, also after an error.
func bringUp(ctx context.Context, binary, name, home string, flags ...string) (*cluster, error) {
	c := &cluster{name: name, binary: binary, home: home}
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
	if c.state, err = (instance.Instance{Dir: filepath.Dir(kubeconfig)}).Status(); err != nil {
		return c, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return c, err
	}
	config.QPS = -1 // the harness must not be what is slow
	c.dynamic, err = dynamic.NewForConfig(config)
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

func (c *cluster) kubectl() string { return filepath.Join(c.state.Bin, "kubectl") }

func (c *cluster) environment() []string {
	return []string{"PATH=" + c.state.Bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"KUBECONFIG=" + c.state.Kubeconfig, "HOME=" + c.home}
}

// run is one kubectl to its end.
func (c *cluster) run(ctx context.Context, namespace, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, c.kubectl(), append([]string{"--namespace=" + namespace}, args...)...)
	cmd.Env, cmd.Stdin = c.environment(), strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// follow lists a resource and then gives every change of it until the context ends. The list is given as additions
// before follow returns, and again when the API server ends the watch.
func (c *cluster) follow(ctx context.Context, of dynamic.ResourceInterface, seen func(watch.EventType, *unstructured.Unstructured)) error {
	begin := func() (watch.Interface, error) {
		all, err := of.List(ctx, v1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for i := range all.Items {
			seen(watch.Added, &all.Items[i])
		}
		return of.Watch(ctx, v1.ListOptions{ResourceVersion: all.GetResourceVersion()})
	}
	stream, err := begin()
	if err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			for e := range stream.ResultChan() {
				if o, ok := e.Object.(*unstructured.Unstructured); ok && e.Type != watch.Error {
					seen(e.Type, o)
				}
			}
			for {
				if pause(ctx, time.Second) != nil {
					return
				}
				if stream, err = begin(); err == nil {
					break
				}
			}
		}
	}()
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// until polls for what takes a moment.
func until(ctx context.Context, limit time.Duration, what string, done func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := done()
		if err == nil || errors.Is(err, context.Canceled) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
