package promtest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		script string
		want   string
	}{
		"release":         {"echo 'prometheus, version 2.53.3 (branch: HEAD)'", "2.53.3"},
		"nobody knows":    {"echo 'prometheus, version  (branch: )'", ""},
		"does not run":    {"exit 1", ""},
		"another program": {"echo 1.2.3", ""},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if b, ok := inspect(path); ok != (tt.want != "") || b.Version != tt.want {
			t.Errorf("%s: got %+v, %v", name, b, ok)
		}
	}
	if b, ok := inspect(filepath.Join(dir, "absent")); ok {
		t.Errorf("got %+v", b)
	}
}
