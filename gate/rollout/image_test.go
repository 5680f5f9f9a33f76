package rollout

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestSameImage(t *testing.T) {
	const digest, other = "@sha256:aaaa", "@sha256:bbbb"
	for _, c := range []struct {
		image, wanted string
		same          bool
	}{
		{"registry.example/web:v2", "registry.example/web:v2", true},
		{"registry.example/web:v1", "registry.example/web:v2", false},
		{"registry.example/web:v2", "registry.example/api:v2", false},
		{"registry.example:5000/web", "registry.example:5000/web:latest", true},
		{"registry.example/web", "registry.example/web:v2", false},
		{"registry.example/web:v2" + digest, "registry.example/web:v2", true},
		{"registry.example/web:v2" + digest, "registry.example/web" + digest, true},
		{"registry.example/web" + digest, "registry.example/web:v2" + digest, true},
		{"registry.example/web:v2" + digest, "registry.example/web:v2" + other, false},
		{"registry.example/web:v2", "registry.example/web:v2" + digest, false},
		{"registry.example/web" + digest, "registry.example/web:v2", false},
		{"registry.example/web" + digest, "registry.example/web", false},
		{"nginx", "docker.io/library/nginx:latest", true},
		{"nginx:1.27", "index.docker.io/library/nginx:1.27", true},
		{"shop/web:v2", "docker.io/shop/web:v2", true},
		{"shop/web:v2", "registry.example/shop/web:v2", false},
		{"localhost/web:v2", "docker.io/localhost/web:v2", false},
	} {
		if got := sameImage(c.image, c.wanted); got != c.same {
			t.Errorf("%s is %s: %t, want %t", c.image, c.wanted, got, c.same)
		}
	}
}

func TestImages(t *testing.T) {
	template := corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "migrate", Image: "web:v2"}},
		Containers:     []corev1.Container{{Name: "web", Image: "web:v2"}, {Name: "proxy", Image: "proxy:v1"}},
	}}
	containers := []any{map[string]any{"name": "web", "image": "web:v2"}, map[string]any{"name": "proxy", "image": "proxy:v1"}, "no container"}
	custom := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": containers}}}}}
	for name, o := range map[string]Object{
		"a Deployment": &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: template}}, "a custom resource": custom,
	} {
		if got := Images(o); !slices.Equal(got, []string{"web:v2", "proxy:v1"}) {
			t.Errorf("%s has %q", name, got)
		}
		if !Runs(o, []string{"web:v2", "proxy:v1"}) || Runs(o, []string{"web:v2", "proxy:v2"}) {
			t.Errorf("%s: which images it has is not told", name)
		}
	}
	if got := Images(&corev1.Service{}); got != nil {
		t.Errorf("a Service has %q", got)
	}
	if got := Images(&unstructured.Unstructured{}); got != nil {
		t.Errorf("an object without a template has %q", got)
	}
}

func TestLastWrite(t *testing.T) {
	at := func(minute int) *metav1.Time {
		when := metav1.NewTime(time.Date(2026, 5, 4, 10, minute, 0, 0, time.UTC))
		return &when
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: *at(1), ManagedFields: []metav1.ManagedFieldsEntry{
		{Manager: "kustomize-controller", Time: at(5)}, {Manager: "kubectl", Time: at(3)}, {Manager: "odd"},
		{Manager: "kube-controller-manager", Time: at(9)}, {Manager: "agent", Subresource: "status", Time: at(8)},
	}}}
	if got := LastWrite(d); !got.Equal(at(5).Time) {
		t.Errorf("written last at %s", got)
	}
	d.ManagedFields = nil
	if got := LastWrite(d); !got.Equal(at(1).Time) {
		t.Errorf("without records written last at %s", got)
	}
}
