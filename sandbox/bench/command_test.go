package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestExecuteMeasuresChildren(t *testing.T) {
	dir := t.TempDir()
	e := environment{path: os.Getenv("PATH"), kubeconfig: "k", home: dir}
	// The time of a child counts, too.
	m, err := execute(t.Context(), dir, e, []string{"sh", "-c", `sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; test "$HOME" = "$PWD" && test "$KUBECONFIG" = k`})
	if err != nil {
		t.Fatal(err)
	}
	if m.cpu < 10*time.Millisecond || m.wall <= 0 || m.rss < 1<<20 {
		t.Errorf("got %+v", m)
	}
}

func TestExecuteTellsWhatTheCommandSaid(t *testing.T) {
	dir := t.TempDir()
	_, err := execute(t.Context(), dir, environment{path: os.Getenv("PATH")}, []string{"sh", "-c", "echo it went wrong >&2; exit 3"})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "it went wrong") {
		t.Errorf("got %v", err)
	}
}
