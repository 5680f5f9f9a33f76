package rollout

import (
	"encoding/json"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// previousControllerRevision is the revision before the newest. label gives the form in which the pods have it.
func previousControllerRevision(w Workload, newest string, label func(*appsv1.ControllerRevision) string) string {
	for _, r := range newestFirst(w) {
		if hash := label(r); hash != newest {
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
