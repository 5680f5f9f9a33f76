// Package diagnosis says why a rollout is bad.
//
// Takes: Evidence, everything that was read of one workload, frozen. Returns: findings, the headline first. Never:
// reads the cluster or the clock, changes what it was given, or prints.
//
// One file holds one family of rules; a rule is a function from a scene, which is Evidence sorted by pod and container,
// to findings. Explain runs them all, puts
// causes before their symptoms and points each finding at the line of the manifest. Sightings adds the memory that a
// verdict needs: how long and how often a finding has been seen.
package diagnosis

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

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
	// The rest is nil when it was not read; Unreadable says what the API server refused and why.
	Nodes      []*corev1.Node
	Quotas     []*corev1.ResourceQuota
	Claims     []*corev1.PersistentVolumeClaim
	Budgets    []*policyv1.PodDisruptionBudget
	Unreadable []string

	// Manifest is the document that the user applied; nil if there is none (a workload that somebody else applied).
	Manifest *manifest.Object
	// Together lists the objects applied in the same run: a missing ConfigMap that is among them deserves patience.
	Together []manifest.Ref
	// TimedOut is set when the gate's time is up, so that what deserved patience until then becomes the cause.
	TimedOut bool
	// Timeout is the time that the gate gave the rollout, for texts.
	Timeout time.Duration
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

// Log is the tail of one container's log.
type Log struct {
	Pod, Container string
	Previous       bool     // of the terminated container before the current one
	Lines          []string // oldest first
}
