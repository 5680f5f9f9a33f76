//go:build cluster

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestHelm wraps real Helm, on a real control plane. `make helm` builds it.
func TestHelm(t *testing.T) {
	built, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", os.Getenv("PATH")+":"+built)
	if _, err := exec.LookPath("helm"); err != nil {
		t.Fatalf("there is no Helm: make helm (%v)", err)
	}
	onCluster(t, "testdata/helm")
}
