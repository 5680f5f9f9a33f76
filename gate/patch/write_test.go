package patch

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// TestWriteAsJSON: another process can read a write and undo it.
func TestWriteAsJSON(t *testing.T) {
	object := func(image string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"name": "web", "namespace": "shop", "managedFields": []any{map[string]any{
				"manager": "helm", "operation": "Apply", "apiVersion": "apps/v1", "time": "2026-11-26T10:00:00Z",
				"fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:spec": map[string]any{"f:replicas": map[string]any{}}},
			}}},
			"spec": map[string]any{"replicas": int64(3), "weight": 0.5, "big": int64(9007199254740993), "image": image, "none": nil, "empty": map[string]any{}, "list": []any{}},
		}}
	}
	full := Write{
		Ref:      manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"},
		Resource: manifest.Resource{Group: "apps", Version: "v1", Resource: "deployments", Namespaced: true},
		Action:   Configured, Source: manifest.Source{Path: "web.yaml", Line: 3}, Manager: "rolloutgate",
		Before: object("v1"), Sent: object("v2"), After: object("v2"), Written: object("v2"),
		At: time.Date(2026, 11, 26, 10, 0, 1, 0, time.UTC), Warnings: []string{"deprecated"}, Deferred: true,
	}
	for name, w := range map[string]Write{"full": full, "not written yet": {Ref: full.Ref, Action: Created, Sent: object("v1")}} {
		data, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		var again Write
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w, again, cmpopts.IgnoreFields(Write{}, "Object")); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
