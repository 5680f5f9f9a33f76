package rollout

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Reasons of a Status, besides those that are taken over from a condition of the object.
const (
	ReasonNotObserved      = "NotObserved"              // the controller has not seen the change yet
	ReasonNewPods          = "NewPodsPending"           // new pods are missing or not available
	ReasonOldPods          = "OldPodsPending"           // old pods still exist
	ReasonMinReady         = "MinReadyPending"          // new pods are ready, but not for minReadySeconds
	ReasonCheckingServices = "CheckingServices"         // complete but for the Services, which were not read yet
	ReasonEndpoints        = "EndpointsPending"         // a Service does not send traffic to all new pods
	ReasonTrial            = "TrialPending"             // ready without a readiness probe, and only just started
	ReasonPaused           = "Paused"                   // spec.paused or spec.suspend
	ReasonDeadline         = "ProgressDeadlineExceeded" // the Deployment controller gave up
	ReasonRunning          = "Running"                  // a Job works
	ReasonSucceeded        = "Succeeded"                // a Pod ran to its end
	ReasonDeleted          = "Deleted"                  // the object is gone or going
	ReasonRecreated        = "Recreated"                // another object now has the name
	ReasonTemplateChanged  = "TemplateChanged"          // another revision took over
	ReasonZeroReplicas     = "ZeroReplicas"             // nothing is to run, so nothing was proven
	ReasonOnDelete         = "OnDelete"                 // pods change only when somebody deletes them
	ReasonPartition        = "Partition"                // pods below the partition keep the old revision on purpose
	ReasonNodesDown        = "NodesDown"                // pods on nodes that are not ready were left out of account
	ReasonWaitsForConsumer = "WaitForFirstConsumer"     // a claim that binds when a pod uses it
	ReasonRemovedByTTL     = "RemovedByTTL"             // a Job that finished and was removed
	ReasonNoStatus         = "NoStatus"                 // a kind whose controller, if any, reports nothing
)

// kind is how one kind is judged.
type kind struct {
	evaluate func(Workload) Status
	// pods says that Services may send traffic to what the kind runs.
	pods bool
	// rolls says that another pod template means another revision. A Job's template cannot change, and admission
	// controllers may complete it while it is suspended; a ReplicaSet's does not touch the pods that exist.
	rolls bool
	// outlives says that the verdict on the last state outlives the object.
	outlives bool
}

// kinds holds every kind with a rule of its own. It is never written to.
var kinds = map[schema.GroupKind]kind{
	{Group: "apps", Kind: "Deployment"}:                               {evaluate: deployment, pods: true, rolls: true},
	{Group: "apps", Kind: "StatefulSet"}:                              {evaluate: statefulSet, pods: true, rolls: true},
	{Group: "apps", Kind: "DaemonSet"}:                                {evaluate: daemonSet, pods: true, rolls: true},
	{Group: "apps", Kind: "ReplicaSet"}:                               {evaluate: replicaSet, pods: true},
	{Kind: "ReplicationController"}:                                   {evaluate: replicationController, pods: true},
	{Kind: "Pod"}:                                                     {evaluate: pod, pods: true},
	{Group: "batch", Kind: "Job"}:                                     {evaluate: job, outlives: true},
	{Kind: "PersistentVolumeClaim"}:                                   {evaluate: claim},
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: {evaluate: definition},
	{Group: "apiregistration.k8s.io", Kind: "APIService"}:             {evaluate: generic},
	{Group: "argoproj.io", Kind: "Rollout"}:                           {evaluate: argoRollout},
}

// builtIn are the API groups of Kubernetes itself. Their kinds that have no row above have no rollout.
var builtIn = map[string]bool{
	"": true, "apps": true, "batch": true, "autoscaling": true, "policy": true, "extensions": true,
	"admissionregistration.k8s.io": true, "authentication.k8s.io": true, "authorization.k8s.io": true,
	"certificates.k8s.io": true, "coordination.k8s.io": true, "discovery.k8s.io": true, "events.k8s.io": true,
	"flowcontrol.apiserver.k8s.io": true, "networking.k8s.io": true, "node.k8s.io": true,
	"rbac.authorization.k8s.io": true, "resource.k8s.io": true, "scheduling.k8s.io": true, "storage.k8s.io": true,
}

// Watched says whether objects of a kind can have a status that is worth waiting for. For a kind that Kubernetes does
// not define it is true; whether there is one shows in the object, and Status.Watched has the answer.
func Watched(gk schema.GroupKind) bool {
	_, known := kinds[gk]
	return known || !builtIn[gk.Group]
}

// HasPods says whether a kind runs pods that Services can send traffic to.
func HasPods(gk schema.GroupKind) bool { return kinds[gk].pods }

// Evaluate says how far a rollout is.
//
// For a kind with pods, when the controller's counts are complete and Workload.ServicesKnown is false, the answer is
// Progressing with ReasonCheckingServices: the caller then reads the Services and their EndpointSlices and asks again.
// A caller that may not read them sets ServicesKnown and leaves Services empty.
func Evaluate(w Workload) Status {
	gk := w.Ref.GroupKind()
	if !Watched(gk) {
		return Status{Ref: w.Ref, Phase: Complete}
	}
	k, known := kinds[gk]
	if !known {
		k = kind{evaluate: generic}
	}
	w.Live, w.Applied, w.Last = typed(w.Live), typed(w.Applied), typed(w.Last)
	s, decided := identity(w, k)
	if !decided {
		s = k.evaluate(w)
		if s.Phase == Complete && k.pods {
			s = services(w, s)
		}
		if s.Phase == Complete && k.pods {
			s = trial(w, s)
		}
	}
	s.Ref = w.Ref
	s.Watched = s.Reason != ReasonNoStatus
	return s
}

