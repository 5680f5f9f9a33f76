package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic/fake"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

func conflict(messages ...string) error {
	err := apierrors.NewConflict(schema.GroupResource{Resource: "deployments"}, "web", errors.New("Apply failed"))
	err.ErrStatus.Details.Causes = nil
	for _, m := range messages {
		err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Message: m, Field: ".spec.replicas"})
	}
	return err
}

func TestConflictKinds(t *testing.T) {
	kubectl, helm := `conflict with "kubectl-client-side-apply" using apps/v1`, `conflict with "helm" using apps/v1`
	if err := withoutConflicts(conflict(kubectl), sets.New(kubectlManager)); err != nil {
		t.Errorf("kubectl's alone: %v", err)
	}
	if err := withoutConflicts(conflict(kubectl, helm), sets.New(kubectlManager)); err == nil || len(err.(*apierrors.StatusError).ErrStatus.Details.Causes) != 1 {
		t.Errorf("with another's: %v", err)
	}
	scaled := `conflict with "kubectl-client-side-apply" with subresource "scale" using apps/v1`
	if err := withoutConflicts(conflict(scaled), sets.New(kubectlManager)); err == nil {
		t.Error("what a subresource owns is not taken over")
	}
	if isOptimisticConflict(conflict(helm)) || !isOptimisticConflict(conflict()) || isOptimisticConflict(errors.New("x")) {
		t.Error("ownership and optimistic conflicts are mixed up")
	}
}

func TestMayConcern(t *testing.T) {
	for object, want := range map[string]bool{"web": true, "web-5d4f-x2x": true, "data-web-0": true, "webs": false, "my-web": false, "other": false} {
		if got := mayConcern("web", object); got != want {
			t.Errorf("%s: %v", object, got)
		}
	}
}

func TestNormalise(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	pod := corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "n", Name: "web-1", UID: "u", FieldPath: "spec.containers{app}"}
	ref := manifest.Ref{Kind: "Pod", Namespace: "n", Name: "web-1"}
	for name, c := range map[string]struct {
		in   corev1.Event
		want diagnosis.Event
	}{
		"old fields": {
			corev1.Event{InvolvedObject: pod, Type: "Warning", Reason: "BackOff", Message: combined + "text", Count: 3, FirstTimestamp: metav1.NewTime(at), LastTimestamp: metav1.NewTime(at.Add(time.Minute)), Source: corev1.EventSource{Component: "kubelet"}},
			diagnosis.Event{Time: at.Add(time.Minute), First: at, Count: 3, Warning: true, Reason: "BackOff", Message: "text", Object: ref, UID: "u", Container: "app", Reporter: "kubelet"},
		},
		"the scheduler's": {
			corev1.Event{InvolvedObject: pod, Type: "Warning", Reason: "FailedScheduling", EventTime: metav1.NewMicroTime(at), ReportingController: "default-scheduler"},
			diagnosis.Event{Time: at, First: at, Count: 1, Warning: true, Reason: "FailedScheduling", Object: ref, UID: "u", Container: "app", Reporter: "default-scheduler"},
		},
		"a series": {
			corev1.Event{InvolvedObject: pod, Type: "Normal", EventTime: metav1.NewMicroTime(at), Series: &corev1.EventSeries{Count: 7, LastObservedTime: metav1.NewMicroTime(at.Add(time.Hour))}},
			diagnosis.Event{Time: at.Add(time.Hour), First: at, Count: 7, Object: ref, UID: "u", Container: "app"},
		},
	} {
		if d := cmp.Diff(c.want, normalise(&c.in)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestServerClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for date, want := range map[string]time.Duration{
		"Fri, 02 Jan 2026 03:04:05 GMT": 0, // within the header's own precision
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute + 500*time.Millisecond,
		"not a date":                    0,
	} {
		s := &serverClock{}
		s.learn(now, now, date)
		if got := time.Duration(s.offset.Load()); got != want {
			t.Errorf("%q: offset %s, want %s", date, got, want)
		}
	}
}

func TestDenial(t *testing.T) {
	err := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New(`User "system:serviceaccount:a:b" cannot list resource "pods" in API group "" in the namespace "a"`))
	if got := denial(err); got != `this account cannot list resource "pods"` {
		t.Errorf("denial: %q", got)
	}
}

