package rollout

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons of a Status, besides those that are taken over from a condition of the object.
const (
	ReasonNotObserved      = "NotObserved"              // the controller has not seen the change yet
	ReasonAwaited          = "ImageAwaited"             // the version that is to be judged has not come yet
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
	ReasonStatusFromBefore = "StatusFromBefore"         // what the status says is older than the change
	ReasonFinishedBefore   = "FinishedBefore"           // a Job that ended before this run
	ReasonBeside           = "BesideOldPods"            // as many new pods as asked for run beside the old ones
	ReasonBlocked          = "BlockedByOldPod"          // a pod of another revision that never gets ready stands in the way
	ReasonPorts            = "PortsPending"             // a port of a Service leads to no new pod
	ReasonOwnFailed        = "CustomFailed"             // the expression failed is true
	ReasonOwnWaits         = "CustomNotReady"           // the expression ready is false
	ReasonOwnUnknown       = "CustomUnknown"            // an expression names something that is not there
	ReasonNoStatus         = "NoStatus"                 // a kind whose controller, if any, reports nothing
)

// Evaluate says how far a rollout is.
//
// For a kind with pods, when the controller's counts are complete and Workload.ServicesKnown is false, the answer is
// Progressing with ReasonCheckingServices: the caller then reads the Services and their EndpointSlices and asks again.
// A caller that may not read them sets ServicesKnown and leaves Services empty.
func Evaluate(w Workload) Status {
	s := judge(w)
	s.BrokenBefore = brokenBefore(w, s)
	s.Ref = w.Ref
	return s
}

// judge is Evaluate without a look at what was before.
func judge(w Workload) Status {
	gk := w.Ref.GroupKind()
	if !Watched(gk) && w.Own == nil {
		return Status{Phase: Complete}
	}
	k, known := KindOf(gk)
	if !known {
		k = Kind{GroupKind: gk}
	}
	if k.Evaluate == nil {
		k.Evaluate = generic
	}
	w.Live, w.Applied, w.Last, w.Previous = typed(w.Live), typed(w.Applied), typed(w.Last), typed(w.Previous)
	s, decided := identity(w, k)
	if !decided {
		s = byKind(w, k)
		if w.judgedByOwn() {
			s = own(w, s)
		}
	}
	s.Watched = s.Reason != ReasonNoStatus
	return s
}

// byKind is how far an object is by what its kind, and the Services of its pods, say.
func byKind(w Workload, k Kind) Status {
	s := beside(w, k, evaluate(w, k))
	if s.Phase == Complete && k.Serves && !(w.judgedByOwn() && w.Own.Ready != "") {
		s = services(w, s)
	}
	if s.Phase == Complete && k.Serves {
		s = trial(w, s)
	}
	return zero(w, k, s)
}

// zero says of a workload that runs nothing whether somebody took its pods away after it was written.
func zero(w Workload, k Kind, s Status) Status {
	if s.Reason != ReasonZeroReplicas || w.Applied == nil || k.OnEachNode {
		return s
	}
	if wanted := k.spec(w.Applied).Replicas; wanted > 0 {
		s.ScaledToZero = true
		s.Message = fmt.Sprintf("somebody scaled it from %d to 0 since it was written%s, so nothing runs", wanted, writer(w.Live, "replicas"))
	}
	return s
}

// evaluate asks the kind, once its controller has seen the newest spec.
func evaluate(w Workload, k Kind) Status {
	if spec := k.spec(w.Live); !spec.Observed {
		return notObserved(Status{Desired: spec.Replicas})
	}
	return k.Evaluate(w)
}

// NeedsServices says whether the only thing missing for a verdict are the Services.
func NeedsServices(w Workload) bool { return Evaluate(w).Reason == ReasonCheckingServices }

// identity decides what can be decided without looking at the status: whether the object is still ours.
func identity(w Workload, k Kind) (s Status, decided bool) {
	if w.Live == nil {
		switch {
		case w.Last != nil && w.Applied != nil && w.Last.GetUID() != w.Applied.GetUID():
			return behind(), true // what disappeared is the object that the applied one replaced
		case w.Last != nil && k.Outlives:
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
	if w.Live.GetDeletionTimestamp() != nil && !k.Outlives {
		return Status{Phase: Superseded, Reason: ReasonDeleted, Message: "the object is being deleted"}, true
	}
	return Status{}, false
}

// behind is the status while the watch has not come to the applied object.
func behind() Status {
	return progressing(Status{}, ReasonNotObserved, "waiting to see the applied object")
}

// ours compares the live object with the one that was applied.
func ours(w Workload, k Kind) (s Status, decided bool) {
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
	if k.Replaces && !equality.Semantic.DeepEqual(k.spec(live).Template, k.spec(applied).Template) {
		return Status{
			Phase: Superseded, Reason: ReasonTemplateChanged,
			Message: "somebody else changed the pod template" + writer(live, "template"),
		}, true
	}
	return Status{}, false
}

// writer names whoever wrote a field last, if the API server's records are there.
func writer(o Object, field string) string {
	var last *metav1.ManagedFieldsEntry
	for _, e := range o.GetManagedFields() {
		if e.Time == nil || e.FieldsV1 == nil || !strings.Contains(e.FieldsV1.GetRawString(), `"f:`+field+`"`) {
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
