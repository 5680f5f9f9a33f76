// Package examples_test runs the examples: what stands in their READMEs is what happens.
package examples_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// TestManifestsParse needs no cluster. What is a manifest is decided by its kind: a CI system's file has none.
func TestManifestsParse(t *testing.T) {
	count := 0
	for _, path := range files(t, ".yaml", ".yml") {
		data := read(t, path)
		if strings.Contains(path, "/templates/") { // of a chart, which Helm renders first
			continue
		}
		if !regexp.MustCompile(`(?m)^kind: `).Match(data) {
			continue
		}
		count++
		if _, err := manifest.Read(manifest.Options{Filenames: []string{path}}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if count == 0 {
		t.Error("there are no manifests")
	}
}

func TestYAMLParses(t *testing.T) {
	for _, path := range files(t, ".yaml", ".yml") {
		decoder := yaml.NewDecoder(bytes.NewReader(read(t, path)))
		for {
			var document map[string]any
			if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", path, err)
				break
			}
		}
	}
}

// TestSandboxFilesAreTheSame: what is tried in the sandbox is what the files for a real cluster say, in less time.
func TestSandboxFilesAreTheSame(t *testing.T) {
	times := regexp.MustCompile(`(?m)^ *(timeout|hold|settle|window|interval): .*\n|^ *#.*\n|^\n| +#.*`)
	for _, dir := range []string{"canary", "blue-green"} {
		whole, short := read(t, dir+"/rolloutgate.yaml"), read(t, dir+"/sandbox.yaml")
		if a, b := times.ReplaceAll(whole, nil), times.ReplaceAll(short, nil); !bytes.Equal(a, b) {
			t.Errorf("%s: but for times, rolloutgate.yaml is\n%s\nand sandbox.yaml\n%s", dir, a, b)
		}
	}
}

// TestEveryFolderIsListed holds the index to the folders.
func TestEveryFolderIsListed(t *testing.T) {
	index := string(read(t, "README.md"))
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if !strings.Contains(index, "]("+e.Name()+")") {
			t.Errorf("README.md does not list %s", e.Name())
		}
		if _, err := os.Stat(filepath.Join(e.Name(), "README.md")); err != nil {
			t.Error(err)
		}
	}
}

func files(t *testing.T, extensions ...string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		for _, extension := range extensions {
			if err == nil && !entry.IsDir() && filepath.Ext(path) == extension {
				found = append(found, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
