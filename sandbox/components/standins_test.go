package components

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestStandins(t *testing.T) {
	dir := t.TempDir()
	replace, err := writeStandins(dir)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(replace)), "\n")
	if len(lines) != len(standins) {
		t.Errorf("%d modules, but these lines:\n%s", len(standins), replace)
	}
	goMod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for i, module := range standins {
		if want := "replace " + module + " => ./standins/" + module; lines[i] != want {
			t.Errorf("got %q, want %q", lines[i], want)
		}
		text, err := os.ReadFile(filepath.Join(dir, "standins", module, "go.mod"))
		if err != nil || !strings.HasPrefix(string(text), "module "+module+"\n") {
			t.Errorf("%s: go.mod says %q, %v", module, text, err)
		}
		if (Module{Mod: goMod}).Version(module) == "" {
			t.Errorf("%s stands in for a module that no component needs", module)
		}
	}
}

// A file outside of every module would not be compiled, and one inside a module belongs to it.
func TestEveryStandinFileIsInAModule(t *testing.T) {
	err := fs.WalkDir(standinFiles, standinRoot, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		path := strings.TrimPrefix(name, standinRoot+"/")
		if !slices.ContainsFunc(standins, func(module string) bool { return strings.HasPrefix(path, module+"/") }) {
			t.Errorf("%s is in none of the modules", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
