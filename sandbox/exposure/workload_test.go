package main

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// objects renders a manifest and parses it.
func objects(t *testing.T, w workload) []map[string]any {
	t.Helper()
	text, err := w.manifest()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var o map[string]any
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		out = append(out, o)
	}
}

// What goes out is the same pods, whoever rolls them out.
func TestManifests(t *testing.T) {
	for _, f := range append(faults(), healthy()...) {
		w := workload{Release: "v2", Replicas: 4, Env: f.v2, Hold: long, Prometheus: "http://127.0.0.1:9090", Namespace: "here"}
		deployment := objects(t, w)
		w.Argo = &argo{FailureLimit: 3}
		rollout := objects(t, w)
		if deployment[0]["kind"] != "Deployment" || rollout[0]["kind"] != "Rollout" || len(deployment) != 2 || len(rollout) != 3 {
			t.Fatalf("%s: got %v and %v", f.name, deployment, rollout)
		}
		one, _, _ := unstructured.NestedMap(deployment[0], "spec", "template")
		other, _, _ := unstructured.NestedMap(rollout[0], "spec", "template")
		if len(one) == 0 || !reflect.DeepEqual(one, other) || !reflect.DeepEqual(deployment[1], rollout[1]) {
			t.Errorf("%s: the pods or the Services differ: %v and %v", f.name, one, other)
		}
		metrics, _, _ := unstructured.NestedSlice(rollout[2], "spec", "metrics")
		if len(metrics) != 2 || metrics[0].(map[string]any)["failureLimit"] != 3.0 {
			t.Errorf("%s: the analysis is %v", f.name, metrics)
		}
	}
}

// The API server would refuse a field that it does not know only with a warning.
func TestManifestsAreStrict(t *testing.T) {
	text, err := workload{Release: "v1", Replicas: 10, Env: env{"ERROR_RATE": "0.4"}}.manifest()
	if err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(text, "---\n")
	var d appsv1.Deployment
	var s corev1.Service
	if err := errors.Join(yaml.UnmarshalStrict([]byte(first), &d), yaml.UnmarshalStrict([]byte(second), &s)); err != nil {
		t.Fatal(err)
	}
	environment := d.Spec.Template.Spec.Containers[0].Env
	if *d.Spec.Replicas != 10 || d.Spec.Template.Labels["release"] != "v1" || environment[len(environment)-1] != (corev1.EnvVar{Name: "ERROR_RATE", Value: "0.4"}) {
		t.Errorf("got %+v", d.Spec)
	}
}

func TestWays(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range ways() {
		if seen[w.name] || w.title == "" || w.replicas < 4 || w.argo != nil && len(w.flags) > 0 {
			t.Errorf("got %+v", w)
		}
		seen[w.name] = true
	}
	if !seen[healthyWay().name] {
		t.Error("the healthy releases go out in a way that is not there")
	}
}
