package main

import (
	"runtime"
	"testing"
	"time"
)

func TestSemantic(t *testing.T) {
	for described, want := range map[string]string{
		"v0.1.0": "v0.1.0", "v0.1.0-3-gabcdef0-dirty": "v0.1.0-3-gabcdef0-dirty", "abcdef0": "v0.0.0-gabcdef0",
		"0123456-dirty": "v0.0.0-g0123456-dirty", "dev": "dev",
	} {
		if got := semantic(described); got != want {
			t.Errorf("%s: got %s, want %s", described, got, want)
		}
	}
}

func TestVersionThatCannotBePacked(t *testing.T) {
	for _, version := range []string{"", "dev", "1.2.3", "v1.2.3/../x"} {
		if _, err := newRelease(t.Context(), "..", t.TempDir(), version); err == nil {
			t.Errorf("%q was taken", version)
		}
	}
}

func TestSourceDate(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	got, err := sourceDate(t.Context(), "..")
	if err != nil || !got.Equal(time.Unix(1700000000, 0)) || got.Location() != time.UTC {
		t.Errorf("%v, %v", got, err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if got, err := sourceDate(t.Context(), ".."); err == nil {
		t.Errorf("a word is taken for %v", got)
	}
}

// TestToolchain: what packs is the toolchain that compiles. It is named in this module alone, so that the product builds
// with any that is new enough.
func TestToolchain(t *testing.T) {
	name, err := toolchainOf([]byte(read(t, "go.mod")))
	if err != nil || name != runtime.Version() {
		t.Errorf("go.mod names %s, this is %s: %v", name, runtime.Version(), err)
	}
	if name, err := toolchainOf([]byte(read(t, "../go.mod"))); err == nil {
		t.Errorf("the product asks for %s", name)
	}
}

func TestParsePlatforms(t *testing.T) {
	got, err := parsePlatforms([]string{"linux/amd64", "windows/arm64"})
	if err != nil || len(got) != 2 || got[1].program() != "rolloutgate.exe" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := parsePlatforms([]string{"linux"}); err == nil {
		t.Error("a platform without an architecture was taken")
	}
}
