package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// published says when the API server told the world of the end of a rollout.
type published struct {
	deployment time.Time // the Deployment was complete, the last of them
	services   time.Time // and the Service of each sent traffic to all new pods
}

// nextRollout gives the times for the next rollout of all Deployments in a namespace that are measured, of which there
// have to be so many. They come from watches of its own, because what a command was told, and when, is just what is to
// be measured.
func (a *api) nextRollout(ctx context.Context, namespace string, workloads int) (<-chan published, error) {
	// The version of a list is fresh, that of an object may be too old to watch from.
	before, err := a.rolled(ctx, namespace)
	if err != nil {
		return nil, err
	}
	if len(before.Items) != workloads {
		return nil, fmt.Errorf("there are %d Deployments, not %d", len(before.Items), workloads)
	}
	generations := map[string]int64{}
	for _, d := range before.Items {
		generations[d.Metadata.Name] = d.Metadata.Generation
	}
	old, err := a.endpoints(ctx, namespace)
	if err != nil {
		return nil, err
	}
	events, err := watchFrom[deployment](ctx, a, deploymentsPath(namespace), ofBench, before.Metadata.ResourceVersion)
	if err != nil {
		return nil, err
	}
	out := make(chan published, 1)
	go func() {
		pods := map[string]int{} // of each Deployment that is complete
		for d := range events {
			if d.Metadata.Generation <= generations[d.Metadata.Name] || !d.complete() {
				delete(pods, d.Metadata.Name)
				continue
			}
			if pods[d.Metadata.Name] = d.Spec.Replicas; len(pods) < workloads {
				continue
			}
			p := published{deployment: time.Now()}
			if p.services = a.whenServed(ctx, namespace, old, sum(pods), p.deployment); !p.services.IsZero() {
				out <- p
			}
			return
		}
	}()
	return out, nil
}

func sum(of map[string]int) (total int) {
	for _, n := range of {
		total += n
	}
	return total
}

// whenServed is the time at which the Services have so many ready endpoints that are not among the old ones; already,
// when it has them now. EndpointSlices are only watched now: each of their many changes during a rollout carries a
// hundred endpoints, and this process must not take the time of what it measures.
func (a *api) whenServed(ctx context.Context, namespace string, old endpoints, want int, already time.Time) time.Time {
	now, err := a.endpoints(ctx, namespace)
	if err != nil {
		return time.Time{}
	}
	if now.ready(old) >= want {
		return already
	}
	events, err := watchFrom[slice](ctx, a, slicesPath(namespace), ofBench, now.version)
	if err != nil {
		return time.Time{}
	}
	for s := range events {
		now.slices[s.Metadata.Name] = s.ready()
		if now.ready(old) >= want {
			return time.Now()
		}
	}
	return time.Time{}
}

// slice is the part of an EndpointSlice that says where traffic goes.
type slice struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Endpoints []struct {
		Conditions struct {
			Ready *bool `json:"ready"`
		} `json:"conditions"`
		TargetRef struct {
			Name string `json:"name"`
		} `json:"targetRef"`
	} `json:"endpoints"`
}

// ready names the pods that get traffic. Unset means ready.
func (s slice) ready() []string {
	var names []string
	for _, e := range s.Endpoints {
		if r := e.Conditions.Ready; r == nil || *r {
			names = append(names, e.TargetRef.Name)
		}
	}
	return names
}

// endpoints are the pods that get traffic, by EndpointSlice.
type endpoints struct {
	version string
	slices  map[string][]string
}

// ready counts the pods that get traffic and are not among the old ones.
func (e endpoints) ready(old endpoints) int {
	names := map[string]bool{}
	for _, s := range e.slices {
		for _, name := range s {
			names[name] = true
		}
	}
	for _, s := range old.slices {
		for _, name := range s {
			delete(names, name)
		}
	}
	return len(names)
}

// ofBench selects what is measured.
var ofBench = url.Values{"labelSelector": {benchLabel}}

func slicesPath(namespace string) string {
	return "/apis/discovery.k8s.io/v1/namespaces/" + namespace + "/endpointslices"
}

func (a *api) endpoints(ctx context.Context, namespace string) (endpoints, error) {
	slices, err := listOf[slice](ctx, a, slicesPath(namespace), ofBench)
	e := endpoints{version: slices.Metadata.ResourceVersion, slices: map[string][]string{}}
	for _, s := range slices.Items {
		e.slices[s.Metadata.Name] = s.ready()
	}
	return e, err
}

// list is the answer to a question for many objects.
type list[T any] struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Items []T `json:"items"`
}

func listOf[T any](ctx context.Context, a *api, path string, query url.Values) (list[T], error) {
	var l list[T]
	err := a.do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &l)
	return l, err
}

// watchFrom gives the objects of a watch until ctx or the watch ends.
func watchFrom[T any](ctx context.Context, a *api, path string, query url.Values, version string) (<-chan T, error) {
	query = maps.Clone(query)
	query.Set("watch", "1")
	query.Set("resourceVersion", version)
	response, err := a.send(ctx, http.MethodGet, path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("watching: %w", err)
	}
	objects := make(chan T)
	go func() {
		defer close(objects)
		defer response.Body.Close()
		for decoder := json.NewDecoder(response.Body); ; {
			var event struct {
				Object T `json:"object"`
			}
			if decoder.Decode(&event) != nil {
				return
			}
			select {
			case objects <- event.Object:
			case <-ctx.Done():
				return
			}
		}
	}()
	return objects, nil
}
