package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

const (
	program  = "rolloutgate"
	project  = "https://github.com/rolloutgate/rolloutgate"
	sumsFile = "checksums.txt"
	about    = "Apply, watch, judge, explain and undo a Kubernetes rollout"
	licence  = "Apache-2.0"
	authors  = "The rolloutgate authors"
)

// release is one version, and the folders it is made from and written to.
type release struct {
	root      string    // the checkout, absolute
	out       string    // absolute
	version   string    // semantic, with its v
	date      time.Time // of every file in it, in UTC
	toolchain string    // such as go1.26.8
	platforms []platform
}

type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// program is the file name of the binary.
func (p platform) program() string {
	if p.os == "windows" {
		return program + ".exe"
	}
	return program
}

func allPlatforms() []platform {
	var all []platform
	for _, system := range []string{"linux", "darwin", "windows"} {
		all = append(all, platform{system, "amd64"}, platform{system, "arm64"})
	}
	return all
}

func parsePlatforms(texts []string) ([]platform, error) {
	var chosen []platform
	for _, text := range texts {
		system, arch, ok := strings.Cut(text, "/")
		if !ok {
			return nil, fmt.Errorf("platform %q: write OS/ARCH, such as linux/amd64", text)
		}
		chosen = append(chosen, platform{system, arch})
	}
	return chosen, nil
}

func newRelease(ctx context.Context, root, out, version string) (release, error) {
	r := release{version: semantic(version), platforms: allPlatforms()}
	if !semver.IsValid(r.version) {
		return r, fmt.Errorf("version %q is not one that can be packed: write it as v1.2.3", version)
	}
	var err error
	if r.root, err = filepath.Abs(root); err != nil {
		return r, err
	}
	if r.out, err = filepath.Abs(out); err != nil {
		return r, err
	}
	if r.date, err = sourceDate(ctx, r.root); err != nil {
		return r, err
	}
	mod, err := os.ReadFile(filepath.Join(r.root, "release", "go.mod"))
	if err != nil {
		return r, err
	}
	if r.toolchain, err = toolchainOf(mod); err != nil {
		return r, err
	}
	if r.toolchain != runtime.Version() { // it packs as well as it compiles: another one may compress otherwise
		return r, fmt.Errorf("this is %s, release/go.mod names %s: set GOTOOLCHAIN=%[2]s, as make dist does", runtime.Version(), r.toolchain)
	}
	return r, nil
}

// semantic makes a version of what git describe prints where there is no tag.
func semantic(described string) string {
	if commit := regexp.MustCompile(`^[0-9a-f]{7,40}(-dirty)?$`); commit.MatchString(described) {
		return "v0.0.0-g" + described
	}
	return described
}

// number is the version without its v, as file names and packages have it.
func (r release) number() string { return strings.TrimPrefix(r.version, "v") }

// artifact is the name of a file of the release.
func (r release) artifact(rest string) string { return program + "_" + r.number() + "_" + rest }

func toolchainOf(mod []byte) (string, error) {
	file, err := modfile.Parse("go.mod", mod, nil)
	if err != nil {
		return "", err
	}
	if file.Toolchain == nil {
		return "", fmt.Errorf("release/go.mod has no toolchain line, so that nobody knows which compiler makes the same bytes")
	}
	return file.Toolchain.Name, nil
}

// sourceDate is SOURCE_DATE_EPOCH, or else when the source was committed. The checksums of a release are committed
// after it was made, and do not count.
func sourceDate(ctx context.Context, root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		shallow := exec.CommandContext(ctx, "git", "rev-parse", "--is-shallow-repository")
		shallow.Dir = root
		if out, err := shallow.Output(); err == nil && strings.TrimSpace(string(out)) == "true" {
			return time.Time{}, fmt.Errorf("the clone is shallow and cannot say when the source was committed: git fetch --unshallow, or set SOURCE_DATE_EPOCH")
		}
		git := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct", "--", ".", ":!"+committedSums)
		git.Dir = root
		out, err := git.Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("asking git when the source was committed: %w; outside a checkout set SOURCE_DATE_EPOCH", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the date of the source, %q: write seconds since 1970 into SOURCE_DATE_EPOCH", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
