package rollout

import (
	"regexp"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// fleetKind is a made-up kind, as a file of its own would declare it.
var fleetKind = Kind{
	GroupKind: schema.GroupKind{Group: "example.com", Kind: "Fleet"},
	Resource:  manifest.Resource{Group: "example.com", Version: "v1", Resource: "fleets", Namespaced: true},
	Evaluate: func(w Workload) Status {
		ready, _, _ := unstructured.NestedInt64(w.Live.(*unstructured.Unstructured).Object, "status", "ready")
		if ready < 2 {
			return progressing(Status{Desired: 2}, ReasonNewPods, "%d of 2 ships sail", ready)
		}
		return complete(Status{Desired: 2}, "", "")
	},
	Spec: func(o Object) Spec {
		seen, _, _ := unstructured.NestedInt64(o.(*unstructured.Unstructured).Object, "status", "seen")
		return Spec{Replicas: 2, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"fleet": o.GetName()}}, Observed: seen >= o.GetGeneration()}
	},
	Template:      "spec.ship",
	RevisionLabel: "ship-version",
	Revision:      func(w Workload) string { return w.Live.GetAnnotations()["version"] },
	PodNames:      numbered,
	Serves:        true,
}

// TestOneMoreKind holds the promise of CONTRIBUTING.md: a kind is one file and one row.
func TestOneMoreKind(t *testing.T) {
	before := Kinds
	Kinds = append(slices.Clip(before), fleetKind)
	t.Cleanup(func() { Kinds = before })

	fleet := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Fleet",
		"metadata": map[string]any{"name": "north", "generation": int64(3), "annotations": map[string]any{"version": "v2"}},
		"status":   map[string]any{"seen": int64(2)},
	}}
	ship := func(name, version string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"fleet": "north", "ship-version": version}}}
	}
	w := Workload{
		Ref: manifest.Ref{Group: "example.com", Kind: "Fleet", Name: "north"}, Live: fleet, Applied: fleet, Now: time.Now(),
		Pods: []*corev1.Pod{ship("north-0", "v1"), ship("north-1", "v2")}, PodsKnown: true, ServicesKnown: true,
	}
	if !Watched(w.Ref.GroupKind()) || !HasPods(w.Ref.GroupKind()) {
		t.Error("the kind is not watched, or its pods are not known")
	}
	if s := Evaluate(w); s.Reason != ReasonNotObserved {
		t.Errorf("before the controller has looked: %+v", s)
	}
	_ = unstructured.SetNestedField(fleet.Object, int64(3), "status", "seen")
	if s := Evaluate(w); s.Message != "0 of 2 ships sail" {
		t.Errorf("on its way: %+v", s)
	}
	_ = unstructured.SetNestedField(fleet.Object, int64(2), "status", "ready")
	if s := Evaluate(w); s.Phase != Complete {
		t.Errorf("at the end: %+v", s)
	}
	if got := podList(NewPods(w)) + " after " + podList(OldPods(w)); got != "north-1 after north-0" {
		t.Error(got)
	}
	if got := RevisionOf(w.Pods[0]); got != "v1" {
		t.Errorf("revision %q", got)
	}
	if selector, ok := PodSelector(fleet); !ok || selector.String() != "fleet=north" || Replicas(fleet) != 2 {
		t.Errorf("selector %v, %d replicas", selector, Replicas(fleet))
	}
	if path := PodSpecPath(w.Ref.GroupKind()); path != "spec.ship.spec" {
		t.Error(path)
	}
	if !regexp.MustCompile("^(?:" + PodNames(w.Ref) + ")$").MatchString("north-7") {
		t.Error(PodNames(w.Ref))
	}
}
