package patch

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

func TestOneWay(t *testing.T) {
	for _, c := range []struct{ name, ref, before, after, want string }{
		{"a ConfigMap becomes immutable", "ConfigMap", "data: {a: b}", "immutable: true", "it becomes immutable, so it can be deleted but not put back"},
		{"it already was", "ConfigMap", "immutable: true", "immutable: true", ""},
		{"a Secret changes", "Secret", "data: {a: Yg==}", "data: {a: Yw==}", ""},
		{"a claim grows", "PersistentVolumeClaim", "spec: {resources: {requests: {storage: 1Gi}}}", "spec: {resources: {requests: {storage: 2Gi}}}", "a volume that has grown from 1Gi to 2Gi does not shrink"},
		{"the same size in other words", "PersistentVolumeClaim", "spec: {resources: {requests: {storage: 1Gi}}}", "spec: {resources: {requests: {storage: 1024Mi}}}", ""},
		{"a new version is stored", "CustomResourceDefinition.apiextensions.k8s.io",
			"spec: {versions: [{name: v1, storage: true}]}", "spec: {versions: [{name: v1, storage: false}, {name: v2, storage: true}]}",
			"it stores objects as v2, which the definition of before does not know"},
		{"a version is only served", "CustomResourceDefinition.apiextensions.k8s.io",
			"spec: {versions: [{name: v1, storage: true}]}", "spec: {versions: [{name: v1, storage: true}, {name: v2, storage: false}]}", ""},
		{"any other kind", "Service", "spec: {type: ClusterIP}", "spec: {type: LoadBalancer}", ""},
	} {
		w := Write{Ref: kindRef(c.ref), Before: objectOf(t, c.before), After: objectOf(t, c.after)}
		if got := OneWay(w); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := OneWay(Write{Ref: kindRef("ConfigMap"), After: objectOf(t, "immutable: true")}); got != "" {
		t.Errorf("what is created can be deleted: %q", got)
	}
}

func kindRef(text string) manifest.Ref {
	gk := schema.ParseGroupKind(text)
	return manifest.Ref{Group: gk.Group, Kind: gk.Kind, Name: "x"}
}

func objectOf(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: object}
}
