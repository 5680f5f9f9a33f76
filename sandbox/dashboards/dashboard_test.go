package main

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the file")

const path = "../../examples/dashboards/rolloutgate.json"

// TestFile: the file is what the code makes, byte for byte.
func TestFile(t *testing.T) {
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got.Bytes()) {
		t.Errorf("%s is not what the code makes: 'go test -update' in sandbox/dashboards writes it", path)
	}
	var again bytes.Buffer
	if err := write(&again); err != nil || !bytes.Equal(got.Bytes(), again.Bytes()) {
		t.Errorf("made twice it differs: %v", err)
	}
}
