package rollout

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

func TestAccessors(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	two := int32(2)
	tests := []struct {
		name     string
		object   Object
		replicas int32
		selector string
		template bool
	}{
		{"deployment", &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Selector: selector}}, 1, "app=web", true},
		{"statefulset", &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Selector: selector, Replicas: &two}}, 2, "app=web", true},
		{"daemonset", &appsv1.DaemonSet{Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 4}}, 4, "", true},
		{"replicaset", &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{}}}, 1, "", true},
		{"replicationcontroller", &corev1.ReplicationController{
			Spec: corev1.ReplicationControllerSpec{Selector: map[string]string{"app": "web"}},
		}, 1, "app=web", false},
		{"job", &batchv1.Job{Spec: batchv1.JobSpec{Completions: &two, Selector: selector}}, 2, "app=web", true},
		{"cronjob", &batchv1.CronJob{}, 0, "", true},
		{"pod", &corev1.Pod{}, 1, "", true},
		{"configmap", &corev1.ConfigMap{}, 0, "", false},
		{"unstructured", &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"spec": map[string]any{"replicas": int64(3), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}},
		}}, 3, "app=web", true},
		{"nil unstructured", (*unstructured.Unstructured)(nil), 0, "", false},
		{"nil", nil, 0, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Replicas(test.object); got != test.replicas {
				t.Errorf("Replicas: got %d, want %d", got, test.replicas)
			}
			got, ok := PodSelector(test.object)
			if ok != (test.selector != "") || ok && got.String() != test.selector {
				t.Errorf("PodSelector: got %v, %v, want %q", got, ok, test.selector)
			}
			if got := PodTemplate(test.object) != nil; got != test.template {
				t.Errorf("PodTemplate: got %v, want %v", got, test.template)
			}
		})
	}
}

func TestWatched(t *testing.T) {
	tests := map[schema.GroupKind]bool{
		{Group: "apps", Kind: "Deployment"}:                               true,
		{Kind: "Pod"}:                                                     true,
		{Kind: "ConfigMap"}:                                               false,
		{Kind: "Service"}:                                                 false,
		{Group: "batch", Kind: "CronJob"}:                                 false,
		{Group: "networking.k8s.io", Kind: "Ingress"}:                     false,
		{Group: "example.com", Kind: "Widget"}:                            true,
		{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}:           true,
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: true,
	}
	for gk, want := range tests {
		if got := Watched(gk); got != want {
			t.Errorf("%s: got %v, want %v", gk, got, want)
		}
	}
}

// TestEvaluateEmpty feeds every kind the least that can be known of it: nothing, and an object without any content, both
// of the kind and of another one.
func TestEvaluateEmpty(t *testing.T) {
	for gk := range kinds {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(gk.WithVersion("v1"))
		for _, live := range []Object{nil, (*unstructured.Unstructured)(nil), u, &corev1.ConfigMap{}} {
			w := Workload{Ref: manifest.Ref{Group: gk.Group, Kind: gk.Kind, Name: "a"}, Live: live, Applied: live, Pods: []*corev1.Pod{{}}}
			if s := Evaluate(w); s.Phase == "" || !s.Watched && s.Reason != ReasonNoStatus {
				t.Errorf("%s of %T: %+v", gk, live, s)
			}
			NewPods(w)
			OldPods(w)
			NeedsServices(w)
		}
	}
}
