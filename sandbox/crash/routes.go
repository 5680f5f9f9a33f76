package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	// hashLabel is on every pod of a Deployment, and in the selector of a Service that is pinned.
	hashLabel = "pod-template-hash"
	// nowhere is the version of pods that are not there.
	nowhere version = "nowhere"
)

// route is where a Service leads.
type route struct {
	service string
	pinned  version   // of the pods that it is pinned to; empty when it is not
	ready   []version // of each pod that gets its requests
}

// routesOf reads the Services. The slices have to be read before them, so that no slice is newer than a pin.
func routesOf(now world) []route {
	versions := map[string]version{}
	for _, name := range now.names("replicaset") {
		labels := now[name].GetLabels()
		versions[labels[hashLabel]] = version(labels["version"])
	}
	var all []route
	for _, name := range now.names("service") {
		r := route{service: name}
		if hash := pinOf(now[name]); hash != "" {
			r.pinned = nowhere
			if v, ok := versions[hash]; ok {
				r.pinned = v
			}
		}
		for _, slice := range now.names("endpointslice") {
			if now[slice].GetLabels()["kubernetes.io/service-name"] == now[name].GetName() {
				r.ready = append(r.ready, now.readyIn(slice)...)
			}
		}
		all = append(all, r)
	}
	return all
}

func pinOf(service *unstructured.Unstructured) string {
	hash, _, _ := unstructured.NestedString(service.Object, "spec", "selector", hashLabel)
	return hash
}

// readyIn are the versions of the pods of a slice that get requests.
func (w world) readyIn(slice string) []version {
	var all []version
	endpoints, _, _ := unstructured.NestedSlice(w[slice].Object, "endpoints")
	for _, e := range endpoints {
		endpoint, _ := e.(map[string]any)
		if ready, ok, _ := unstructured.NestedBool(endpoint, "conditions", "ready"); ok && !ready {
			continue
		}
		v := nowhere
		name, _, _ := unstructured.NestedString(endpoint, "targetRef", "name")
		if pod := w["pod/"+name]; pod != nil {
			v = version(pod.GetLabels()["version"])
		}
		all = append(all, v)
	}
	return all
}

// allReached says which Service leads to no pod.
func allReached(routes []route) error {
	for _, r := range routes {
		if len(r.ready) == 0 {
			return fmt.Errorf("no pod behind %s was ready", r.service)
		}
	}
	return nil
}

// pinsStand says which pin a dead run has left to fewer pods than there should be, or to others.
func pinsStand(routes []route, wants int) error {
	for _, r := range routes {
		if r.pinned == "" {
			continue
		}
		count := 0
		for _, v := range r.ready {
			if v == r.pinned {
				count++
			}
		}
		if count < wants || count < len(r.ready) {
			return fmt.Errorf("%s is pinned to the pods of %s, and leads to %v", r.service, r.pinned, r.ready)
		}
	}
	return nil
}

// curtain tells new pods that are behind a Service while users have to be with the old ones: until the first Service is
// pinned to new ones, and again when all are back with the old ones.
type curtain struct{ open bool }

// early looks at the Services once more.
func (c *curtain) early(routes []route) error {
	back, ahead := len(routes) > 0, ""
	for _, r := range routes {
		if r.pinned != "" && r.pinned != first {
			c.open = true
		}
		back = back && r.pinned == first
		for _, v := range r.ready {
			if v != first && v != nowhere {
				back, ahead = false, fmt.Sprintf("a pod of %s was behind %s", v, r.service)
			}
		}
	}
	if back {
		c.open = false
	}
	if c.open || ahead == "" {
		return nil
	}
	return fmt.Errorf("%s before the switch", ahead)
}

// pins lists the Services that are still pinned.
func pins(now world) []string {
	var out []string
	for _, name := range now.names("service") {
		if pinOf(now[name]) != "" {
			out = append(out, name+" is still pinned")
		}
	}
	return out
}
