package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// moments are when a watcher learned of what happened to a workload: a few milliseconds after it was written, whoever
// wrote it and whatever they say about it.
type moments struct {
	mu       sync.Mutex
	released time.Time // version 2 was written
	undone   time.Time // it was taken back
	phase    string    // of a Rollout
	stop     func()
	done     sync.WaitGroup
}

// watchWorkload follows a workload until it is stopped.
func watchWorkload(ctx context.Context, c client.Cluster, kind, namespace string) (*moments, error) {
	resource, ok := client.Resources[kind]
	if kind == "rollout" {
		resource, ok = rolloutResource, true
	}
	if !ok {
		return nil, fmt.Errorf("watching a %s: it is not known", kind)
	}
	w, err := c.Dynamic.Resource(resource).Namespace(namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", service).String()})
	if err != nil {
		return nil, fmt.Errorf("watching %s %s: %w", kind, service, err)
	}
	m := &moments{stop: w.Stop}
	m.done.Go(func() {
		for event := range w.ResultChan() {
			if object, ok := event.Object.(*unstructured.Unstructured); ok && event.Type != watch.Deleted {
				m.see(object, time.Now())
			}
		}
	})
	return m, nil
}

// see takes an event in. Version 2 is taken back when the template is that of version 1 again, and a Rollout when it is
// marked as aborted: its template stays as it is.
func (m *moments) see(object *unstructured.Unstructured, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	version, _, _ := unstructured.NestedString(object.Object, "spec", "template", "metadata", "labels", "release")
	aborted, _, _ := unstructured.NestedBool(object.Object, "status", "abort")
	m.phase, _, _ = unstructured.NestedString(object.Object, "status", "phase")
	switch {
	case m.released.IsZero() && version == "v2":
		m.released = now
	case !m.released.IsZero() && m.undone.IsZero() && (version == "v1" || aborted):
		m.undone = now
	}
}

// end stops the watch and returns what it has seen.
func (m *moments) end() (released, undone time.Time) {
	m.stop()
	m.done.Wait()
	return m.released, m.undone
}

// now is the state of a Rollout: whether it was taken back, and its phase.
func (m *moments) now() (undone bool, phase string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.undone.IsZero(), m.phase
}
