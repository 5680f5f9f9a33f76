package record

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

func thing(name, state string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"kind": "Thing", "metadata": map[string]any{"name": name}, "state": state}}
}

// TestMembers: what the manifests have belongs to the set, each as the run has left it; what a run does for itself does not.
func TestMembers(t *testing.T) {
	write := func(name string, change func(w *patch.Write)) patch.Write {
		w := patch.Write{Ref: manifest.Ref{Kind: "Thing", Name: name}, Action: patch.Configured, Manager: "rolloutgate", Before: thing(name, "before"), Sent: thing(name, "sent"), Written: thing(name, "written")}
		change(&w)
		return w
	}
	r := Record{Manager: "shop", Stages: []Stage{
		{Writes: []patch.Write{
			write("changed", func(*patch.Write) {}),
			write("same", func(w *patch.Write) { w.Action, w.Written = patch.Unchanged, nil }),
			write("stepped", func(*patch.Write) {}),
			write("hook", func(w *patch.Write) { w.Hook = true }),
			write("test", func(w *patch.Write) { w.Test = 1 }),
			write("own", func(w *patch.Write) { w.OfRun = true }),
			write("pinned", func(w *patch.Write) { w.Added, w.Pin = true, &patch.Pin{} }),
		}},
		{Writes: []patch.Write{
			write("stepped", func(w *patch.Write) { w.Step, w.Written = 1, thing("stepped", "later") }),
			write("unwritten", func(w *patch.Write) { w.Written = nil }),
		}},
	}, Leftovers: []patch.Write{write("old", func(*patch.Write) {}), write("same", func(*patch.Write) {})}}
	var got []string
	for _, m := range r.Members() {
		state, _ := m.Written.Object["state"].(string)
		got = append(got, m.Ref.Name+" "+state)
		if m.Ref.Name != "old" && m.Manager != "shop" {
			t.Errorf("%s is of the manager %s", m.Ref.Name, m.Manager)
		}
	}
	if want := "changed written, same before, stepped later, unwritten before, old written"; strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	if !r.Has(manifest.Ref{Kind: "Thing", Name: "same"}) || r.Has(manifest.Ref{Kind: "Thing", Name: "hook"}) {
		t.Error("Has is not about the members")
	}
}

func TestLastOf(t *testing.T) {
	all := []Summary{{ID: "e", Set: "shop", State: Undone}, {ID: "d", State: Passed}, {ID: "c", Set: "blog", State: Passed}, {ID: "b", Set: "shop", State: Left}, {ID: "a", Set: "shop", State: Passed}}
	if i := LastOf("shop", all); i < 0 || all[i].ID != "b" {
		t.Errorf("got %d", i)
	}
	if i := LastOf("shop", slices.Clone(all[:3])); i != -1 {
		t.Errorf("got %d", i)
	}
}

// TestPrunesOnRecord: what is pruned is among the writes of a run, and what of it and of leftovers is a Secret's stays inside.
func TestPrunesOnRecord(t *testing.T) {
	secret := patch.Write{Ref: manifest.Ref{Kind: "Secret", Name: "token"}, Action: patch.Pruned, Manager: "rolloutgate", Before: thing("token", "secret")}
	r := Record{ID: "R", State: Running, Set: Set{Name: "shop"}, Prunes: []patch.Write{secret}, Leftovers: []patch.Write{secret}}
	parts, err := r.Encode(PartSize)
	if err != nil {
		t.Fatal(err)
	}
	read, err := Decode(parts)
	if err != nil || len(read.Writes()) != 1 || read.Summary().Set != "shop" || !slices.Contains(read.Targets(), secret.Ref) || !read.HasSecrets() {
		t.Errorf("%v %+v", err, read)
	}
	if without := r.Without(); without.HasSecrets() || without.Prunes[0].Before != nil || len(without.Leftovers) != 0 {
		t.Errorf("%+v", without)
	}
	r.Prunes[0].Before = nil
	if parts, err = r.Encode(PartSize); err == nil {
		_, err = Decode(parts)
	}
	if err == nil {
		t.Error("a deletion that does not say what was there is accepted")
	}
}
