package diagnosis

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleController = Rule{Family: "Controllers", Find: explainController, Causes: []Cause{
	{Code: "SupersededRollout", class: now("controller", LayerWorkload, ScopeSpec),
		InUndo:  "UndoRevertedByController",
		Meaning: "Somebody else changed the pod template, or deleted or recreated the workload, while this rollout was under way: another deploy took over.",
		Signals: "The live pod template or uid differs from what this run wrote; metadata.managedFields names the writer and the time.",
		Remedy:  "Look at the other deploy, and let only one of them roll out at a time; nothing is undone."},
	{Code: "RolloutPaused", class: atTimeout("controller", LayerWorkload, ScopeSpec),
		InUndo:  "UndoPaused",
		Meaning: "The Deployment is paused, so its controller neither makes new pods nor removes old ones.",
		Signals: "spec.paused is true, and the condition Progressing has the reason DeploymentPaused.",
		Remedy:  "Resume it with kubectl rollout resume; if the manifest sets spec.paused, remove it there."},
	{Code: "ControllerNotObserving", class: after("controller", LayerCluster, ScopeEnv, 1, time.Minute),
		Meaning: "The controller of this kind has not looked at the object since it was written, so nothing rolls out.",
		Signals: "status.observedGeneration is smaller than metadata.generation, and the namespace is not being deleted.",
		Remedy:  "Look at kube-controller-manager: it is down, without a leader, or far behind."},
	{Code: "ZeroReplicas", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "Nothing is to run: the workload asks for no replicas, or no node matches the DaemonSet. Such a rollout is complete at once and proves nothing.",
		Signals: "spec.replicas is 0, or status.desiredNumberScheduled of a DaemonSet is 0 although its controller has looked at it.",
		Remedy:  "Scale it up if it should run, or correct the DaemonSet's nodeSelector, affinity and tolerations."},
	{Code: "ProgressDeadlineExceeded", class: atTimeout("symptom", LayerWorkload, ScopeApp),
		By: Decision{
			When: "fails as soon as the controller says so; a cause that the pods show comes first",
			Rule: "the Deployment's controller gave up after spec.progressDeadlineSeconds",
			Knob: "spec.progressDeadlineSeconds of the Deployment",
		},
		Meaning: "The Deployment's controller gave up waiting for progress. That is a symptom: it is the headline only when no pod shows a cause.",
		Signals: "Condition Progressing=False with reason ProgressDeadlineExceeded, updated after this run wrote the Deployment.",
		Remedy:  "Find out what the new pods wait for; raise spec.progressDeadlineSeconds only if they are healthy and slow."},
}}

// adder makes a finding about the workload itself that needs no other evidence than the object.
type adder func(code, field, cause string, fix ...string)

// explainController names what the workload itself says: SupersededRollout, RolloutPaused, JobSuspended, ZeroReplicas,
// ControllerNotObserving, and NamespaceTerminating during a rollout; and ProgressDeadlineExceeded, which is only ever a
// symptom.
func explainController(s *facts) []Finding {
	var found []Finding
	add := func(code, field, cause string, fix ...string) {
		f := s.finding(code)
		f.Confidence, f.FieldPath, f.Cause, f.Fix = Proven, field, cause, fix
		f.Evidence = []Proof{{Type: "object", Text: cause, Ref: s.w.Ref.String()}}
		found = append(found, f)
	}
	if s.namespaceGoes() {
		return []Finding{s.namespaceTerminating()} // which also takes the workload away
	}
	if s.Status.Phase == rollout.Superseded {
		add("SupersededRollout", "", s.w.Ref.String()+" was taken over while this rollout was under way: "+s.Status.Message,
			"look at the other deploy; nothing is undone here")
	}
	s.paused(add)
	s.nothingToRun(add)
	s.observing(add)
	return append(found, s.deadline()...)
}

