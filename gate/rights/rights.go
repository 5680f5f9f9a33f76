// Package rights knows what an account has to be allowed for a run, and why.
//
// Takes: the objects of a run, and what the run may do with them. Returns: rights, each with its reason and with what is
// lost without it, and the Roles that grant them as YAML. Never: talks to a cluster, or grants what no call needs.
//
// Every call that gate/cluster and gate/tunnel make stands in one table, which their tests hold them to.
package rights

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Use is a run whose rights are asked for.
type Use struct {
	Objects []Object
	// Home is the namespace of the run itself.
	Home string
	// Record says that the run is kept on record in the cluster.
	Record bool
	// Prometheus is the Service that is asked through the API server; its Name is empty when there is none.
	Prometheus Service
	// Endpoints are the Services that criteria ask through the API server, without Prometheus.
	Endpoints []Service

	NeverUndo     bool // nothing is taken back
	Pins          bool // Services get traffic for one version alone
	Canaries      bool // a few pods become new first
	Shares        bool // new pods get shares of the requests that come by routes
	KeepStuckPods bool // no pod is deleted
	KeepBadPod    bool // one pod is left out of an undo
	Events        bool // workloads get Events about the run
	Prunes        bool // what an earlier run had and this one has not is deleted
}

// Object is one object that a run writes: where it lives, with its namespace filled in.
type Object struct {
	manifest.Object
	Resource manifest.Resource
	// Own says that expressions of its own say how far it is, so that it is followed whatever its kind.
	Own bool
}

// Service is one port of a Service that answers criteria.
type Service struct {
	Namespace, Name string
	// NoProxy says that the API server's proxy must not carry the requests.
	NoProxy bool
}

// Right is what one row of the table grants in one place.
type Right struct {
	Row
	Group string
	// Resources are the plurals, with a subresource behind a slash: pods/log.
	Resources []string
	// Namespace is where it is granted; "" is the whole cluster.
	Namespace string
}

// Needed are the rights that a run needs, those without which it is refused first. Each is there once.
func Needed(u Use) []Right {
	var all []Right
	for _, row := range Table() {
		for _, place := range row.places(u) {
			all = add(all, Right{Row: row, Group: place.Group, Resources: []string{place.Resource}, Namespace: place.Namespace})
		}
	}
	slices.SortStableFunc(all, func(a, b Right) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// add joins what the same row grants for several resources of a group in one place.
func add(all []Right, r Right) []Right {
	i := slices.IndexFunc(all, func(o Right) bool {
		return o.Purpose == r.Purpose && o.Group == r.Group && o.Namespace == r.Namespace
	})
	if i < 0 {
		return append(all, r)
	}
	if !slices.Contains(all[i].Resources, r.Resources[0]) {
		all[i].Resources = append(all[i].Resources, r.Resources[0])
	}
	return all
}

func rank(r Right) int {
	if r.Optional() {
		return 1
	}
	return 0
}

// Allows tells whether a right covers a request. Subresources are part of the resource: pods/log.
func (r Right) Allows(verb, group, resource, namespace string) bool {
	return slices.Contains(r.Verbs, verb) && matches(r.Group, group) &&
		slices.ContainsFunc(r.Resources, func(own string) bool { return matches(own, resource) }) &&
		(r.Namespace == "" || r.Namespace == namespace)
}

func matches(own, asked string) bool { return own == "*" || own == asked }

// Required are those without which a run is refused.
func Required(all []Right) []Right {
	return slices.DeleteFunc(slices.Clone(all), func(r Right) bool { return r.Optional() })
}

// Notes say what the rights of a run alone do not settle.
func Notes(u Use) []string {
	var notes []string
	if u.Prunes {
		notes = append(notes, "what is pruned is in the manifests of an earlier run: kinds and namespaces that only those have are not in these Roles; give the earlier manifests with -f, too, to have them there")
	}
	for _, o := range u.Objects {
		switch gk := o.Ref().GroupKind(); {
		case gk.Group == "rbac.authorization.k8s.io":
			notes = append(notes, fmt.Sprintf("%s grants rights: Kubernetes lets only an account write it that has them itself, or the verbs bind and escalate, which are not in these Roles", o.Ref()))
		case gk == schema.GroupKind{Kind: "Namespace"}:
			notes = append(notes, fmt.Sprintf("%s is among the manifests, and a Role inside it can be applied only when it is there: create it first", o.Ref()))
		}
	}
	return notes
}
