package rollout

import (
	"encoding/json"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// NewRevision is the value of the label by which the new pods are known: the pod-template-hash of a Deployment, the
// controller-revision-hash of a StatefulSet or DaemonSet. It is empty for other kinds, and while the controller has not
// made the revision. (For a StatefulSet the label holds the whole name of the ControllerRevision, for a DaemonSet only
// its hash.)
func NewRevision(w Workload) string {
	switch o := typed(w.Live).(type) {
	case *appsv1.Deployment:
		if rs := NewReplicaSet(w); rs != nil {
			return rs.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
		}
	case *appsv1.StatefulSet:
		if o.Status.ObservedGeneration >= o.Generation {
			return o.Status.UpdateRevision
		}
	case *appsv1.DaemonSet:
		revisions := newestFirst(w)
		if o.Status.ObservedGeneration >= o.Generation && len(revisions) > 0 && records(revisions[0], &o.Spec.Template) {
			return revisions[0].Labels[appsv1.ControllerRevisionHashLabelKey]
		}
	}
	return ""
}

// previousControllerRevision is the revision before the newest, in the form of NewRevision.
func previousControllerRevision(w Workload) string {
	if set, ok := w.Live.(*appsv1.StatefulSet); ok && set.Status.CurrentRevision != set.Status.UpdateRevision {
		return set.Status.CurrentRevision
	}
	newest := NewRevision(w)
	for _, r := range newestFirst(w) {
		if hash := revisionLabel(w, r); hash != newest {
			return hash
		}
	}
	return ""
}

// records says whether a revision was made from a template. The revisions come from another watch than the DaemonSet,
// so the newest one may still be the one before, whose pods must not be taken for new. A revision without data, left
// out to save memory, is trusted.
func records(r *appsv1.ControllerRevision, template *corev1.PodTemplateSpec) bool {
	if len(r.Data.Raw) == 0 {
		return true
	}
	var patch struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	err := json.Unmarshal(r.Data.Raw, &patch)
	return err == nil && equality.Semantic.DeepEqual(&patch.Spec.Template, template)
}

// newestFirst sorts the revisions. Going back to an old template gives its revision a new number, so the newest one is
// always the one in force.
func newestFirst(w Workload) []*appsv1.ControllerRevision {
	uid := w.Live.GetUID()
	revisions := slices.DeleteFunc(slices.Clone(w.Revisions), func(r *appsv1.ControllerRevision) bool {
		owner := metav1.GetControllerOf(r)
		return owner != nil && uid != "" && owner.UID != uid
	})
	slices.SortFunc(revisions, func(a, b *appsv1.ControllerRevision) int { return int(b.Revision - a.Revision) })
	return revisions
}

// revisionLabel is the label value of the pods of a revision.
func revisionLabel(w Workload, r *appsv1.ControllerRevision) string {
	if _, ok := w.Live.(*appsv1.StatefulSet); ok {
		return r.Name
	}
	return r.Labels[appsv1.ControllerRevisionHashLabelKey]
}

// NewPods returns the pods of the new revision that are not terminating, finished ones included. For kinds without
// revisions these are all pods. It is empty while the new revision is unknown.
func NewPods(w Workload) []*corev1.Pod {
	return filter(w, func(p *corev1.Pod, key, revision string) bool {
		return p.DeletionTimestamp == nil && (key == "" || isRevision(p, key, revision))
	})
}

// OldPods returns the pods of all other revisions, terminating ones included. While the new revision does not exist
// these are all pods; it is empty for kinds without revisions and when nothing is known of the revisions.
func OldPods(w Workload) []*corev1.Pod {
	if len(w.ReplicaSets)+len(w.Revisions) == 0 && NewRevision(w) == "" {
		return nil
	}
	return filter(w, func(p *corev1.Pod, key, revision string) bool {
		return key != "" && !isRevision(p, key, revision)
	})
}

func filter(w Workload, keep func(p *corev1.Pod, key, revision string) bool) []*corev1.Pod {
	var key string
	switch o := typed(w.Live).(type) {
	case *appsv1.Deployment:
		key = appsv1.DefaultDeploymentUniqueLabelKey
	case *appsv1.StatefulSet, *appsv1.DaemonSet:
		key = appsv1.ControllerRevisionHashLabelKey
	case *corev1.Pod:
		if len(w.Pods) == 0 {
			w.Pods = []*corev1.Pod{o}
		}
	}
	revision := NewRevision(w)
	var kept []*corev1.Pod
	for _, p := range w.Pods {
		if keep(p, key, revision) {
			kept = append(kept, p)
		}
	}
	return kept
}

func isRevision(p *corev1.Pod, key, revision string) bool {
	return revision != "" && p.Labels[key] == revision
}

// PodTemplate is the pod template of an object, for a CronJob that of its jobs, for a Pod the pod itself. It is nil for
// kinds without pods. The result must not be changed.
func PodTemplate(o Object) *corev1.PodTemplateSpec {
	switch o := typed(o).(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *appsv1.ReplicaSet:
		return &o.Spec.Template
	case *corev1.ReplicationController:
		return o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	case *corev1.Pod:
		return &corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
	}
	return nil
}

// PodSelector selects the pods of an object; false for kinds without a selector and for selectors that are empty or
// invalid, which must not be mistaken for "all pods".
func PodSelector(o Object) (labels.Selector, bool) {
	var s *metav1.LabelSelector
	switch o := typed(o).(type) {
	case *appsv1.Deployment:
		s = o.Spec.Selector
	case *appsv1.StatefulSet:
		s = o.Spec.Selector
	case *appsv1.DaemonSet:
		s = o.Spec.Selector
	case *appsv1.ReplicaSet:
		s = o.Spec.Selector
	case *batchv1.Job:
		s = o.Spec.Selector
	case *corev1.ReplicationController:
		s = &metav1.LabelSelector{MatchLabels: o.Spec.Selector}
	}
	if s == nil {
		return nil, false
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return selector, err == nil && !selector.Empty()
}

// typed turns an unstructured object of a kind that has rules here into its Go type. Everything else, a nil in any
// form included, comes back as it is or as plain nil.
func typed(o Object) Object {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o
	}
	if u == nil {
		return nil
	}
	var into Object
	switch strings.ToLower(u.GroupVersionKind().GroupKind().String()) {
	case "deployment.apps":
		into = &appsv1.Deployment{}
	case "statefulset.apps":
		into = &appsv1.StatefulSet{}
	case "daemonset.apps":
		into = &appsv1.DaemonSet{}
	case "replicaset.apps":
		into = &appsv1.ReplicaSet{}
	case "replicationcontroller":
		into = &corev1.ReplicationController{}
	case "pod":
		into = &corev1.Pod{}
	case "persistentvolumeclaim":
		into = &corev1.PersistentVolumeClaim{}
	case "job.batch":
		into = &batchv1.Job{}
	case "cronjob.batch":
		into = &batchv1.CronJob{}
	default:
		return o
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
		return o
	}
	return into
}

// wrongType is the answer for an object that is not of its kind's Go type, which only a malformed one can cause.
func wrongType(w Workload) Status {
	return Status{Phase: Progressing, Reason: "Unreadable", Message: "the object cannot be read as " + w.Ref.Kind}
}
