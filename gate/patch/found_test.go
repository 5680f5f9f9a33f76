package patch

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestFound: what of an object a command has changed, and what goes back of it when others write as well.
func TestFound(t *testing.T) {
	const (
		image    = "spec.template.spec.containers[name=app].image"
		replicas = "spec.replicas"
	)
	client := func(s *server, manager, text string) *unstructured.Unstructured { // a PUT of a whole object
		u := object(s.t, text)
		u.SetManagedFields(s.live.GetManagedFields())
		return s.update(u, manager)
	}
	for _, c := range []struct {
		name    string
		command func(s *server)
		later   func(s *server)
		action  Action
		changes string
		kept    string
		same    bool // all is as before at the end, owners and their times included
	}{
		{name: "nothing", command: func(*server) {}, action: Unchanged, same: true},
		{name: "an applier that had made it", command: func(s *server) { s.apply(object(s.t, web2), "helm") },
			action: Configured, changes: replicas + " spec.template.spec.containers[name=app].env " + image, same: true},
		{name: "another tool", command: func(s *server) { client(s, "kubectl-client-side-apply", web2) },
			action: Configured, changes: replicas + " spec.template.spec.containers[name=app].env " + image, same: true},
		{name: "two tools", command: func(s *server) {
			s.edit("kubectl-set", set(image, "app:2"))
			s.apply(object(s.t, strings.ReplaceAll(web2, "app:2", "app:3")), "helm")
		}, action: Configured, changes: replicas + " spec.template.spec.containers[name=app].env " + image, same: true},
		{name: "owned anew, and nothing changed", command: func(s *server) { s.apply(object(s.t, web1), "kubectl") }, action: Unchanged},
		{name: "an autoscaler meanwhile", command: func(s *server) {
			s.edit("kubectl-set", set(image, "app:2"))
			s.edit("kube-controller-manager", set(replicas, int64(7)))
		}, action: Configured, changes: image},
		{name: "only an autoscaler", command: func(s *server) { s.edit("kube-controller-manager", set(replicas, int64(7))) }, action: Unchanged},
		{name: "somebody else after it", command: func(s *server) { s.edit("kubectl-set", set(image, "app:2")) },
			later:  func(s *server) { s.edit("kubectl-edit", set("metadata.labels[tier]", "front")) },
			action: Configured, changes: image},
		{name: "somebody else takes it over", command: func(s *server) { s.edit("kubectl-set", set(image, "app:2")) },
			later:  func(s *server) { s.edit("kubectl-edit", set(image, "app:9")) },
			action: Configured, changes: image, kept: image},
	} {
		bubble(t, c.name, func(t *testing.T) {
			s := newServer(t, object(t, web1), nil)
			before := s.apply(object(t, web1), "helm")
			c.command(s)
			w := Write{Manager: runManager, Command: true, Before: before, At: time.Now()}.Found(s.live.DeepCopy(), nil)
			var changes []string
			if w.Action == Configured {
				changes = w.changes(nil)
				slices.Sort(changes)
			}
			if w.Action != c.action || strings.Join(changes, " ") != c.changes {
				t.Errorf("%s: %q, want %s: %q", w.Action, strings.Join(changes, " "), c.action, c.changes)
			}
			if c.later != nil {
				c.later(s)
			}
			live := s.live.DeepCopy()
			if w.Action == Unchanged {
				return
			}
			if got := Holds(w, live); got != (c.kept == "") {
				t.Errorf("what it has changed holds: %v", got)
			}
			inv, err := Invert(w, live, undoManager, nil)
			if err != nil {
				t.Fatal(err)
			}
			var kept []string
			for _, k := range inv.Kept {
				kept = append(kept, k.Path)
			}
			if strings.Join(kept, " ") != c.kept {
				t.Errorf("kept %q, want %q", kept, c.kept)
			}
			if !c.same {
				return
			}
			if !equal(content(inv.Object), content(before)) {
				t.Errorf("it goes back to %v", inv.Object.Object)
			}
			back := s.update(inv.Object, undoManager)
			if owners := inv.Owners(back); !SameOwners(owners, before.GetManagedFields()) {
				t.Errorf("owners\n%s\nwant\n%s", brief(owners), brief(before.GetManagedFields()))
			}
		})
	}
}

// TestFoundOthers: objects that come and go.
func TestFoundOthers(t *testing.T) {
	at := time.Date(2026, 11, 27, 17, 0, 0, 0, time.UTC)
	made := object(t, web1)
	made.SetCreationTimestamp(metav1.NewTime(at))
	again := made.DeepCopy()
	again.SetUID("2")
	for name, c := range map[string]struct {
		before, live *unstructured.Unstructured
		want         Action
		differs      string
	}{
		"created":             {nil, made, Created, ""},
		"still not there":     {nil, nil, Created, ""},
		"removed":             {made, nil, Removed, ""},
		"deleted and created": {made, again, Configured, ""},
		"as it was":           {made, made.DeepCopy(), Unchanged, ""},
		"changed":             {made, object(t, web2), Configured, "spec.replicas"},
	} {
		w := Write{Command: true, Before: c.before}.Found(c.live, nil)
		if w.Action != c.want || (w.Written == nil) != (c.live == nil) {
			t.Errorf("%s: %s", name, w.Action)
		}
		if differs := w.Differences(nil); len(differs) > 0 != (c.differs != "") || c.differs != "" && differs[0] != c.differs {
			t.Errorf("%s: differs in %q", name, differs)
		}
	}
	if !NewSince(made, at.Add(3*time.Second)) || NewSince(made, at.Add(time.Minute)) {
		t.Error("what is new")
	}
}

// TestFoundLate: what others have written after a run was killed with its command is theirs.
func TestFoundLate(t *testing.T) {
	const image, tier = "spec.template.spec.containers[name=app].image", "metadata.labels[tier]"
	bubble(t, "a label", func(t *testing.T) {
		s := newServer(t, object(t, web1), nil)
		w := Write{Manager: runManager, Command: true, Before: s.apply(object(t, web1), "helm"), At: time.Now()}
		time.Sleep(time.Second)
		s.edit("kubectl-set", set(image, "app:2"))
		time.Sleep(5 * time.Second)
		w.Until = time.Now()
		time.Sleep(5 * time.Second)
		s.edit("kubectl-edit", set(tier, "front"))
		live := s.live.DeepCopy()
		found := w.Found(live, nil)
		if got := strings.Join(found.changes(nil), " "); got != image {
			t.Errorf("the command has changed %q, want %q", got, image)
		}
		inv, err := Invert(found, live, undoManager, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := inv.Object.GetLabels()["tier"]; got != "front" {
			t.Errorf("the label is %q after the undo", got)
		}
		w.Until = time.Time{} // nobody knows
		if got := w.Found(live, nil).changes(nil); len(got) < 2 {
			t.Errorf("without a limit the command has changed %q", got)
		}
	})
	bubble(t, "an object that was not there", func(t *testing.T) {
		w := Write{Manager: runManager, Command: true, At: time.Now(), Until: time.Now().Add(time.Second)}
		time.Sleep(time.Minute)
		u := object(t, web1)
		u.SetCreationTimestamp(metav1.Now())
		if found := w.Found(u, nil); found.Written != nil {
			t.Error("an object that somebody has created a minute later is the command's")
		}
	})
}
