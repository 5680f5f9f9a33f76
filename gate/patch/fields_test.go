package patch

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// row is one line of testdata/fields.txt: one field of one kind in the three states, and what comes of it.
type row struct {
	text                        string
	object                      *unstructured.Unstructured
	name                        string
	path                        []step
	before, written, live, want any
	told                        string
}

// TestFields plays every row with two histories of owners: first the run has applied the object before; then another
// tool has made it, the run takes it over, and somebody adds a label meanwhile.
func TestFields(t *testing.T) {
	rows := readRows(t)
	if len(rows) < 200 {
		t.Fatalf("only %d rows", len(rows))
	}
	// One clock for all: the rows do not know of each other, and a bubble for each would cost seconds.
	synctest.Test(t, func(t *testing.T) {
		for _, r := range rows {
			r.applied(t)
			r.takenOver(t)
		}
	})
}

func (r row) applied(t *testing.T) {
	s := newServer(t, r.object, nil)
	before := s.apply(r.state(r.before), runManager)
	written := s.apply(r.state(r.written), runManager)
	live := written
	if !equal(r.live, r.written) {
		live = s.edit("somebody", func(o map[string]any) { assign(o, r.path, r.live) })
	}
	by := "somebody"
	if isAbsent(r.live) {
		by = "" // who only removes a field owns nothing
	}
	inv := r.invert(t, before, written, live, by)
	if !equal(r.live, r.written) {
		return
	}
	if _, owners := s.undo(inv); !SameOwners(before.GetManagedFields(), owners) {
		t.Errorf("%s\nowners before: %s\nowners after:  %s", r.text, ownerLines(before.GetManagedFields()), ownerLines(owners))
	}
}

func (r row) takenOver(t *testing.T) {
	s := newServer(t, r.object, nil)
	before := s.update(r.state(r.before), "kubectl-create")
	written := s.edit(runManager, func(o map[string]any) { assign(o, r.path, r.written) })
	live := s.edit("somebody", func(o map[string]any) {
		assign(o, parsePath("metadata.labels.added"), "meanwhile")
		assign(o, r.path, r.live)
	})
	inv := r.invert(t, before, written, live, "somebody")
	if inv.Object.GetLabels()["added"] != "meanwhile" {
		t.Errorf("%s\nthe label that somebody added is gone", r.text)
	}
	if r.told != "" || !equal(r.live, r.written) {
		return
	}
	_, owners := s.undo(inv)
	if len(owners) != 2 || !slices.ContainsFunc(ownerLines(owners), func(e string) bool { return strings.Contains(e, `"somebody"`) && strings.Contains(e, `"f:added"`) }) {
		t.Errorf("%s\nowners after: %s", r.text, ownerLines(owners))
	}
	if made := before.GetManagedFields()[0]; !SameOwners(owners[:1], before.GetManagedFields()) {
		t.Errorf("%s\nowner before: %s\nowner after:  %s", r.text, encodeEntry(made), encodeEntry(owners[0]))
	}
}

func (r row) invert(t *testing.T, before, written, live *unstructured.Unstructured, by string) *Inverse {
	inv, err := Invert(Write{Manager: runManager, Before: before, Written: written}, live, undoManager, nil)
	if err != nil {
		t.Fatalf("%s\n%v", r.text, err)
	}
	want := live.DeepCopy()
	assign(want.Object, r.path, r.want)
	if !equal(content(want), content(inv.Object)) {
		t.Errorf("%s\nfields that are not as they should be: %v", r.text, Changed(want, inv.Object, nil))
	}
	kept, already := "", ""
	switch r.told {
	case "kept":
		kept = r.name + " by " + by
	case "already":
		already = r.name + " by " + by
	}
	if got := keptPaths(inv.Kept); got != kept {
		t.Errorf("%s\nkept %q", r.text, got)
	}
	if got := keptPaths(inv.Already); got != already {
		t.Errorf("%s\nalready %q", r.text, got)
	}
	if extent := map[bool]Extent{true: None, false: All}[r.told == "kept"]; inv.Extent != extent {
		t.Errorf("%s\nextent %s", r.text, inv.Extent)
	}
	return inv
}

func (r row) state(v any) *unstructured.Unstructured {
	u := r.object.DeepCopy()
	assign(u.Object, r.path, v)
	return u
}

func readRows(t *testing.T) []row {
	text, err := os.ReadFile("testdata/kinds.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var bases []map[string]any
	if err := yaml.UnmarshalStrict(text, &bases); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]*unstructured.Unstructured{}
	for _, base := range bases {
		data, err := json.Marshal(base)
		if err != nil {
			t.Fatal(err)
		}
		u := object(t, string(data))
		u.SetName("web")
		u.SetUID("1")
		kinds[u.GetKind()] = u
	}
	if text, err = os.ReadFile("testdata/fields.txt"); err != nil {
		t.Fatal(err)
	}
	var rows []row
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, " | ")
		kind, path, _ := strings.Cut(parts[0], " ")
		r := row{text: line, object: kinds[kind], name: path, path: parsePath(path)}
		for i, v := range []*any{&r.before, &r.written, &r.live, &r.want} {
			*v = parseValue(t, parts[i+1])
		}
		if len(parts) > 5 {
			r.told = parts[5]
		}
		if r.object == nil {
			t.Fatalf("%s: no such kind in kinds.yaml", line)
		}
		rows = append(rows, r)
	}
	return rows
}

func parseValue(t *testing.T, text string) any {
	if text == "~" {
		return absent{}
	}
	var u unstructured.Unstructured // for whole numbers
	if err := u.UnmarshalJSON([]byte(`{"apiVersion":"v1","kind":"V","v":` + text + `}`)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return u.Object["v"]
}

// step is a field name, or the fields that an item of a list has.
type step struct {
	name string
	item map[string]any
}

// parsePath reads what Text writes, as far as fields.txt needs it.
func parsePath(text string) []step {
	var steps []step
	for text != "" {
		text = strings.TrimPrefix(text, ".")
		if text[0] != '[' {
			end := strings.IndexAny(text+".", ".[")
			steps = append(steps, step{name: text[:end]})
			text = text[end:]
			continue
		}
		inner, rest, _ := strings.Cut(text[1:], "]")
		text = rest
		if !strings.Contains(inner, "=") {
			steps = append(steps, step{name: inner})
			continue
		}
		item := map[string]any{}
		for _, field := range strings.Split(inner, ",") {
			key, v, _ := strings.Cut(field, "=")
			var number int64
			if err := json.Unmarshal([]byte(v), &number); err == nil {
				item[key] = number
			} else {
				item[key] = strings.Trim(v, `"`)
			}
		}
		steps = append(steps, step{item: item})
	}
	return steps
}

// assign sets a field, or removes it. Items of lists have to be there; maps are made.
func assign(in any, path []step, v any) {
	first, rest := path[0], path[1:]
	if first.item != nil {
		for _, item := range in.([]any) {
			fields := item.(map[string]any)
			fits := true
			for key, want := range first.item {
				fits = fits && equal(fields[key], want)
			}
			if fits {
				assign(fields, rest, v)
				return
			}
		}
		panic("no such item")
	}
	m := in.(map[string]any)
	switch {
	case len(rest) > 0:
		if _, ok := m[first.name]; !ok {
			m[first.name] = map[string]any{}
		}
		assign(m[first.name], rest, v)
	case isAbsent(v):
		delete(m, first.name)
	default:
		m[first.name] = v
	}
}
