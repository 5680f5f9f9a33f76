package main

import (
	"context"
	"time"

	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// cluster is one sandbox that is up, with a client of its own.
type cluster struct{ client.Cluster }

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
