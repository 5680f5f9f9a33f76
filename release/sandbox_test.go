package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSandboxArchive packs a sandbox and has fetch.sh bring it back, as make sandbox does.
func TestSandboxArchive(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"bin/sandbox", "bin/testapp", "cache/0123456789abcdef/etcd"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+name+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r := release{version: "v1.2.3", date: epoch, out: filepath.Join(dir, "dist")}
	if err := r.sandbox(filepath.Join(dir, "bin"), filepath.Join(dir, "cache/0123456789abcdef")); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(r.out, "*.tar.gz"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	text, err := os.ReadFile(found[0] + ".sha256")
	if err != nil {
		t.Fatal(err)
	}
	sum := strings.Fields(string(text))[0]
	fetch := func(from, sum, to string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "../sandbox/fetch.sh", from, sum, to).CombinedOutput()
		return string(out), err
	}
	for name, from := range map[string]string{"by path": found[0], "by URL": "file://" + found[0]} {
		to := filepath.Join(dir, "to", name)
		if out, err := fetch(from, sum, to); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		for _, program := range []string{"sandbox", "testapp", "components/0123456789abcdef/etcd"} {
			if err := exec.CommandContext(t.Context(), filepath.Join(to, program)).Run(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if out, err := fetch("/gone", sum, to); err != nil { // it is there already
			t.Errorf("%s: a second time: %v\n%s", name, err, out)
		}
	}
	bad := filepath.Join(dir, "bad")
	for name, with := range map[string][2]string{
		"another checksum": {found[0], strings.Repeat("0", 64)}, "no checksum": {found[0], ""}, "no archive": {"file://" + dir + "/gone", sum},
	} {
		if out, err := fetch(with[0], with[1], bad); err == nil || !strings.Contains(out, with[0]) && name != "no archive" {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if left, _ := os.ReadDir(bad); len(left) > 0 {
		t.Errorf("something was unpacked: %v", left)
	}
}
