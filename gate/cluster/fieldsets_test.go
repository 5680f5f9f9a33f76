package cluster

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestFieldSets: equal sets of owned fields are one, whoever owns them, and each object says what it said.
func TestFieldSets(t *testing.T) {
	object := func(manager, field string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": manager, "managedFields": []any{
			map[string]any{"manager": manager, "fieldsV1": map[string]any{"f:spec": map[string]any{field: map[string]any{}}}},
			map[string]any{"manager": "nobody"},
		}}}}
	}
	of := func(u *unstructured.Unstructured) uintptr {
		entry := u.Object["metadata"].(map[string]any)["managedFields"].([]any)[0].(map[string]any)
		return reflect.ValueOf(entry["fieldsV1"]).Pointer()
	}
	var s fieldSets
	a, b, c := object("a", "f:replicas"), object("b", "f:replicas"), object("a", "f:paused")
	for _, u := range []*unstructured.Unstructured{a, b, c, nil, {}} {
		s.share(u)
	}
	if of(a) != of(b) || of(a) == of(c) {
		t.Error("equal sets are not one, or others are")
	}
	for _, x := range []struct{ got, want *unstructured.Unstructured }{{a, object("a", "f:replicas")}, {b, object("b", "f:replicas")}, {c, object("a", "f:paused")}} {
		if diff := cmp.Diff(x.want, x.got); diff != "" {
			t.Error(diff)
		}
	}
	if was := a.DeepCopy(); of(was) == of(a) {
		t.Error("a copy shares what it was copied from")
	}
}