// TestNothingForbiddenIsImmutable: where a field cannot change, no other field is left out for it.
func TestNothingForbiddenIsImmutable(t *testing.T) {
	for text, want := range map[string]bool{
		"may not be used when type is ExternalName":             true,
		"may not change once set":                               false,
		"field is immutable":                                    false,
		`Invalid value: "object": spec.clusterIPs is immutable`: false,
	} {
		live := map[string]any{"kind": "Service", "spec": map[string]any{"clusterIP": "10.96.0.9", "clusterIPs": []any{"10.96.0.5"}}}
		merged := &unstructured.Unstructured{Object: live}
		sent := &unstructured.Unstructured{Object: map[string]any{"kind": "Service", "spec": map[string]any{"clusterIP": "10.96.0.9"}}}
		err := apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, "web", nil)
		err.ErrStatus.Details.Causes = []metav1.StatusCause{{Field: "spec.clusterIPs", Message: text}}
		c := &Client{fieldManager: "rolloutgate"}
		if got := c.withoutForbidden(merged, &patch.Write{Sent: sent}, err, nil); got != want {
			t.Errorf("%s: something was left out: %t", text, got)
		}
	}
}

// TestArrivedCreation: what the API server gives to a new object is another address, and another identity, than what it
// made up in the dry-run. Nobody has changed that.
func TestArrivedCreation(t *testing.T) {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	object := func(uid, address string, managers ...string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"kind": "Job", "metadata": map[string]any{"name": "migrate"}, "spec": map[string]any{
			"address": address, "selector": map[string]any{"matchLabels": map[string]any{"controller-uid": uid}}, "uids": []any{uid, "other"},
		}}}
		u.SetUID(types.UID(uid))
		u.SetCreationTimestamp(now)
		var entries []metav1.ManagedFieldsEntry
		for _, m := range managers {
			operation := metav1.ManagedFieldsOperationUpdate
			if m == DefaultFieldManager {
				operation = metav1.ManagedFieldsOperationApply
			}
			entries = append(entries, metav1.ManagedFieldsEntry{Manager: m, Operation: operation, Time: &now})
		}
		u.SetManagedFields(entries)
		return u
	}
	for _, c := range []struct {
		managers []string
		address  string // in what we are said to have written
	}{
		{[]string{DefaultFieldManager}, "10.0.0.2"},
		{[]string{DefaultFieldManager, "somebody"}, "10.0.0.1"},
	} {
		w := patch.Write{Action: patch.Created, Manager: DefaultFieldManager, At: now.Time, After: object("dry", "10.0.0.1", DefaultFieldManager)}
		written := arrived(&w, object("real", "10.0.0.2", c.managers...))
		if written == nil {
			t.Fatalf("%v: it did not arrive", c.managers)
		}
		spec := written.Object["spec"].(map[string]any)
		if got := spec["address"]; got != c.address {
			t.Errorf("%v: address %v", c.managers, got)
		}
		if got := fmt.Sprint(spec["selector"], spec["uids"]); strings.Contains(got, "dry") {
			t.Errorf("%v: %s", c.managers, got)
		}
	}
}

// TestArrivedInTheSameSecond: two writes in one second that own the same fields leave the same entry. What the object has
// become tells them apart.
func TestArrivedInTheSameSecond(t *testing.T) {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	object := func(image string, replicas int64) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"},
			"spec": map[string]any{"image": image, "replicas": replicas},
		}}
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: DefaultFieldManager, Operation: metav1.ManagedFieldsOperationApply, Time: &now}})
		return u
	}
	before := object("v1", 1)
	for name, c := range map[string]struct {
		after, live *unstructured.Unstructured
		arrived     bool
	}{
		"as it was":              {object("v2", 1), before, false},
		"as it was to become":    {object("v2", 1), object("v2", 1), true},
		"scaled since":           {object("v2", 1), object("v2", 5), true},
		"only scaled by us":      {object("v1", 3), object("v1", 3), true},
		"something else":         {object("v2", 1), object("v3", 1), false},
		"nobody could ask about": {nil, object("v2", 1), false},
	} {
		w := patch.Write{Action: patch.Configured, Manager: DefaultFieldManager, At: now.Time, Before: before, Sent: object("v2", 1), After: c.after}
		if got := arrived(&w, c.live) != nil; got != c.arrived {
			t.Errorf("%s: arrived %v", name, got)
		}
	}
}

