package cluster

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestKeptPatch: what is not in the new labels is taken away by name, and the patch holds for one version of one pod.
func TestKeptPatch(t *testing.T) {
	from := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "u", ResourceVersion: "7", Labels: map[string]string{"app": "web", "b": "c"}, OwnerReferences: []metav1.OwnerReference{{Name: "web"}}}}
	to := from.DeepCopy()
	to.Labels, to.Annotations, to.OwnerReferences = map[string]string{"kept": "web"}, map[string]string{"note": "x"}, nil
	data, err := keptPatch(from, to)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"metadata": map[string]any{
		"uid": "u", "resourceVersion": "7", "ownerReferences": nil, "annotations": map[string]any{"note": "x"},
		"labels": map[string]any{"app": nil, "b": nil, "kept": "web"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
