package diagnosis

import (
	"encoding/json"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// previousTemplate is the pod template that ran before: that of the object before this run wrote to it or, when somebody else
// began the rollout, that of the revision before.
func previousTemplate(ev Evidence) *corev1.PodTemplateSpec {
	if t := templateOf(ev.Previous); t != nil {
		return t
	}
	w := ev.Workload
	current := rollout.NewReplicaSet(w)
	var newest *appsv1.ReplicaSet
	for _, rs := range w.ReplicaSets {
		if current != nil && rs.UID != current.UID && revision(rs) < revision(current) && (newest == nil || revision(rs) > revision(newest)) {
			newest = rs
		}
	}
	if newest != nil {
		return &newest.Spec.Template
	}
	return previousRevision(w)
}

func revision(rs *appsv1.ReplicaSet) int {
	n, _ := strconv.Atoi(rs.Annotations["deployment.kubernetes.io/revision"])
	return n
}

// previousRevision reads the template out of the ControllerRevision before the current one.
func previousRevision(w rollout.Workload) *corev1.PodTemplateSpec {
	current, newest := rollout.NewRevision(w), (*appsv1.ControllerRevision)(nil)
	var at int64
	for _, r := range w.Revisions {
		if strings.HasSuffix(r.Name, "-"+current) || r.Labels[appsv1.ControllerRevisionHashLabelKey] == current {
			at = r.Revision
		}
	}
	for _, r := range w.Revisions {
		if r.Revision < at && (newest == nil || r.Revision > newest.Revision) {
			newest = r
		}
	}
	if newest == nil || current == "" {
		return nil
	}
	var data struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	if json.Unmarshal(newest.Data.Raw, &data) != nil {
		return nil
	}
	return &data.Spec.Template
}
