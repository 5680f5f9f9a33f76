package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// phaseIs reads status.phase, as an expression would.
var phaseIs = &Own{Ready: `object.status.phase == "Running"`, Failed: `object.status.phase == "Error"`, Judge: func(o map[string]any) Reading {
	phase, found, _ := unstructured.NestedString(o, "status", "phase")
	message, _, _ := unstructured.NestedString(o, "status", "message")
	r := Reading{Ready: phase == "Running", Failed: phase == "Error", Message: message}
	if !found {
		r.Problem = "ready: no such key: phase"
	}
	return r
}}

// TestOwn: what expressions say counts when it is about what was written.
func TestOwn(t *testing.T) {
	since := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	database := func(generation int64, status map[string]any) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Database", "metadata": map[string]any{"name": "orders", "uid": "u"}}}
		u.SetGeneration(generation)
		u.SetResourceVersion(fmt.Sprint(generation))
		if status != nil {
			u.Object["status"] = status
		}
		return u
	}
	status := func(phase string, more ...any) map[string]any {
		s := map[string]any{"phase": phase}
		for i := 0; i+1 < len(more); i += 2 {
			s[more[i].(string)] = more[i+1]
		}
		return s
	}
	for name, c := range map[string]struct {
		live, applied, previous map[string]any // statuses
		after                   time.Duration
		restored                bool
		own                     *Own
		phase                   Phase
		reason, message         string
	}{
		"no status yet":                 {phase: Progressing, reason: ReasonOwnUnknown, message: `waiting until object.status.phase == "Running" (ready: no such key: phase)`},
		"ready":                         {live: status("Running"), phase: Complete},
		"not ready":                     {live: status("Creating", "message", "40 %"), phase: Progressing, reason: ReasonOwnWaits, message: `waiting until object.status.phase == "Running" (40 %)`},
		"failed":                        {live: status("Error", "message", "the disk\nis\x1b[31m full"), phase: Failed, reason: ReasonOwnFailed, message: "the disk is full"},
		"failed without a word":         {live: status("Error"), phase: Failed, reason: ReasonOwnFailed, message: `failed is true: object.status.phase == "Error"`},
		"ready, behind":                 {live: status("Running", "observedGeneration", int64(1)), phase: Progressing, reason: ReasonNotObserved},
		"failed, behind":                {live: status("Error", "observedGeneration", int64(1)), phase: Progressing, reason: ReasonNotObserved},
		"ready, observed":               {live: status("Running", "observedGeneration", int64(2)), applied: status("Running", "observedGeneration", int64(2)), phase: Complete},
		"ready from before":             {live: status("Running"), applied: status("Running"), phase: Progressing, reason: ReasonStatusFromBefore},
		"ready from before, long":       {live: status("Running"), applied: status("Running"), after: time.Minute, phase: Complete, reason: ReasonStatusFromBefore},
		"failed from before":            {live: status("Error"), applied: status("Error"), after: time.Minute, phase: Progressing, reason: ReasonStatusFromBefore},
		"failed from before, restored":  {live: status("Error"), applied: status("Error"), restored: true, after: time.Second, phase: Progressing, reason: ReasonStatusFromBefore},
		"only failed, its kind decides": {live: status("Creating"), own: &Own{Failed: "x", Judge: func(map[string]any) Reading { return Reading{} }}, phase: Progressing, reason: "Creating"},
		"only failed, and it is":        {live: status("Running"), own: &Own{Failed: "x", Judge: func(map[string]any) Reading { return Reading{Failed: true} }}, phase: Failed, reason: ReasonOwnFailed, message: "failed is true: x"},
	} {
		t.Run(name, func(t *testing.T) {
			w := Workload{
				Ref: manifest.Ref{Group: "example.com", Kind: "Database", Name: "orders"}, Live: database(2, c.live), Applied: database(2, c.applied),
				Previous: database(1, c.previous), Since: since, Now: since.Add(c.after), Own: phaseIs, Restored: c.restored,
			}
			if c.own != nil {
				w.Own = c.own
			}
			s := Evaluate(w)
			if s.Phase != c.phase || s.Reason != c.reason || !strings.HasPrefix(s.Message, c.message) || !s.Watched {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestOwnOfBuiltIn: expressions take the place of what a built-in kind says, but not of who owns the object, and not of
// whether anything runs; the counts stay.
func TestOwnOfBuiltIn(t *testing.T) {
	ready := func(is bool) *Own {
		return &Own{Ready: "it is", Judge: func(map[string]any) Reading { return Reading{Ready: is} }}
	}
	three, none := int32(3), int32(0)
	deployment := func(replicas *int32) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "u", Generation: 2}, Spec: appsv1.DeploymentSpec{Replicas: replicas}}
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: *replicas, UpdatedReplicas: *replicas, ReadyReplicas: min(2, *replicas), AvailableReplicas: min(2, *replicas)}
		return d
	}
	ref := manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}
	other := deployment(&three)
	other.Spec.Template.Labels = map[string]string{"by": "somebody"}
	for name, c := range map[string]struct {
		w      Workload
		phase  Phase
		reason string
	}{
		"ready although a pod is missing": {Workload{Live: deployment(&three), Own: ready(true)}, Complete, ""},
		"not ready":                       {Workload{Live: deployment(&three), Own: ready(false)}, Progressing, ReasonOwnWaits},
		"nothing runs":                    {Workload{Live: deployment(&none), Own: ready(true)}, Complete, ReasonZeroReplicas},
		"taken over":                      {Workload{Live: other, Own: ready(true)}, Superseded, ReasonTemplateChanged},
		"a canary is its kind's business": {Workload{Live: deployment(&three), Own: ready(true), Goal: 1}, Complete, ReasonBeside},
		"deleted":                         {Workload{Own: ready(true)}, Superseded, ReasonDeleted},
	} {
		c.w.Ref, c.w.Applied, c.w.ServicesKnown = ref, deployment(&three), true
		if c.w.Goal > 0 {
			c.w.Live.(*appsv1.Deployment).Status = appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 1, ReadyReplicas: 4, AvailableReplicas: 3}
		}
		s := Evaluate(c.w)
		if s.Phase != c.phase || s.Reason != c.reason {
			t.Errorf("%s: %+v", name, s)
		}
		if name == "not ready" && (s.Desired != 3 || s.Ready != 2) {
			t.Errorf("the counts are %+v", s)
		}
	}
}

