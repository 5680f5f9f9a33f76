package main

import (
	"context"
	"time"

	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
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
	"secret":                {Version: "v1", Resource: "secrets"},
	"persistentvolumeclaim": {Version: "v1", Resource: "persistentvolumeclaims"},
	"node":                  {Version: "v1", Resource: "nodes"},
	"event":                 {Version: "v1", Resource: "events"},
	"serviceaccount":        {Version: "v1", Resource: "serviceaccounts"},
	"namespace":             {Version: "v1", Resource: "namespaces"},
	"logs":                  {Group: "kwok.x-k8s.io", Version: "v1alpha1", Resource: "logs"},
}

// cluster is one sandbox that is up, with a client of its own.
type cluster struct {
	*harness.Cluster
	dynamic dynamic.Interface
}

// bringUp starts a sandbox; whoever calls it takes it down, also after an error.
func bringUp(ctx context.Context, binary, name, home string, flags ...string) (cluster, error) {
	up, err := harness.BringUp(ctx, binary, name, home, flags...)
	c := cluster{Cluster: up}
	if err != nil {
		return c, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", up.State.Kubeconfig)
	if err != nil {
		return c, err
	}
	config.QPS = -1 // the harness must not be what is slow
	c.dynamic, err = dynamic.NewForConfig(config)
	return c, err
}

// follow lists a resource and then gives every change of it until the context ends. The list is given as additions
// before follow returns, and again when the API server ends the watch.
func (c cluster) follow(ctx context.Context, of dynamic.ResourceInterface, seen func(watch.EventType, *unstructured.Unstructured)) error {
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
				if harness.Pause(ctx, time.Second) != nil {
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