// paused names who paused the workload, where that is on record.
func (s *facts) paused(add adder) {
	if s.Status.Phase != rollout.Paused {
		return
	}
	name := s.w.Ref.String()
	switch s.w.Live.(type) {
	case *batchv1.Job:
		add("JobSuspended", "spec.suspend", name+" is suspended"+s.setBy("suspend")+", so it does not run",
			"set spec.suspend to false", "if a queueing controller starts it, find out why it does not admit the job")
	case *appsv1.Deployment:
		add("RolloutPaused", "spec.paused", name+" is paused"+s.setBy("paused")+", so nothing rolls out",
			"resume it: kubectl rollout resume -n "+s.w.Ref.Namespace+" "+name, "if the manifest sets spec.paused, remove it there")
	default:
		add("RolloutPaused", "spec.paused", name+" is paused, so nothing rolls out: "+s.Status.Message, "resume it in the way of its controller")
	}
}

// setBy says who wrote a field of spec last, if the API server's records were read.
func (s *facts) setBy(field string) string {
	var last *metav1.ManagedFieldsEntry
	for _, o := range []rollout.Object{s.w.Live, s.w.Applied} {
		if o == nil {
			continue
		}
		for _, e := range o.GetManagedFields() {
			if e.FieldsV1 != nil && e.Time != nil && strings.Contains(e.FieldsV1.GetRawString(), `"f:`+field+`"`) && (last == nil || last.Time.Before(e.Time)) {
				last = &e
			}
		}
	}
	if last == nil {
		return ""
	}
	return fmt.Sprintf(" (by %s at %s)", last.Manager, last.Time.UTC().Format("15:04:05Z"))
}

// nothingToRun is a rollout that is complete before it begins.
func (s *facts) nothingToRun(add adder) {
	const empty = "there is nothing to run, and nothing was proven"
	if set, ok := s.w.Live.(*appsv1.DaemonSet); ok {
		if set.Status.ObservedGeneration >= set.Generation && set.Status.DesiredNumberScheduled == 0 {
			cause := "no node matches the daemon set: "
			if len(s.Nodes) > 0 {
				cause = fmt.Sprintf("none of %s matches the daemon set: ", plural(len(s.Nodes), "node"))
			}
			add("ZeroReplicas", s.podPath+".nodeSelector", cause+empty, "correct its nodeSelector, affinity and tolerations, or label nodes")
		}
		return
	}
	k, _ := rollout.KindOf(s.w.Ref.GroupKind())
	none := s.w.Live != nil && k.Serves && k.Spec != nil && rollout.Replicas(s.w.Live) == 0
	if !none && s.Status.Reason != rollout.ReasonZeroReplicas {
		return
	}
	cause := "replicas is 0: " + empty
	if s.Status.ScaledToZero {
		cause = strings.TrimSuffix(s.Status.Message, ", so nothing runs") + ": " + empty
	}
	if hpa := s.scaler(); hpa != nil {
		cause += "; autoscaler " + hpa.Name + " does not scale up from 0 by itself"
	}
	add("ZeroReplicas", "spec.replicas", cause, "kubectl scale -n "+s.w.Ref.Namespace+" --replicas=1 "+s.w.Ref.String())
}

// observing notices that the controller has not looked at the object that was written. One that may not make a
// ReplicaSet has looked, and says so in another way.
func (s *facts) observing(add adder) {
	generation, observed := int64(0), int64(0)
	switch o := s.w.Live.(type) {
	case *appsv1.Deployment:
		generation, observed = o.Generation, o.Status.ObservedGeneration
	case *appsv1.StatefulSet:
		generation, observed = o.Generation, o.Status.ObservedGeneration
	case *appsv1.DaemonSet:
		generation, observed = o.Generation, o.Status.ObservedGeneration
	}
	if _, refused := s.noReplicaSet(); observed < generation && !refused {
		fix := []string{"look at kube-controller-manager: it is down, without a leader, or far behind"}
		if s.Namespace == nil {
			fix = append(fix, "see whether the namespace is being deleted, which stops controllers silently")
		}
		add("ControllerNotObserving", "", fmt.Sprintf("the controller has not looked at %s since it was written (generation %d, observed %d)", s.w.Ref, generation, observed), fix...)
	}
}

