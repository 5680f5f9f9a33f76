package patch

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestHolds(t *testing.T) {
	deployment := func(image string, env ...string) *appsv1.Deployment {
		d := &appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "1"}}
		c := corev1.Container{Name: "app", Image: image}
		for _, name := range env {
			c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: "x"})
		}
		d.Spec.Template.Spec.Containers = []corev1.Container{c}
		return d
	}
	object := func(d *appsv1.Deployment) *unstructured.Unstructured {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(d)
		if err != nil {
			t.Fatal(err)
		}
		return &unstructured.Unstructured{Object: content}
	}
	changed := Write{Before: object(deployment("app:v1")), Written: object(deployment("app:v2"))}
	created := Write{Written: object(deployment("app:v2"))}
	for name, c := range map[string]struct {
		write Write
		live  runtime.Object
		want  bool
	}{
		"as written":                    {changed, deployment("app:v2"), true},
		"a variable beside it":          {changed, deployment("app:v2", "CHECKSUM"), true},
		"another image":                 {changed, deployment("app:v3"), false},
		"back to the old image":         {changed, deployment("app:v1"), false},
		"created, a variable beside it": {created, deployment("app:v2", "CHECKSUM"), true},
		"created, another image":        {created, deployment("app:v3"), false},
		"the answer was lost":           {Write{Before: changed.Before}, deployment("app:v2"), false},
	} {
		if got := Holds(c.write, c.live); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
