package harness

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	program, path := filepath.Join(dir, "program"), filepath.Join(dir, "journal")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho 1.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	type result struct{ Name string }
	open := func() *Journal[result] {
		j, err := OpenJournal[result](path, program, 7)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	j := open()
	for _, r := range []result{{"a"}, {"b"}} {
		if err := j.Keep(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.file.WriteString(`{"Name": "c", "ri`); err != nil { // the harness was killed
		t.Fatal(err)
	}
	if err := open().Keep(result{"d"}); err != nil {
		t.Fatal(err)
	}
	if past := open().Past; !slices.Equal(past, []result{{"a"}, {"b"}, {"d"}}) {
		t.Errorf("%+v", past)
	}
	if _, err := OpenJournal[result](path, program, 8); err == nil {
		t.Error("results of another seed are taken")
	}
	if j, err := OpenJournal[result]("", program, 7); err != nil || j.Keep(result{}) != nil || len(j.Past) > 0 {
		t.Errorf("without a file: %v", err)
	}
}
