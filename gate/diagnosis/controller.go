package diagnosis

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// explainController names what the workload itself says: SupersededRollout, RolloutPaused, ZeroReplicas,
// UpdateStrategyOnDelete, ControllerNotObserving, OldPodsStuckTerminating, StatefulSetRollbackTrap; and
// ProgressDeadlineExceeded, which is only ever a symptom.
func explainController(s *scene) []Finding {
	var found []Finding
	add := func(code, field, cause string, fix ...string) {
		f := s.finding(code)
		f.Confidence, f.FieldPath, f.Cause, f.Fix = Proven, field, cause, fix
		f.Evidence = []Proof{{Type: "object", Text: cause, Ref: s.w.Ref.String()}}
		found = append(found, f)
	}
	switch {
	case s.Status.Phase == rollout.Superseded:
		add("SupersededRollout", "", "somebody else changed "+s.w.Ref.String()+" while this rollout was under way: "+s.Status.Message,
			"look at the other deploy; nothing is undone here")
	case s.Status.Phase == rollout.Paused:
		field := "spec.paused"
		if s.isJob() {
			field = "spec.suspend"
		}
		add("RolloutPaused", field, s.w.Ref.String()+" is paused, so nothing rolls out", "resume it: kubectl rollout resume "+s.w.Ref.String())
	}
	switch o := s.w.Live.(type) {
	case *appsv1.Deployment:
		if o.Spec.Replicas != nil && *o.Spec.Replicas == 0 {
			add("ZeroReplicas", "spec.replicas", "replicas is 0: there is nothing to run, and nothing was proven")
		}
		s.observing(add, o.Generation, o.Status.ObservedGeneration)
		found = append(found, s.deadline(o)...)
	case *appsv1.StatefulSet:
		if o.Spec.Replicas != nil && *o.Spec.Replicas == 0 {
			add("ZeroReplicas", "spec.replicas", "replicas is 0: there is nothing to run, and nothing was proven")
		}
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
			add("UpdateStrategyOnDelete", "spec.updateStrategy.type", "updateStrategy OnDelete replaces a pod only when somebody deletes it", "delete the old pods, or use RollingUpdate")
		}
		s.observing(add, o.Generation, o.Status.ObservedGeneration)
	case *appsv1.DaemonSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
			add("UpdateStrategyOnDelete", "spec.updateStrategy.type", "updateStrategy OnDelete replaces a pod only when somebody deletes it", "delete the old pods, or use RollingUpdate")
		}
		if o.Status.ObservedGeneration >= o.Generation && o.Status.DesiredNumberScheduled == 0 {
			add("ZeroReplicas", s.podPath+".nodeSelector", "no node matches the daemon set: there is nothing to run, and nothing was proven")
		}
		s.observing(add, o.Generation, o.Status.ObservedGeneration)
	case *batchv1.Job:
		if o.Spec.Suspend != nil && *o.Spec.Suspend && s.Status.Phase != rollout.Paused {
			add("RolloutPaused", "spec.suspend", "the job is suspended, so it does not run", "set spec.suspend to false")
		}
	}
	return append(append(found, s.trap()...), s.stuckLeaving()...)
}

// observing notices that the controller has not looked at the object that was written.
func (s *scene) observing(add func(code, field, cause string, fix ...string), generation, observed int64) {
	if observed < generation {
		add("ControllerNotObserving", "", fmt.Sprintf("the controller has not looked at %s since it was written (generation %d, observed %d)", s.w.Ref, generation, observed),
			"look at kube-controller-manager; and whether the namespace is being deleted, which stops it silently")
	}
}

// deadline reports the Deployment's own verdict. One from before this rollout survives in the status until something
// progresses, so its time counts (pkg/controller/deployment/progress.go).
func (s *scene) deadline(d *appsv1.Deployment) []Finding {
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

// trap finds the pod of another revision for which an ordered StatefulSet waits. The controller replaces no pod while
// one is not ready, not even the one that is broken (pkg/controller/statefulset/stateful_set_control.go).
func (s *scene) trap() []Finding {
	set, ok := s.w.Live.(*appsv1.StatefulSet)
	if !ok || set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement || s.ready < len(s.pods) {
		return nil
	}
	for _, p := range s.old {
		if isReady(p) {
			continue
		}
		f := s.finding("StatefulSetRollbackTrap")
		f.Object, f.Detail = podRef(p), p.Name
		f.FieldPath = "spec.podManagementPolicy"
		f.Cause = fmt.Sprintf("pod %s of another version is not ready, and the controller replaces no pod until it is", p.Name)
		f.Evidence = []Proof{{Type: "status", Text: podState(p), Ref: podRef(p).String()}}
		f.Fix = []string{"delete the pod, so that it comes back in the new version: kubectl delete pod -n " + p.Namespace + " " + p.Name}
		return []Finding{f}
	}
	return nil
}

// stuckLeaving finds old pods that should be gone. They block whoever waits for them: strategy Recreate and ordered
// StatefulSets. A pod's deletion time already includes its grace period.
func (s *scene) stuckLeaving() []Finding {
	if len(s.pods) > s.ready {
		return nil // there are new pods, and they have troubles of their own
	}
	for _, p := range s.leaving {
		over := s.now.Sub(p.DeletionTimestamp.Time)
		if over < time.Minute {
			continue
		}
		f := s.on(p, "OldPodsStuckTerminating")
		f.FieldPath = s.podPath + ".terminationGracePeriodSeconds"
		f.Cause = fmt.Sprintf("old pod %s should have been gone for %s", p.Name, short(over))
		f.Fix = []string{"look at node " + p.Spec.NodeName + ": its kubelet does not confirm that the pod ended"}
		if len(p.Finalizers) > 0 {
			f.Cause += "; finalizer " + list(p.Finalizers) + " holds it"
			f.Fix = []string{"find out who should remove finalizer " + list(p.Finalizers)}
		}
		f.Evidence = []Proof{{Type: "status", Text: "deletionTimestamp " + p.DeletionTimestamp.UTC().Format(time.RFC3339), Ref: podRef(p).String()}}
		return []Finding{f}
	}
	return nil
}
