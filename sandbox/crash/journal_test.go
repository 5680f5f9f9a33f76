package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	program, path := filepath.Join(dir, "program"), filepath.Join(dir, "journal")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho 1.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(path, program, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []result{{Name: "a", Right: true}, {Name: "b", Error: "it was not played"}} {
		if err := j.keep(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.file.WriteString(`{"name": "c", "ri`); err != nil { // the harness was killed
		t.Fatal(err)
	}
	j, err = openJournal(path, program, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.keep(result{Name: "d", Right: true}); err != nil {
		t.Fatal(err)
	}
	j, err = openJournal(path, program, 7)
	if err != nil {
		t.Fatal(err)
	}
	if len(j.past) != 2 || !j.played("d") || !j.played("a") || j.played("b") || j.played("c") {
		t.Errorf("%+v", j.past)
	}
	if _, err := openJournal(path, program, 8); err == nil {
		t.Error("results of another seed are taken")
	}
	if j, err := openJournal("", program, 7); err != nil || j.keep(result{}) != nil || j.played("a") {
		t.Errorf("without a file: %v", err)
	}
}