// TestHalfBack: a pin of which no field is left and no owner either was there when our undo has written since. One that was
// never written has left no such trace.
func TestHalfBack(t *testing.T) {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	service := func(selector, manager string, at metav1.Time) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "web", "uid": "u"}, "spec": map[string]any{"selector": map[string]any{"app": selector}},
		}}
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Time: &at}})
		return u
	}
	undo := undoManagerOf(DefaultFieldManager)
	for name, c := range map[string]struct {
		live *unstructured.Unstructured
		half bool
	}{
		"half back":          {service("web", undo, now), true},
		"never written":      {service("web", "kubectl-create", now), false},
		"of an earlier run":  {service("web", undo, metav1.NewTime(now.Add(-time.Minute))), false},
		"changed since":      {service("shop", undo, now), false},
		"by another manager": {service("web", patch.PinManager, now), false},
	} {
		w := patch.Write{Added: true, Manager: patch.PinManager, At: now.Time, Before: service("web", "kubectl-create", now), After: service("web", patch.PinManager, now)}
		if got := halfBack(w, c.live, undo); got != c.half {
			t.Errorf("%s: %v", name, got)
		}
		if w.Added = false; halfBack(w, c.live, undo) {
			t.Errorf("%s: of a write that leaves an entry", name)
		}
	}
}

// TestLostCreation: an object whose creation was answered by nothing is ours when our manager alone has written it since the
// plan, although it has another address than the dry-run made up. One that somebody else has made is not.
func TestLostCreation(t *testing.T) {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	service := func(address, manager string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "web", "namespace": "shop"}, "spec": map[string]any{"clusterIP": address},
		}}
		u.SetCreationTimestamp(now)
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: manager, Operation: metav1.ManagedFieldsOperationApply, Time: &now}})
		return u
	}
	for manager, ours := range map[string]bool{DefaultFieldManager: true, "somebody": false} {
		c := &Client{fieldManager: DefaultFieldManager, dynamic: fake.NewSimpleDynamicClient(runtime.NewScheme(), service("10.0.0.2", manager))}
		w := patch.Write{
			Ref: manifest.Ref{Kind: "Service", Namespace: "shop", Name: "web"}, Resource: manifest.Resource{Version: "v1", Resource: "services", Namespaced: true},
			Action: patch.Created, Manager: DefaultFieldManager, At: now.Time, After: service("10.0.0.1", DefaultFieldManager),
		}
		live, err := c.reread(t.Context(), &w)
		var stale *patch.StaleError
		if (live != nil) != ours || errors.As(err, &stale) == ours {
			t.Errorf("made by %s: %v, %v", manager, live != nil, err)
		}
	}
}

// TestIsAt: an object is at the step whose fields it has, also when it was so before the run: that one took over another,
// which had come as far.
func TestIsAt(t *testing.T) {
	object := func(surge int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "1"},
			"spec": map[string]any{"paused": true, "strategy": map[string]any{"rollingUpdate": map[string]any{"maxSurge": surge}}},
		}}
	}
	step := func(surge int64) patch.Write {
		return patch.Write{Step: 1, Stepped: []string{"spec.strategy.rollingUpdate.maxSurge"}, Before: object(2), Sent: object(surge), After: object(surge)}
	}
	for surge, want := range map[int64]bool{1: false, 2: true, 3: false} {
		if got := isAt(step(surge), object(2)); got != want {
			t.Errorf("step with %d at 2: %v", surge, got)
		}
	}
	if w := step(2); carriedOut(w, object(2)) {
		t.Error("what changes nothing tells nothing of whether it was carried out")
	}
	if isAt(patch.Write{Step: 1}, object(2)) {
		t.Error("nothing is known of what it should be")
	}
}
