package patch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// stepObject is an object with a strategy.
func stepObject(strategy map[string]any) *unstructured.Unstructured {
	spec := map[string]any{"replicas": int64(3)}
	if strategy != nil {
		spec["updateStrategy"] = strategy
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": map[string]any{"name": "agent"}, "spec": spec}}
}

// TestAsStep: a step sets fields and removes others, in what is sent and in what is expected; the write itself stays.
func TestAsStep(t *testing.T) {
	kind, rolling := Set{Path: "spec.updateStrategy.type", Value: "OnDelete"}, Set{Path: "spec.updateStrategy.rollingUpdate"}
	for name, c := range map[string]struct {
		strategy map[string]any
		fields   []Set
		want     map[string]any
	}{
		"set and removed":   {map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": int64(2)}}, []Set{kind, rolling}, map[string]any{"type": "OnDelete"}},
		"not there":         {map[string]any{"type": "RollingUpdate"}, []Set{kind, rolling}, map[string]any{"type": "OnDelete"}},
		"nor what it is in": {nil, []Set{rolling}, nil},
		"made":              {nil, []Set{kind, rolling}, map[string]any{"type": "OnDelete"}},
		"nothing":           {map[string]any{"type": "RollingUpdate"}, nil, map[string]any{"type": "RollingUpdate"}},
	} {
		w := Write{Sent: stepObject(c.strategy), After: stepObject(c.strategy)}
		step, err := w.AsStep(2, []string{kind.Path, rolling.Path}, c.fields...)
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range []*unstructured.Unstructured{step.Sent, step.After} {
			if d := cmp.Diff(stepObject(c.want), of); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
		if d := cmp.Diff(stepObject(c.strategy), w.Sent); d != "" || step.Step != 2 {
			t.Errorf("%s: step %d, and the write itself was changed:\n%s", name, step.Step, d)
		}
	}
	if step, err := (Write{Sent: stepObject(nil)}).AsStep(0, nil, rolling); err != nil || step.After != nil {
		t.Errorf("without a prediction: %v, %v", step.After, err)
	}
	if _, err := (Write{Sent: stepObject(nil)}).AsStep(0, nil, Set{Path: "spec.replicas.none", Value: "x"}); err == nil {
		t.Error("a field in a number can be set")
	}
}

// TestAtStep: a field that was removed is told from one that is there.
func TestAtStep(t *testing.T) {
	onDelete := map[string]any{"type": "OnDelete"}
	rolling := func(n int64) map[string]any {
		return map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": n}}
	}
	both := map[string]any{"type": "OnDelete", "rollingUpdate": map[string]any{"maxUnavailable": int64(1)}}
	stepped := []string{"spec.updateStrategy.type", "spec.updateStrategy.rollingUpdate"}
	for name, c := range map[string]struct {
		after, live map[string]any
		want        bool
	}{
		"the same":          {onDelete, onDelete, true},
		"it is still there": {onDelete, both, false},
		"it is not there":   {both, onDelete, false},
		"another step":      {rolling(1), onDelete, false},
		"another value":     {rolling(1), rolling(2), false},
		"the same values":   {rolling(2), rolling(2), true},
		"no strategy":       {nil, nil, true},
		"no strategy yet":   {onDelete, nil, false},
	} {
		if got := AtStep(Write{After: stepObject(c.after), Stepped: stepped}, stepObject(c.live)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
