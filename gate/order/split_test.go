package order

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestSplit splits each file of each archive, once as a first install and once as an upgrade with tests.
func TestSplit(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, file := range archive.Files {
				objects := read(t, file.Name, string(file.Data))
				install := describe(Split(objects, Options{}))
				upgrade := describe(Split(objects, Options{Upgrade: true, Tests: true}))
				if install == upgrade {
					fmt.Fprintf(&b, "== %s\n%s", file.Name, install)
				} else {
					fmt.Fprintf(&b, "== %s, a first install\n%s== %s, an upgrade with tests\n%s", file.Name, install, file.Name, upgrade)
				}
			}
			golden(t, strings.TrimSuffix(path, ".txtar")+".golden", b.String())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// read reads manifests with their lines.
func read(t *testing.T, name, text string) []manifest.Object {
	t.Helper()
	m, err := manifest.Read(manifest.Options{Filenames: []string{"-"}, Stdin: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Objects {
		m.Objects[i].Notes, m.Objects[i].Source.Path = nil, name
	}
	return m.Objects
}

// describe prints an order, or the error instead.
func describe(o Order, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	var notes []string
	for i, g := range o.Groups {
		fmt.Fprintf(&b, "%d. %s", i, g.Name)
		if g.Test {
			b.WriteString(" [test]")
		}
		b.WriteString("\n")
		for _, object := range g.Objects {
			b.WriteString("   " + named(object.Object) + treatment(object) + "\n")
			for _, note := range object.Notes {
				notes = append(notes, fmt.Sprintf("note: %s: %s\n", named(object.Object), note))
			}
		}
	}
	for _, left := range o.LeftOut {
		fmt.Fprintf(&b, "left out: %s: %s\n", named(left.Object), left.Why)
	}
	return b.String() + strings.Join(notes, "")
}

func treatment(o Object) string {
	var words []string
	for word, applies := range map[string]bool{
		"hook": o.Hook, "replace": o.Replace, "delete on failure": o.DeleteOnFailure,
		fmt.Sprintf("delete after group %d", o.Until): o.DeleteOnSuccess,
	} {
		if applies {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return ""
	}
	slices.Sort(words)
	slices.Reverse(words)
	return " (" + strings.Join(words, ", ") + ")"
}

// TestSplitLeavesItsInputAlone: notes of one run do not show up in another.
func TestSplitLeavesItsInputAlone(t *testing.T) {
	objects := read(t, "a.yaml", `apiVersion: v1
kind: ConfigMap
metadata: {name: a, annotations: {kapp.k14s.io/change-rule: upsert after upserting gone}}
`)
	objects[0].Notes = make([]string, 0, 4)
	for range 2 {
		order, err := Split(objects, Options{})
		if err != nil || len(order.Groups) != 1 || len(order.Groups[0].Objects[0].Notes) != 1 {
			t.Fatalf("got %v, %v", order, err)
		}
	}
	if notes := objects[0].Notes[:1]; len(objects[0].Notes) != 0 || notes[0] != "" {
		t.Errorf("the input has notes now: %q", notes)
	}
}

func TestSplitNothing(t *testing.T) {
	if order, err := Split(nil, Options{}); err != nil || order.Groups != nil || order.LeftOut != nil {
		t.Errorf("got %v, %v", order, err)
	}
}

// TestSplitRefuses has what the reader of manifests refuses as well.
func TestSplitRefuses(t *testing.T) {
	for want, metadata := range map[string]map[string]any{
		"a.yaml:3: job/seed- has no name but a metadata.generateName\n  hint: write a fixed metadata.name; only hooks may have a generated one": {"generateName": "seed-"},
		"a.yaml:3: metadata.name is missing": {},
		"a.yaml:3: annotation rolloutgate.dev/stage of job/a must be a text, but YAML reads it as null\n  hint: put it in quotes": {
			"name": "a", "annotations": map[string]any{"rolloutgate.dev/stage": nil},
		},
		"a.yaml:3: annotation helm.sh/hook of job/a must be a text, but YAML reads it as 5\n  hint: put it in quotes": {
			"name": "a", "annotations": map[string]any{"helm.sh/hook": 5},
		},
	} {
		object := manifest.Object{
			Unstructured: &unstructured.Unstructured{Object: map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}},
			Source:       manifest.Source{Path: "a.yaml", Line: 3},
		}
		if _, err := Split([]manifest.Object{object}, Options{}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