// TestOwnOfUnwatched: expressions make something to wait for of objects that have no rollout.
func TestOwnOfUnwatched(t *testing.T) {
	service := func(version string, status map[string]any) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "web", "uid": "u", "resourceVersion": version}}}
		if status != nil {
			u.Object["status"] = status
		}
		return u
	}
	balanced := &Own{Ready: "size(object.status.loadBalancer.ingress) > 0", Judge: func(o map[string]any) Reading {
		ingress, found, _ := unstructured.NestedSlice(o, "status", "loadBalancer", "ingress")
		return Reading{Ready: found && len(ingress) > 0}
	}}
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	given := map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": "192.0.2.1"}}}}
	for name, c := range map[string]struct {
		live  *unstructured.Unstructured
		phase Phase
	}{
		"as before the write": {service("1", given), Progressing},
		"without an address":  {service("2", map[string]any{"loadBalancer": map[string]any{}}), Progressing},
		"with an address":     {service("3", given), Complete},
	} {
		s := Evaluate(Workload{
			Ref: manifest.Ref{Kind: "Service", Name: "web"}, Live: c.live, Own: balanced, Since: now, Now: now.Add(time.Second),
			Previous: service("1", given), Applied: service("2", map[string]any{"loadBalancer": map[string]any{}}),
		})
		if s.Phase != c.phase || !s.Watched {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
