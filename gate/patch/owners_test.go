package patch

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
)

const (
	web1 = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, uid: "1", labels: {app: web}}, spec: {replicas: 3, template: {spec: {containers: [{name: app, image: "app:1"}]}}}}`
	web2 = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, uid: "1", labels: {app: web}}, spec: {replicas: 5, template: {spec: {containers: [{name: app, image: "app:2", env: [{name: A, value: a}]}]}}}}`
)

func set(path string, v any) func(map[string]any) {
	return func(o map[string]any) { assign(o, parsePath(path), v) }
}

func invert(t *testing.T, before, written, live *unstructured.Unstructured) *Inverse {
	t.Helper()
	inv, err := Invert(Write{Manager: runManager, Before: before, Written: written}, live, undoManager, nil)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// brief writes owners as "manager: paths" without what is the same everywhere.
func brief(es []metav1.ManagedFieldsEntry) string {
	var all []string
	for _, e := range entriesOf(withOwners(es)) {
		var fields []string
		for at := range e.set.Leaves().All() {
			fields = append(fields, strings.ReplaceAll(Text(at), "spec.template.spec.containers", "…"))
		}
		name := e.Manager
		if e.Subresource != "" {
			name += "/" + e.Subresource
		}
		all = append(all, name+": "+strings.Join(fields, " "))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func withOwners(es []metav1.ManagedFieldsEntry) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetManagedFields(es)
	return u
}

func TestOwners(t *testing.T) {
	cases := []struct {
		name string
		play func(s *server) (before, written, live *unstructured.Unstructured)
		want string // "before": those of before, times included
	}{
		{"applied twice by us", func(s *server) (b, w, l *unstructured.Unstructured) {
			b = s.apply(object(s.t, web1), runManager)
			w = s.apply(object(s.t, web2), runManager)
			return b, w, w
		}, "before"},
		{"forced away from another applier", func(s *server) (b, w, l *unstructured.Unstructured) {
			s.apply(object(s.t, web1), "flux")
			b = s.edit("kubectl-scale", set("spec.replicas", int64(4)))
			w = s.apply(object(s.t, web2), runManager)
			return b, w, w
		}, "before"},
		{"only owned, with nothing changed", func(s *server) (b, w, l *unstructured.Unstructured) {
			b = s.apply(object(s.t, web1), "flux")
			w = s.apply(object(s.t, web1), runManager)
			return b, w, w
		}, "before"},
		{"taken over from kubectl apply", func(s *server) (b, w, l *unstructured.Unstructured) {
			b = s.update(object(s.t, web1), "kubectl-client-side-apply")
			moved := b.DeepCopy()
			if err := csaupgrade.UpgradeManagedFields(moved, sets.New("kubectl-client-side-apply"), runManager); err != nil {
				s.t.Fatal(err)
			}
			s.live = moved
			w = s.apply(object(s.t, web2), runManager)
			return b, w, w
		}, "before"},
		{"an object that had no owners", func(s *server) (b, w, l *unstructured.Unstructured) {
			b = object(s.t, web1)
			s.live = b.DeepCopy()
			w = s.apply(object(s.t, web2), runManager)
			return b, w, w
		}, ": "},
		{"somebody scaled meanwhile", func(s *server) (b, w, l *unstructured.Unstructured) {
			b = s.apply(object(s.t, web1), runManager)
			w = s.apply(object(s.t, web2), runManager)
			return b, w, s.edit("kubectl-scale", set("spec.replicas", int64(9)))
		}, "kubectl-scale: spec.replicas\n" +
			"rolloutgate: metadata.labels.app …[name=app].image …[name=app].name"},
		{"somebody scaled a field that was forced away from another", func(s *server) (b, w, l *unstructured.Unstructured) {
			b = s.apply(object(s.t, web1), "flux")
			w = s.apply(object(s.t, web2), runManager)
			return b, w, s.edit("kubectl-scale", set("spec.replicas", int64(9)))
		}, "flux: metadata.labels.app …[name=app].image …[name=app].name\n" +
			"kubectl-scale: spec.replicas"},
		{"somebody put the image back", func(s *server) (b, w, l *unstructured.Unstructured) {
			b = s.apply(object(s.t, web1), runManager)
			w = s.apply(object(s.t, web2), runManager)
			return b, w, s.edit("kubectl-edit", set("spec.template.spec.containers[name=app].image", "app:1"))
		}, "kubectl-edit: …[name=app].image\n" +
			"rolloutgate: metadata.labels.app spec.replicas …[name=app].name"},
		{"somebody applied a field beside", func(s *server) (b, w, l *unstructured.Unstructured) {
			b = s.apply(object(s.t, web1), runManager)
			w = s.apply(object(s.t, web2), runManager)
			l = s.apply(object(s.t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {team: a}}}`), "backstage")
			return b, w, l
		}, "backstage: metadata.labels.team\n" +
			"rolloutgate: metadata.labels.app spec.replicas …[name=app].image …[name=app].name"},
		{"somebody applied the same value as we did: it was theirs as well, and goes back all the same", func(s *server) (b, w, l *unstructured.Unstructured) {
			b = s.apply(object(s.t, web1), runManager)
			w = s.apply(object(s.t, web2), runManager)
			l = s.apply(object(s.t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {app: web}}, spec: {replicas: 5}}`), "hpa")
			return b, w, l
		}, "hpa: metadata.labels.app\n" +
			"rolloutgate: metadata.labels.app spec.replicas …[name=app].image …[name=app].name"},
	}
	for _, c := range cases {
		bubble(t, c.name, func(t *testing.T) {
			s := newServer(t, object(t, web1), nil)
			before, written, live := c.play(s)
			inv := invert(t, before, written, live)
			_, owners := s.undo(inv)
			if c.want == "before" {
				sameOwners(t, before.GetManagedFields(), owners)
			} else if got := brief(owners); got != c.want {
				t.Errorf("owners:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// TestOwnersOfSubresources: what controllers own of the status is theirs as it is now.
func TestOwnersOfSubresources(t *testing.T) {
	status := func(u *unstructured.Unstructured, at string, fields string) *unstructured.Unstructured {
		out := u.DeepCopy()
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		e := metav1.ManagedFieldsEntry{Manager: "kube-controller-manager", Operation: "Update", APIVersion: "apps/v1", Subresource: "status",
			Time: &metav1.Time{Time: when}, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)}
		out.SetManagedFields(append(out.GetManagedFields(), e))
		return out
	}
	bubble(t, "status", func(t *testing.T) {
		s := newServer(t, object(t, web1), nil)
		before := s.apply(object(t, web1), runManager)
		written := s.apply(object(t, web2), runManager)
		inv := invert(t, status(before, "2026-01-01T00:00:00Z", `{"f:status":{"f:replicas":{}}}`), written, written)
		now := status(s.update(inv.Object, undoManager), "2026-01-02T00:00:00Z", `{"f:status":{"f:replicas":{},"f:readyReplicas":{}}}`)
		want := "kube-controller-manager/status: status.readyReplicas status.replicas\n" + brief(before.GetManagedFields())
		if got := brief(inv.Owners(now)); got != want {
			t.Errorf("owners:\n%s\nwant:\n%s", got, want)
		}
	})
}

// TestWrittenAfterTheUndo: who writes between the two writes of an undo keeps what is theirs.
func TestWrittenAfterTheUndo(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := newServer(t, object(t, web1), nil)
		before := s.apply(object(t, web1), runManager)
		written := s.apply(object(t, web2), runManager)
		inv := invert(t, before, written, written)
		s.update(inv.Object, undoManager)
		now := s.edit("hand", set("spec.replicas", int64(8)))
		want := "hand: spec.replicas\nrolloutgate: metadata.labels.app …[name=app].image …[name=app].name"
		if got := brief(inv.Owners(now)); got != want {
			t.Errorf("owners:\n%s\nwant:\n%s", got, want)
		}
	})
}

// TestRaced: who writes between the snapshot and this run's write has not been undone by anybody, least of all by us.
func TestRaced(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := newServer(t, object(t, web1), nil)
		manifest := object(t, web2)
		unstructured.RemoveNestedField(manifest.Object, "spec", "replicas")
		s.apply(object(t, web1), "flux")
		before := s.edit("hpa", set("spec.replicas", int64(3)))
		s.edit("hpa", func(o map[string]any) { set("spec.replicas", int64(6))(o); set("metadata.annotations.why", "load")(o) })
		written := s.apply(manifest, runManager)
		inv := invert(t, before, written, written)
		want := object(t, web1)
		set("spec.replicas", int64(6))(want.Object)
		set("metadata.annotations.why", "load")(want.Object)
		sameObject(t, content(want), content(inv.Object))
		_, owners := s.undo(inv)
		if got, want := brief(owners), "flux: metadata.labels.app …[name=app].image …[name=app].name\nhpa: metadata.annotations.why spec.replicas"; got != want {
			t.Errorf("owners:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestKeptNamesTheNewestWriter(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := newServer(t, object(t, web1), nil)
		before := s.apply(object(t, web1), runManager)
		written := s.apply(object(t, web2), runManager)
		s.edit("early", set("spec.replicas", int64(8)))
		when := time.Now().UTC()
		live := s.edit("late", set("spec.replicas", int64(9)))
		got, err := json.Marshal(invert(t, before, written, live).Kept)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal([]Kept{{Path: "spec.replicas", Manager: "late", Time: when}})
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestKeptNamesAnotherRun: another run has the same manager as this one.
func TestKeptNamesAnotherRun(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := newServer(t, object(t, web1), nil)
		before := s.apply(object(t, web1), runManager)
		written := s.apply(object(t, web2), runManager)
		other := object(t, web2)
		set("spec.replicas", int64(9))(other.Object)
		inv := invert(t, before, written, s.apply(other, runManager))
		if got := keptPaths(inv.Kept); got != "spec.replicas by rolloutgate" {
			t.Errorf("kept %s", got)
		}
	})
}

// TestAnnotationsOfTheServer: a controller that counts revisions in an annotation has not written the ones beside it.
func TestAnnotationsOfTheServer(t *testing.T) {
	bubble(t, "last applied", func(t *testing.T) {
		s := newServer(t, object(t, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, uid: \"1\"}}"), nil)
		before := s.apply(object(t, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, uid: \"1\", labels: {a: b}, annotations: {"+LastApplied+": x}}}"), "hand")
		written := s.edit(runManager, func(o map[string]any) { unstructured.RemoveNestedField(o, "metadata", "annotations") })
		now := s.edit("kube-controller-manager", func(o map[string]any) {
			_ = unstructured.SetNestedField(o, "2", "metadata", "annotations", "deployment.kubernetes.io/revision")
		})
		// The answer was lost: what was written is told from the plan, and its owners from the object as it is now.
		written = written.DeepCopy()
		written.SetManagedFields(now.GetManagedFields())
		inv, err := Invert(Write{Manager: runManager, Before: before, Written: written}, now, undoManager, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := inv.Object.GetAnnotations()[LastApplied]; got != "x" || len(inv.Kept) > 0 {
			t.Errorf("annotation %q, kept %+v", got, inv.Kept)
		}
	})
}
