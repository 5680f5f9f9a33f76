package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// The kinds that are looked at: what people write, and what controllers and runs make of it.
var (
	writtenKinds = []string{"configmap", "secret", "service", "job", "deployment", "statefulset", "daemonset"}
	madeKinds    = []string{"replicaset", "controllerrevision", "pod", "endpointslice", "lease", "event"}
)

// world is all that is in a namespace, by kind and name: deployment/web.
type world map[string]*unstructured.Unstructured

// look reads a namespace.
func look(ctx context.Context, c client.Cluster, namespace string) (world, error) {
	return lookAt(ctx, c, namespace, slices.Concat(writtenKinds, madeKinds)...)
}

// lookAt reads some kinds of a namespace.
func lookAt(ctx context.Context, c client.Cluster, namespace string, kinds ...string) (world, error) {
	w := world{}
	for _, kind := range kinds {
		all, err := c.Dynamic.Resource(client.Resources[kind]).Namespace(namespace).List(ctx, v1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("looking at %s: %w", namespace, err)
		}
		for i := range all.Items {
			w[kind+"/"+all.Items[i].GetName()] = &all.Items[i]
		}
	}
	return w, nil
}

// names lists what there is of some kinds, in order.
func (w world) names(kinds ...string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if kind, _, _ := strings.Cut(name, "/"); slices.Contains(kinds, kind) {
			names = append(names, name)
		}
	}
	return names
}

// written are the objects that people write, by their names.
func (w world) written() []string {
	return slices.DeleteFunc(w.names(writtenKinds...), func(name string) bool {
		return name == "configmap/kube-root-ca.crt" || isRecord(w[name]) || w[name].GetKind() == "Job" && len(w[name].GetOwnerReferences()) > 0
	})
}

// What rolloutgate keeps of its runs, as its documentation says.
const (
	managedBy         = "app.kubernetes.io/managed-by"
	recordType        = "rolloutgate.dev/run"
	summaryAnnotation = "rolloutgate.dev/summary"
	partLabel         = "rolloutgate.dev/record" // the number of the part, from 0
	mostRecords       = 3                        // that stay unless --history says otherwise
)

func isRecord(o *unstructured.Unstructured) bool {
	kind, _, _ := unstructured.NestedString(o.Object, "type")
	return o.GetKind() == "Secret" && kind == recordType
}

// summary is what the record of a run says in short.
type summary struct {
	ID      string    `json:"id"`
	State   string    `json:"state"`
	Started time.Time `json:"started"`
}

// records are those of the runs in a namespace, the newest first.
func (w world) records() ([]summary, error) {
	var all []summary
	for _, name := range w.names("secret") {
		if !isRecord(w[name]) || w[name].GetLabels()[partLabel] != "0" {
			continue
		}
		var s summary
		if err := json.Unmarshal([]byte(w[name].GetAnnotations()[summaryAnnotation]), &s); err != nil {
			return nil, fmt.Errorf("reading the summary of %s: %w", name, err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b summary) int { return b.Started.Compare(a.Started) })
	return all, nil
}

// leases are those of runs.
func (w world) leases() []string {
	return slices.DeleteFunc(w.names("lease"), func(name string) bool { return w[name].GetLabels()[managedBy] != "rolloutgate" })
}

func (w world) byUID() map[types.UID]*unstructured.Unstructured {
	all := map[types.UID]*unstructured.Unstructured{}
	for _, o := range w {
		all[o.GetUID()] = o
	}
	return all
}
