package main

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func version(release string, status map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"status": status,
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"release": release}}}}}}
}

func TestMoments(t *testing.T) {
	m := &moments{}
	for i, o := range []*unstructured.Unstructured{version("v1", nil), version("v2", nil), version("v2", nil), version("v1", nil), version("v1", nil)} {
		m.see(o, second(float64(i)))
	}
	if m.released != second(1) || m.undone != second(3) {
		t.Errorf("a Deployment: written at %s, taken back at %s", m.released, m.undone)
	}
	m = &moments{}
	for i, status := range []map[string]any{{"phase": "Progressing"}, {"phase": "Paused"}, {"phase": "Degraded", "abort": true}} {
		m.see(version("v2", status), second(float64(i)))
	}
	if undone, phase := m.now(); m.released != second(0) || m.undone != second(2) || !undone || phase != "Degraded" {
		t.Errorf("a Rollout: written at %s, aborted at %s, %s", m.released, m.undone, phase)
	}
}