// namespaceGoes reports whether the namespace is being deleted. Controllers then write neither events nor status
// (pkg/controller/controller_utils.go, createPods), except the StatefulSet's, whose event quotes the refusal.
func (s *facts) namespaceGoes() bool {
	if n := s.Namespace; n != nil && (n.DeletionTimestamp != nil || n.Status.Phase == corev1.NamespaceTerminating) {
		return true
	}
	return len(s.refusedByNamespace()) > 0
}

func (s *facts) refusedByNamespace() []Event {
	if s.w.Live == nil {
		return nil
	}
	return s.eventsOf(string(s.w.Live.GetUID()), func(e Event) bool {
		return e.Reason == "FailedCreate" && strings.Contains(e.Message, "because it is being terminated")
	})
}

// namespaceTerminating quotes what the deletion waits for.
func (s *facts) namespaceTerminating() Finding {
	f := s.finding("NamespaceTerminating")
	f.Stage, f.Confidence, f.Detail, f.FieldPath = "controller", Proven, s.w.Ref.Namespace, "metadata.namespace"
	f.Cause = "namespace " + s.w.Ref.Namespace + " is being deleted, so nothing new can be made in it, and its controllers stop without a word"
	f.Evidence = proofs(s.refusedByNamespace(), 1)
	f.Fix = []string{"wait until it is gone and create it anew; a deletion cannot be taken back"}
	n := s.Namespace
	if n == nil {
		return f
	}
	ref := "namespace/" + n.Name
	if n.DeletionTimestamp != nil {
		f.Evidence = append(f.Evidence, Proof{Type: "status", Text: "phase " + string(n.Status.Phase) + ", deletionTimestamp " + n.DeletionTimestamp.UTC().Format(time.RFC3339), Ref: ref})
	}
	for _, c := range n.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		f.Evidence = append(f.Evidence, Proof{Type: "condition", Text: string(c.Type) + ": " + quote(c.Message), Time: c.LastTransitionTime.Time, Ref: ref})
		switch c.Type {
		case corev1.NamespaceFinalizersRemaining:
			f.Cause += "; what holds it: " + quote(c.Message)
			f.Fix = append(f.Fix, "have the named finalizer handled by whoever set it, and only if that is gone remove it by hand")
		case corev1.NamespaceDeletionDiscoveryFailure:
			f.Fix = append(f.Fix, "repair or delete the APIService that does not answer: kubectl get apiservices")
		}
	}
	return f
}

// deadline reports the Deployment's own verdict. One from before this rollout survives in the status until something
// progresses, so its time counts (pkg/controller/deployment/progress.go).
func (s *facts) deadline() []Finding {
	d, ok := s.w.Live.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	for _, c := range d.Status.Conditions {
		if c.Type != appsv1.DeploymentProgressing || c.Status != corev1.ConditionFalse || c.Reason != "ProgressDeadlineExceeded" || !s.fresh(c.LastUpdateTime.Time) {
			continue
		}
		f := s.finding("ProgressDeadlineExceeded")
		f.FieldPath, f.FirstSeen = "spec.progressDeadlineSeconds", c.LastUpdateTime.Time
		f.Cause = "the deployment made no progress within its deadline, and no pod says why: " + quote(c.Message)
		f.Evidence = []Proof{{Type: "condition", Text: "Progressing=False " + c.Reason + ": " + quote(c.Message), Time: c.LastUpdateTime.Time, Ref: s.w.Ref.String()}}
		f.Fix = []string{"look at the pods: kubectl describe pods -n " + s.w.Ref.Namespace}
		return []Finding{f}
	}
	return nil
}
