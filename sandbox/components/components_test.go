package components

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var module = Module{Mod: []byte(`module x

go 1.26.0

require (
	k8s.io/kubernetes v1.36.3 // indirect
	sigs.k8s.io/kwok v0.8.0
)

require go.etcd.io/etcd/server/v3 v3.6.8

replace k8s.io/api => k8s.io/api v0.36.3
`)}

func TestVersion(t *testing.T) {
	for path, want := range map[string]string{
		"k8s.io/kubernetes": "v1.36.3", "sigs.k8s.io/kwok": "v0.8.0", "go.etcd.io/etcd/server/v3": "v3.6.8",
		"k8s.io/api": "", "nobody/knows": "",
	} {
		if got := module.Version(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// The real go.mod must name every component.
func TestVersionsOfThisModule(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for name, version := range (Module{Mod: mod}).Versions(append(Base(), Node()...)) {
		if version == "" {
			t.Errorf("%s has no version in go.mod", name)
		}
	}
}

func TestOutput(t *testing.T) {
	for pkg, want := range map[string]string{
		"go.etcd.io/etcd/server/v3": "server", "sigs.k8s.io/kwok/cmd/kwok": "kwok", "example.com/very": "very", "example.com/v": "v",
	} {
		if got := (Component{Package: pkg}).output(); got != want {
			t.Errorf("%s: got %q, want %q", pkg, got, want)
		}
	}
}

func TestLinkFlags(t *testing.T) {
	flags := linkFlags("v1.36.3")
	for _, want := range []string{"gitVersion=v1.36.3", "gitMajor=1 ", "gitMinor=36 "} {
		if !strings.Contains(flags, want) {
			t.Errorf("%q lacks %q", flags, want)
		}
	}
}

// What the sandbox shares with its components is compiled once, if both are compiled alike.
func TestCompileFlagsOfTheMakefile(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	quoted := make([]string, 0, len(Quick()))
	for _, flag := range Quick() {
		if strings.Contains(flag, " ") {
			flag = "'" + flag + "'"
		}
		quoted = append(quoted, flag)
	}
	if want := "\nSANDBOX_FLAGS = " + strings.Join(quoted, " ") + " "; !strings.Contains(string(makefile), want) {
		t.Errorf("the Makefile lacks the line that begins with %s", strings.TrimSpace(want))
	}
}

func TestKey(t *testing.T) {
	base := key(module, Quick(), "go1.26.0")
	grouped := strings.NewReplacer("require go.etcd.io", "require (\n\tgo.etcd.io", "v3.6.8", "v3.6.8 // indirect\n)", " // indirect\n\tsigs", "\n\tsigs").Replace(string(module.Mod))
	if base != key(Module{Mod: []byte(grouped), Sum: []byte("x")}, Quick(), "go1.26.0") {
		t.Error("another grouping of the same versions changes the key")
	}
	for name, other := range map[string]string{
		"the flags":  key(module, Optimized(), "go1.26.0"),
		"go version": key(module, Quick(), "go1.26.1"),
		"a version":  key(Module{Mod: []byte(strings.Replace(string(module.Mod), "v3.6.8", "v3.6.9", 1))}, Quick(), "go1.26.0"),
		"a replace":  key(Module{Mod: []byte(strings.Replace(string(module.Mod), "v0.36.3", "v0.36.4", 1))}, Quick(), "go1.26.0"),
	} {
		if other == base {
			t.Errorf("%s does not change the key", name)
		}
	}
}

func TestBuildUsesTheCache(t *testing.T) {
	cache := t.TempDir()
	dir := ""
	for range 2 { // wanting nothing only says where things belong
		r, err := Build(t.Context(), cache, module, Quick(), nil, os.Stderr)
		if err != nil || len(r.Built) != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		dir = r.Dir
	}
	want := []Component{{Name: "kwok", Package: "example.invalid/kwok"}}
	if missing := absent(dir, want); len(missing) != 1 {
		t.Fatalf("missing: %v", missing)
	}
	if err := os.WriteFile(filepath.Join(dir, "kwok"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if r, err := Build(t.Context(), cache, module, Quick(), want, os.Stderr); err != nil || len(r.Built) != 0 {
		t.Errorf("a cached component was built again: %+v, %v", r, err)
	}
}

// Components that came with the sandbox count only when all of them did, and when they are those of its go.mod.
func TestPacked(t *testing.T) {
	base := t.TempDir()
	want := []Component{{Name: "etcd"}, {Name: "kwok"}}
	dir := filepath.Join(base, key(module, Quick(), runtime.Version()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, c := range want {
		if got := Packed(base, module, Quick(), want); got != "" {
			t.Errorf("with %d of %d components: %s", i, len(want), got)
		}
		if err := os.WriteFile(filepath.Join(dir, c.Name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := Packed(base, module, Quick(), want); got != dir {
		t.Errorf("got %q, want %q", got, dir)
	}
	if got := Packed(base, module, Optimized(), want); got != "" {
		t.Errorf("components that were compiled otherwise: %q", got)
	}
	if got := Packed(base, Module{Mod: []byte("require k8s.io/kubernetes v1.0.0")}, Quick(), want); got != "" {
		t.Errorf("the components of other versions: %q", got)
	}
}
