package patch

import (
	"os"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// inverseCase is a case of testdata/cases.yaml. The states are objects; one that is left out is the one before it.
type inverseCase struct {
	Name    string         `json:"name"`
	Object  map[string]any `json:"object"` // what all states begin with: kind and the like
	Before  map[string]any `json:"before"`
	Written map[string]any `json:"written"`
	Live    map[string]any `json:"live"`
	Want    map[string]any `json:"want"`
	Kept    string         `json:"kept"`
	Already string         `json:"already"`
	Extent  Extent         `json:"extent"`
	// Direct cases do without a history of owners: server-side apply refuses what a PUT takes.
	Direct bool `json:"direct"`
}

func TestInvert(t *testing.T) {
	data, err := os.ReadFile("testdata/cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cases []inverseCase
	if err := yaml.UnmarshalStrict(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		bubble(t, c.Name, func(t *testing.T) { c.run(t) })
	}
}

func (c inverseCase) run(t *testing.T) {
	state := func(part map[string]any) string {
		whole := map[string]any{"metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "1"}}
		merged := overlayMaps(overlayMaps(whole, c.Object), part)
		text, err := yaml.Marshal(merged)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	s := newServer(t, object(t, state(nil)), nil)
	write := s.apply
	if c.Direct {
		write = s.update
	}
	before := write(object(t, state(c.Before)), runManager)
	next := object(t, state(c.Written))
	if c.Direct {
		next.SetManagedFields(before.GetManagedFields())
	}
	written := write(next, runManager)
	live := written
	if c.Live != nil {
		live = s.edit("somebody", func(o map[string]any) {
			fields := s.live.GetManagedFields()
			for k := range o {
				delete(o, k)
			}
			u := object(t, state(c.Live))
			u.SetManagedFields(fields)
			for k, v := range u.Object {
				o[k] = v
			}
		})
	}
	inv, err := Invert(Write{Manager: runManager, Before: before, Written: written}, live, undoManager, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := before
	if c.Want != nil {
		want = object(t, state(c.Want))
	}
	sameObject(t, content(want), content(inv.Object))
	if got := keptPaths(inv.Kept); got != c.Kept {
		t.Errorf("kept:    %s\nwant:    %s", got, c.Kept)
	}
	if got := keptPaths(inv.Already); got != c.Already {
		t.Errorf("already: %s\nwant:    %s", got, c.Already)
	}
	if c.Extent != "" && inv.Extent != c.Extent {
		t.Errorf("extent %s, want %s", inv.Extent, c.Extent)
	}
	if changes := !equal(content(live), content(inv.Object)); changes != inv.Changes {
		t.Errorf("changes %v, want %v", inv.Changes, changes)
	}
	now, owners := s.undo(inv)
	if c.Live == nil {
		sameOwners(t, before.GetManagedFields(), owners)
	}
	// An undo that is tried again finds nothing to do, and the same owners.
	again, err := Invert(Write{Manager: runManager, Before: before, Written: written}, now, undoManager, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := keptPaths(again.Kept); got != c.Kept {
		t.Errorf("kept in a second undo: %s\nwant: %s", got, c.Kept)
	}
	if again.Changes {
		t.Errorf("a second undo would write again: %v", Changed(now, again.Object, nil))
	}
	traced := slices.ContainsFunc(now.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool { return e.Manager == undoManager })
	if traced && again.Extent != inv.Extent { // an undo that only removes fields leaves no trace
		t.Errorf("extent of a second try is %s, was %s", again.Extent, inv.Extent)
	}
	sameOwners(t, owners, again.Owners(now))
}

// overlayMaps puts the keys of b over those of a, map by map.
func overlayMaps(a, b map[string]any) map[string]any {
	out := without(a)
	for k, v := range b {
		x, isMap := v.(map[string]any)
		y, wasMap := out[k].(map[string]any)
		if isMap && wasMap {
			v = overlayMaps(y, x)
		}
		out[k] = v
	}
	return out
}
