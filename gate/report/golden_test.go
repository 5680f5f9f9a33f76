package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/gate"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// reports returns the reports of testdata by their case.
func reports(t *testing.T) map[string]gate.Report {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no reports in testdata: %v", err)
	}
	all := map[string]gate.Report{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		var r gate.Report
		if err := decoder.Decode(&r); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".json")] = r
	}
	return all
}

// golden compares a rendering with the file of that name, or rewrites the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

func TestRenderings(t *testing.T) {
	renderings := map[string]func(io.Writer, gate.Report) error{
		".txt": func(w io.Writer, r gate.Report) error { return Text(w, r, Options{}) },
		".md":  Markdown, ".junit.xml": JUnit, ".prom": OpenMetrics, ".ndjson": NDJSON, ".html": unstyled,
	}
	for name, r := range reports(t) {
		for ending, render := range renderings {
			t.Run(name+ending, func(t *testing.T) {
				var out bytes.Buffer
				if err := render(&out, r); err != nil {
					t.Fatal(err)
				}
				golden(t, name+ending, out.Bytes())
			})
		}
	}
}

func TestColors(t *testing.T) {
	all := reports(t)
	for _, name := range []string{"plan", "failed-image", "criteria-failed", "backtest"} {
		var out bytes.Buffer
		if err := Text(&out, all[name], Options{Color: true}); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".color.txt", out.Bytes())
	}
}
