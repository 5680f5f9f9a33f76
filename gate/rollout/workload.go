// Package rollout decides how far one object's rollout is.
//
// Takes: the object, the pods and controllers below it as the API server returned them, and what this run wrote.
// Returns: a Status. Never: reads the cluster, the clock or the environment.
package rollout

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Object is any API object: a typed one for the built-in kinds (*appsv1.Deployment, *batchv1.Job, …), otherwise
// *unstructured.Unstructured.
type Object interface {
	metav1.Object
	runtime.Object
}

// Workload is what is known of one gated object at one moment.
type Workload struct {
	Ref manifest.Ref

	// Live is the object as last seen; nil when the API server has none.
	Live Object
	// Applied is the object as the API server returned it for the write that began this rollout. It tells our
	// revision from everybody else's. In a rollout that somebody else began it is the first Live that was seen.
	Applied Object
	// Previous is the object before that write; nil when there was none or nothing is known of it. If it is the same as
	// Applied, this run changed nothing of it.
	Previous Object
	// Restored says that the write took another one back.
	Restored bool
	// Goal is how many pods are to be of the new revision, beside the old ones; zero: all of them, and no old one.
	Goal int32
	// Ends says that the object is to run to its end, also a Pod.
	Ends bool
	// Own says how far the object is instead of its kind; nil: its kind does.
	Own *Own
	// OwnTime says that the object has a time limit of its own; see Target.
	OwnTime bool
	// Since is the API server's time of that write. Conditions and events from before it say nothing about this
	// rollout.
	Since time.Time
	// Now is the API server's time of this observation.
	Now time.Time

	// ReplicaSets are those of a Deployment, all revisions.
	ReplicaSets []*appsv1.ReplicaSet
	// Revisions are those of a DaemonSet or StatefulSet.
	Revisions []*appsv1.ControllerRevision
	// Pods are the pods below the object that were read; PodsKnown says whether they were read at all. A big healthy
	// rollout is judged without its pods.
	Pods      []*corev1.Pod
	PodsKnown bool
	// PodsComing says that the pods will be read, and were not yet.
	PodsComing bool
	// Services are the Services that select the new pods, each with its EndpointSlices. They are read when everything
	// else is complete; ServicesKnown says whether they were.
	Services      []Service
	ServicesKnown bool
	// WaitsForConsumer says that the StorageClass of a PersistentVolumeClaim binds at its first consumer: the claim
	// is then done while it is Pending.
	WaitsForConsumer bool
	// NodesDown are the names of nodes that are not ready, for a DaemonSet; empty when they were not read. Some of them
	// show in the pods too, so that a DaemonSet can be judged without reading nodes.
	NodesDown []string
	// Last is the object as it was last seen, when Live is nil because it disappeared. A finished Job is removed by its
	// TTL, and then this is all that is left to judge.
	Last Object
}

// Service is a Service that selects the pods of a workload.
type Service struct {
	Name   string
	Ports  []corev1.ServicePort
	Slices []*discoveryv1.EndpointSlice
}

// Phase is where a rollout stands.
type Phase string

// The phases. Complete, Failed and Superseded are final; Paused needs somebody to resume.
const (
	Progressing Phase = "Progressing"
	Complete    Phase = "Complete"
	Failed      Phase = "Failed"
	Superseded  Phase = "Superseded"
	Paused      Phase = "Paused"
)

// Status is the answer for one object.
type Status struct {
	Ref   manifest.Ref `json:"object"`
	Phase Phase        `json:"phase"`
	// Revision is the pod-template-hash or controller-revision-hash of the new pods; empty while the controller has
	// not made one, and for kinds without revisions.
	Revision         string `json:"revision,omitempty"`
	PreviousRevision string `json:"previousRevision,omitempty"`
	// Counts of pods. Updated, Ready and Available count new-revision pods where the kind can tell them apart; Old
	// counts pods of other revisions that still exist.
	Desired   int32 `json:"desired"`
	Updated   int32 `json:"updated"`
	Ready     int32 `json:"ready"`
	Available int32 `json:"available"`
	Old       int32 `json:"old,omitempty"`
	// Reason is one CamelCase word, as in conditions; Message says in a short sentence what is awaited or what
	// happened.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// ScaledToZero says that somebody has set the replicas to zero after this run wrote the object: what was to be proven
	// was taken away.
	ScaledToZero bool `json:"scaledToZero,omitempty"`
	// BlockedBy is the revision of a pod that never gets ready and that keeps a StatefulSet from replacing any; empty
	// while nothing does.
	BlockedBy string `json:"blockedBy,omitempty"`
	// BrokenBefore says that this run does not change the object, that it was in trouble already when the run began, and
	// that it is no worse now.
	BrokenBefore bool `json:"brokenBefore,omitempty"`
	// Watched is false for objects that are applied and then left alone (a ConfigMap, a CronJob).
	Watched bool `json:"watched"`
}
