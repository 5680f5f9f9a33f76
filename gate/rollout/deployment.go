package rollout

import (
	"maps"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// revisionAnnotation numbers the revisions of a Deployment, on it and on its ReplicaSets.
const revisionAnnotation = "deployment.kubernetes.io/revision"

var deploymentKind = Kind{
	GroupKind: schema.GroupKind{Group: "apps", Kind: "Deployment"},
	Resource:  manifest.Resource{Group: "apps", Version: "v1", Resource: "deployments", Namespaced: true},
	Type:      (*appsv1.Deployment)(nil), Evaluate: deployment,
	Spec: func(o Object) Spec {
		d := o.(*appsv1.Deployment)
		return Spec{
			Template: &d.Spec.Template, Selector: d.Spec.Selector, Replicas: replicas(d.Spec.Replicas),
			MinReadySeconds: d.Spec.MinReadySeconds, Observed: d.Status.ObservedGeneration >= d.Generation,
		}
	},
	Template:      "spec.template",
	RevisionLabel: appsv1.DefaultDeploymentUniqueLabelKey, Owns: ReplicaSets,
	Revision: newTemplateHash, Previous: previousReplicaSet,
	PodNames: generatedTwice,
	Serves:   true, Replaces: true, Standalone: true, Staged: BySurge,
}

// deployment follows "kubectl rollout status" (k8s.io/kubectl, pkg/polymorphichelpers/rollout_status.go), except that
// a progress deadline only counts if it passed after the change: an undo to a ReplicaSet that still exists keeps the
// condition of the failed rollout until some count improves.
func deployment(w Workload) Status {
	d, ok := w.Live.(*appsv1.Deployment)
	if !ok {
		return wrongType(w)
	}
	s := Status{Desired: replicas(d.Spec.Replicas)}
	s.Revision, s.PreviousRevision = newTemplateHash(w), previousReplicaSet(w)
	s.Updated = d.Status.UpdatedReplicas
	s.Old = max(0, d.Status.Replicas-d.Status.UpdatedReplicas)
	// The Deployment counts available pods of all revisions. What the old ones may contribute is taken off, unless the
	// new ReplicaSet says it exactly.
	s.Ready = min(s.Updated, max(0, d.Status.ReadyReplicas-s.Old))
	s.Available = min(s.Updated, max(0, d.Status.AvailableReplicas-s.Old))
	if rs := newReplicaSet(w); rs != nil && s.Old > 0 {
		s.Ready = max(s.Ready, min(s.Updated, rs.Status.ReadyReplicas)) // which may have been read a while ago
		s.Available = max(s.Available, min(s.Updated, rs.Status.AvailableReplicas))
	}
	// The verdict rests on the Deployment alone: its counts are of one moment, while those of the ReplicaSet come from
	// another watch and may be older or newer.
	rolled := s.Updated >= s.Desired && s.Old == 0 && d.Status.AvailableReplicas >= s.Updated
	switch {
	case rolled && s.Desired == 0:
		return complete(s, ReasonZeroReplicas, "spec.replicas is 0, so nothing runs")
	case rolled:
		return complete(s, "", "")
	case d.Spec.Paused:
		s.Phase, s.Reason, s.Message = Paused, ReasonPaused, "spec.paused is true; somebody must resume it"
		return s
	}
	if c := deadline(d, w.Since); c != nil && !w.OwnTime {
		s.Phase, s.Reason, s.Message = Failed, ReasonDeadline, c.Message
		return s
	}
	return awaitDeployment(s)
}

// awaitDeployment words what is missing: new pods first, since old ones leave when new ones are available.
func awaitDeployment(s Status) Status {
	switch {
	case s.Updated < s.Desired || s.Available < s.Desired:
		return awaitPods(s, s.Desired)
	case s.Old > 0:
		return progressing(s, ReasonOldPods, "waiting for %d old %s to stop", s.Old, plural(s.Old, "pod"))
	case s.Updated > s.Desired:
		return progressing(s, ReasonNewPods, "%d of %d pods available, scaling to %d", s.Available, s.Updated, s.Desired)
	}
	return awaitPods(s, s.Updated)
}

// deadline returns the condition by which the controller gave up on this rollout. Condition times are whole seconds,
// so one from the second of the change itself is taken for an older one; the shortest deadline is a second away.
func deadline(d *appsv1.Deployment, since time.Time) *appsv1.DeploymentCondition {
	for i, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == ReasonDeadline &&
			(since.IsZero() || c.LastUpdateTime.After(since.Truncate(time.Second))) {
			return &d.Status.Conditions[i]
		}
	}
	return nil
}

// NewReplicaSet returns the ReplicaSet of a Deployment's newest revision; nil for other kinds and while the controller
// has not made one. It is the oldest one whose template equals the Deployment's but for the pod-template-hash label,
// the rule by which the controller finds it (k8s.io/kubernetes, pkg/controller/deployment/util, FindNewReplicaSet). If the
// templates were left out to save memory, the revision number must do.
func NewReplicaSet(w Workload) *appsv1.ReplicaSet {
	w.Live = typed(w.Live)
	return newReplicaSet(w)
}

func newReplicaSet(w Workload) *appsv1.ReplicaSet {
	d, ok := w.Live.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	var found *appsv1.ReplicaSet
	for _, rs := range owned(d, w.ReplicaSets) {
		if sameTemplate(&rs.Spec.Template, &d.Spec.Template) &&
			(found == nil || rs.CreationTimestamp.Before(&found.CreationTimestamp)) {
			found = rs
		}
	}
	if found != nil || d.Status.ObservedGeneration < d.Generation {
		return found
	}
	for _, rs := range owned(d, w.ReplicaSets) {
		if len(rs.Spec.Template.Spec.Containers) == 0 && rs.Annotations[revisionAnnotation] != "" &&
			rs.Annotations[revisionAnnotation] == d.Annotations[revisionAnnotation] {
			return rs
		}
	}
	return nil
}

// newTemplateHash is the pod-template-hash of the new pods.
func newTemplateHash(w Workload) string {
	if rs := newReplicaSet(w); rs != nil {
		return rs.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	}
	return ""
}

// owned drops ReplicaSets that another object of the namespace controls.
func owned(d *appsv1.Deployment, all []*appsv1.ReplicaSet) []*appsv1.ReplicaSet {
	return slices.DeleteFunc(slices.Clone(all), func(rs *appsv1.ReplicaSet) bool {
		owner := metav1.GetControllerOf(rs)
		return owner != nil && d.UID != "" && owner.UID != d.UID
	})
}

// sameTemplate compares templates without the label that the controller adds.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	metaA, metaB := a.ObjectMeta, b.ObjectMeta
	metaA.Labels, metaB.Labels = maps.Clone(a.Labels), maps.Clone(b.Labels)
	delete(metaA.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(metaB.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(metaA, metaB) && equality.Semantic.DeepEqual(a.Spec, b.Spec)
}

// previousReplicaSet is the hash of the newest other ReplicaSet.
func previousReplicaSet(w Workload) string {
	d, ok := w.Live.(*appsv1.Deployment)
	if !ok {
		return ""
	}
	newest := newReplicaSet(w)
	var hash string
	var highest int64 = -1
	for _, rs := range owned(d, w.ReplicaSets) {
		number, err := strconv.ParseInt(rs.Annotations[revisionAnnotation], 10, 64)
		if err != nil || rs == newest || number <= highest {
			continue
		}
		highest, hash = number, rs.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	}
	return hash
}
