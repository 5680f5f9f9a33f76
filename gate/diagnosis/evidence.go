// Package diagnosis says why a rollout is bad.
//
// Takes: Evidence, everything that was read of one workload, frozen. Returns: findings, the headline first. Never:
// reads the cluster or the clock, changes what it was given, or prints.
//
// One file holds one family of rules; a rule is a function from facts, which are Evidence sorted by pod and container,
// to findings, and a row of the rules in catalogue.go. Explain runs them all, puts
// causes before their symptoms and points each finding at the line of the manifest. Confirmer adds the memory that a
// verdict needs: how long and how often a finding has been seen.
package diagnosis

import (
	"cmp"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Evidence is what was read of one workload.
type Evidence struct {
	// Workload holds the object, its ReplicaSets and its pods; Workload.Now and Workload.Since are the clock.
	Workload rollout.Workload
	Status   rollout.Status
	// Previous is the workload before this run wrote to it; nil when this run created it or did not write.
	Previous rollout.Object

	// Events concern the workload, its ReplicaSets, pods and claims, and are no older than Workload.Since.
	Events []Event
	// Logs are tails of the containers that are in trouble. Empty while watching: they are read when the verdict is in.
	Logs []Log
	// The rest is the environment of the workload. It is read only when the evidence is frozen, and each list is nil when it
	// was not read; Unreadable says what the API server refused and why.
	Namespace *corev1.Namespace
	Nodes     []*corev1.Node
	Quotas    []*corev1.ResourceQuota
	Claims    []*corev1.PersistentVolumeClaim
	Services  []*corev1.Service // of the namespace
	Slices    []*discoveryv1.EndpointSlice
	// ServicesBefore are the Services that this run changes, as they were before it.
	ServicesBefore []*corev1.Service
	// Backends are what the Ingresses and HTTPRoutes of the namespace send traffic to.
	Backends    []Backend
	Autoscalers []*autoscalingv2.HorizontalPodAutoscaler
	Policies    []*networkingv1.NetworkPolicy
	// Requested is what the pods on a node request altogether, by node and resource; only for nodes that could take a
	// pod that no node takes.
	Requested map[string]corev1.ResourceList
	// Names are the names that exist, by kind ("ConfigMap", "PriorityClass"), for kinds of which one is missing: a cause
	// can then tell a typo from an omission. Keys are the keys of a ConfigMap or Secret that lacks one.
	Names      map[string][]string
	Keys       map[manifest.Ref][]string
	Unreadable []string

	// History is what the gate has seen over time and no object says.
	History History
	// Warnings are what the API server warned of when this run wrote the workload (its Warning headers).
	Warnings []string
	// Changed lists the other objects that the same run changed.
	Changed []Changed
	// CriteriaFailed is set when a success criterion failed: how traffic is shared may explain what was measured, even if
	// the rollout is complete.
	CriteriaFailed bool
	// Undoing is set when the rollout is the undo of one that failed.
	Undoing bool
	// MadeBy is the program that has made the rollout, where the run lets one do so: helm.
	MadeBy string

	// Manifest is the document that the user applied; nil if there is none (a workload that somebody else applied).
	Manifest *manifest.Object
	// Together lists the objects applied in the same run: a missing ConfigMap that is among them deserves patience.
	Together []manifest.Ref
	// TimedOut is set when the gate's time is up, so that what deserved patience until then becomes the cause.
	TimedOut bool
	// Timeout is the time that the gate gave the rollout, for texts.
	Timeout time.Duration
	// TimeoutBy says where that time was set; empty: by --timeout.
	TimeoutBy string
}

// History is what a watcher has seen of the new pods.
type History struct {
	// Best is the largest number of new pods that were available at once, and BestSince when that was first reached.
	Best      int32
	BestSince time.Time
	// Falls counts, by pod, how often a pod was Ready and ceased to be.
	Falls map[string]int
}

// Event is one event, whichever of the two event APIs wrote it.
type Event struct {
	Time    time.Time // of the last occurrence
	First   time.Time
	Count   int // at least 1
	Warning bool
	Reason  string
	Message string // without the "(combined from similar events): " prefix
	Object  manifest.Ref
	UID     string // of Object
	// Container is taken from involvedObject.fieldPath; empty when the event is not about one.
	Container string
	Reporter  string
}

// Backend is a port of a Service to which an Ingress or an HTTPRoute sends traffic.
type Backend struct {
	Object  manifest.Ref // the Ingress or HTTPRoute
	Service string       // in its namespace
	Port    string       // the number or the name of a port of the Service
}

// Log is the tail of one container's log.
type Log struct {
	Pod, Container string
	Previous       bool     // of the terminated container before the current one
	Lines          []string // oldest first
}

// Environment is the part of frozen evidence that is about the environment of the workload, for With.
func (ev Evidence) Environment() Evidence {
	return Evidence{
		Workload: rollout.Workload{Pods: rollout.OldPods(ev.Workload)},
		Events:   ev.Events, Namespace: ev.Namespace, Nodes: ev.Nodes, Quotas: ev.Quotas, Claims: ev.Claims, Services: ev.Services,
		Slices: ev.Slices, Backends: ev.Backends, Autoscalers: ev.Autoscalers, Policies: ev.Policies, Requested: ev.Requested, Names: ev.Names, Keys: ev.Keys,
	}
}

// With completes what a watch knows by what was read of its environment a moment ago. The watch's own is newer and stays.
func (ev Evidence) With(environment Evidence) Evidence {
	ev.Namespace = cmp.Or(ev.Namespace, environment.Namespace)
	ev.Nodes, ev.Quotas, ev.Claims = first(ev.Nodes, environment.Nodes), first(ev.Quotas, environment.Quotas), first(ev.Claims, environment.Claims)
	ev.Services, ev.Slices, ev.Backends = first(ev.Services, environment.Services), first(ev.Slices, environment.Slices), first(ev.Backends, environment.Backends)
	ev.Autoscalers, ev.Policies = first(ev.Autoscalers, environment.Autoscalers), first(ev.Policies, environment.Policies)
	if ev.Requested == nil {
		ev.Requested = environment.Requested
	}
	if ev.Names == nil {
		ev.Names = environment.Names
	}
	if ev.Keys == nil {
		ev.Keys = environment.Keys
	}
	ev.Events = withEvents(ev.Events, environment.Events)
	// A watch follows the new pods only; what the old ones hold is part of many a proof.
	for _, p := range environment.Workload.Pods {
		if !slices.ContainsFunc(ev.Workload.Pods, func(known *corev1.Pod) bool { return known.UID == p.UID }) {
			ev.Workload.Pods = append(slices.Clip(ev.Workload.Pods), p)
		}
	}
	return ev
}

func first[T any](a, b []T) []T {
	if a != nil {
		return a
	}
	return b
}

// withEvents adds the events that are not among the newer ones: an event that is repeated keeps its text.
func withEvents(newer, older []Event) []Event {
	type key struct{ uid, reason, message, container string }
	known := map[key]bool{}
	for _, e := range newer {
		known[key{e.UID, e.Reason, e.Message, e.Container}] = true
	}
	all := slices.Clip(newer)
	for _, e := range older {
		if !known[key{e.UID, e.Reason, e.Message, e.Container}] {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return all
}
