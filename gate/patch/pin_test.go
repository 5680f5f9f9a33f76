package patch

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// TestPinned: a pin is one more label in the selector, of what is sent and of what is expected; without it the Service is
// as its manifest has it.
func TestPinned(t *testing.T) {
	service := func(port int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "web"},
			"spec": map[string]any{"selector": map[string]any{"app": "web"}, "ports": []any{map[string]any{"port": port}}},
		}}
	}
	w := Write{
		Ref: manifest.Ref{Kind: "Service", Name: "web"}, Action: Configured, Before: service(80), Sent: service(81), After: service(81),
		Pin: &Pin{Of: manifest.Ref{Kind: "Deployment", Name: "web"}, Old: "a"},
	}
	selector := func(u *unstructured.Unstructured) map[string]string {
		m, _, _ := unstructured.NestedStringMap(u.Object, "spec", "selector")
		return m
	}
	for revision, want := range map[string]string{"a": "a", "b": "b", "": unmade} {
		step, err := w.PinnedTo(2, revision)
		if err != nil || step.Step != 2 || step.Pin.To != revision || step.Pin.Old != "a" || w.Pin.To != "" {
			t.Fatalf("%q: %+v, %v", revision, step.Pin, err)
		}
		for _, u := range []*unstructured.Unstructured{step.Sent, step.After} {
			if s := selector(u); len(s) != 2 || s["app"] != "web" || s["pod-template-hash"] != want {
				t.Errorf("%q: selector %v", revision, s)
			}
		}
		if !AtStep(step, step.After) || AtStep(step, w.After) || len(selector(w.Sent)) != 1 {
			t.Errorf("%q cannot be told from no pin", revision)
		}
		again, err := step.PinnedTo(3, "c")
		if err != nil || selector(again.Sent)["pod-template-hash"] != "c" || AtStep(step, again.After) {
			t.Errorf("%q: another pin: %v, %v", revision, selector(again.Sent), err)
		}
	}
	ports := func(w Write) any {
		list, _, _ := unstructured.NestedSlice(w.Sent.Object, "spec", "ports")
		return list[0].(map[string]any)["port"]
	}
	w.Before.Object["spec"].(map[string]any)["selector"] = map[string]any{"app": "web", "color": "blue"}
	w.Base = &Base{Object: w.Before} // whose Before is that of a run which this one goes on with
	back, err := w.PinnedTo(4, "a")
	if err != nil || ports(back) != int64(80) || len(selector(back.Sent)) != 3 || len(selector(w.Before)) != 2 {
		t.Errorf("the old pods are reached by port %v and %v, %v", ports(back), selector(back.Sent), err)
	}
	if on, err := w.PinnedTo(4, "b"); err != nil || ports(on) != int64(81) || len(selector(on.Sent)) != 2 {
		t.Errorf("the new pods are reached by port %v and %v, %v", ports(on), selector(on.Sent), err)
	}
	last, err := w.Unpinned(3)
	w.Base, w.Before = nil, service(80)
	if err != nil || last.Pin != nil || last.Step != 3 || len(selector(last.Sent)) != 1 || !AtStep(last, w.After) {
		t.Errorf("unpinned: %+v, %v", last, err)
	}
	pinned, _ := w.PinnedTo(2, "a")
	if AtStep(last, pinned.After) {
		t.Error("no pin cannot be told from one")
	}
	w.Sent = &unstructured.Unstructured{Object: map[string]any{"spec": "none"}}
	if _, err := w.PinnedTo(0, "a"); err == nil {
		t.Error("what has no selector is pinned")
	}
}