// NeedsServices says whether the only thing missing for a verdict are the Services.
func NeedsServices(w Workload) bool { return Evaluate(w).Reason == ReasonCheckingServices }

// identity decides what can be decided without looking at the status: whether the object is still ours.
func identity(w Workload, k kind) (s Status, decided bool) {
	if w.Live == nil {
		switch {
		case w.Last != nil && w.Applied != nil && w.Last.GetUID() != w.Applied.GetUID():
			return behind(), true // what disappeared is the object that the applied one replaced
		case w.Last != nil && k.outlives:
			return Status{}, false
		}
		if w.Applied == nil {
			return Status{Phase: Progressing, Reason: ReasonNotObserved, Message: "waiting for the object to appear"}, true
		}
		return Status{Phase: Superseded, Reason: ReasonDeleted, Message: "the object was deleted"}, true
	}
	if w.Applied != nil {
		if s, decided := ours(w, k); decided {
			return s, true
		}
	}
	if w.Live.GetDeletionTimestamp() != nil && !k.outlives {
		return Status{Phase: Superseded, Reason: ReasonDeleted, Message: "the object is being deleted"}, true
	}
	return Status{}, false
}

// behind is the status while the watch has not come to the applied object.
func behind() Status {
	return progressing(Status{}, ReasonNotObserved, "waiting to see the applied object")
}

// ours compares the live object with the one that was applied.
func ours(w Workload, k kind) (s Status, decided bool) {
	live, applied := w.Live, w.Applied
	if live.GetUID() != applied.GetUID() && live.GetUID() != "" && applied.GetUID() != "" {
		liveTime, appliedTime := live.GetCreationTimestamp(), applied.GetCreationTimestamp()
		if liveTime.Before(&appliedTime) { // the object that the applied one replaced: the watch is not there yet
			return behind(), true
		}
		return Status{
			Phase: Superseded, Reason: ReasonRecreated, Message: "the object was deleted and created again by somebody else",
		}, true
	}
	if live.GetGeneration() < applied.GetGeneration() {
		return behind(), true
	}
	if k.rolls && !equality.Semantic.DeepEqual(PodTemplate(live), PodTemplate(applied)) {
		return Status{
			Phase: Superseded, Reason: ReasonTemplateChanged,
			Message: "somebody else changed the pod template" + by(live),
		}, true
	}
	return Status{}, false
}

// by names whoever wrote to the pod template last, if the API server's records are there.
func by(o Object) string {
	var last *metav1.ManagedFieldsEntry
	for _, e := range o.GetManagedFields() {
		if e.Time == nil || e.FieldsV1 == nil || !strings.Contains(e.FieldsV1.GetRawString(), `"f:template"`) {
			continue
		}
		if last == nil || last.Time.Before(e.Time) {
			last = &e
		}
	}
	if last == nil {
		return ""
	}
	return fmt.Sprintf(" (%s at %s)", last.Manager, last.Time.UTC().Format("15:04:05Z"))
}

// notObserved is the status while the controller has not seen the newest spec.
func notObserved(s Status) Status {
	s.Phase, s.Reason = Progressing, ReasonNotObserved
	s.Message = "waiting for the controller to see the change"
	return s
}

// progressing completes s.
func progressing(s Status, reason, format string, args ...any) Status {
	s.Phase, s.Reason, s.Message = Progressing, reason, fmt.Sprintf(format, args...)
	return s
}

// complete completes s, normally without a reason.
func complete(s Status, reason, message string) Status {
	s.Phase, s.Reason, s.Message = Complete, reason, message
	return s
}

// awaitPods words what a workload with too few available new pods waits for.
func awaitPods(s Status, want int32) Status {
	if s.Ready >= want && s.Available < want {
		return progressing(s, ReasonMinReady, "%d of %d new %s available; the rest is ready and waits for minReadySeconds",
			s.Available, want, plural(want, "pod"))
	}
	return progressing(s, ReasonNewPods, "%d of %d new %s available", s.Available, want, plural(want, "pod"))
}

func plural(n int32, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// replicas reads an optional count, whose default is 1 in every API that has one.
func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// Replicas is the number of pods that an object asks for. A DaemonSet asks for one on each node that its status counts.
func Replicas(o Object) int32 {
	switch o := typed(o).(type) {
	case *appsv1.Deployment:
		return replicas(o.Spec.Replicas)
	case *appsv1.StatefulSet:
		return replicas(o.Spec.Replicas)
	case *appsv1.ReplicaSet:
		return replicas(o.Spec.Replicas)
	case *corev1.ReplicationController:
		return replicas(o.Spec.Replicas)
	case *appsv1.DaemonSet:
		return o.Status.DesiredNumberScheduled
	case *corev1.Pod:
		return 1
	}
	return jobPods(o)
}
