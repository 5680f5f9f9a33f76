// Package manifest turns files, folders, standard input and kustomizations into objects that remember where they
// were written.
//
// Takes: paths and bytes. Returns: objects in the order of the files, each with file and line, and the line of any
// field path inside it. Never: talks to a cluster, guesses a namespace, accepts a document that it does not
// understand, or leaves something out without a note.
package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Ref names one object of a cluster. It is comparable, so it serves as a map key.
type Ref struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String is the form that kubectl prints: "deployment/web". Group and namespace are left out because the line that
// it stands in usually says them already.
func (r Ref) String() string { return strings.ToLower(r.Kind) + "/" + r.Name }

// GroupKind is the key under which kinds are looked up.
func (r Ref) GroupKind() schema.GroupKind { return schema.GroupKind{Group: r.Group, Kind: r.Kind} }

// Resource is where the objects of one kind live in the API.
type Resource struct {
	Group      string `json:"group,omitempty"`
	Version    string `json:"version"`
	Resource   string `json:"resource"` // the plural in paths: deployments
	Namespaced bool   `json:"namespaced,omitempty"`
}

// GVR is the form that client-go uses.
func (r Resource) GVR() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Resource}
}

// ResourceOf is the Resource of client-go's form.
func ResourceOf(gvr schema.GroupVersionResource, namespaced bool) Resource {
	return Resource{Group: gvr.Group, Version: gvr.Version, Resource: gvr.Resource, Namespaced: namespaced}
}

// Source is the place where an object was written.
type Source struct {
	Path string `json:"path"` // as given or found; "-" is standard input
	Line int    `json:"line"` // of the object's first key, counted from 1; 0 if unknown
}

// Object is one manifest and its place.
type Object struct {
	*unstructured.Unstructured
	Source Source
	// Notes say in plain words what of the manifest is not used: "metadata.uid is left out, only the cluster sets it".
	Notes []string

	// Hook: it does its work at its moment in a run, instead of being kept as it is written. It may have a generateName
	// instead of a name. Read leaves it and Replace to gate/order.
	Hook bool
	// Replace: an older object of that name may be deleted first, so that this one does its work anew.
	Replace bool

	// Test is the number of the stage, from 1, that the object tests; 0: none. It is a hook then.
	Test int

	// wrong is what is wrong with a hook.
	wrong *Error

	// node is the YAML of this object, for Locate; nil when the text is not what the user wrote (kustomize output).
	node *yaml.Node
}

// Wrong is what is wrong with a hook, an *Error; nil for all else, which Read refuses at once. Many hooks are no part of a
// deploy, and then it does not matter.
func (o Object) Wrong() error {
	if o.wrong == nil {
		return nil
	}
	return o.wrong
}

// Note is a remark about the object, for people: with its name and its place.
func (o Object) Note(text string) string {
	return fmt.Sprintf("%s (%s): %s", named(o), place(o.Source.Path, o.Source.Line), text)
}

// Ref is the name of the object. The namespace is as written until the plan has filled it in.
func (o Object) Ref() Ref {
	gvk := o.GroupVersionKind()
	return Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}
