//go:build dist

// These tests take the files of a release, in the folder that DIST names, and use each of them as those do who download
// it. They need root on Debian and the packages that .ci/dist installs; where one is missing they fail.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// made is the release that was made.
func made(t *testing.T) release {
	t.Helper()
	dir := os.Getenv("DIST")
	if dir == "" {
		t.Fatal("DIST names no folder: run .ci/dist")
	}
	found, err := filepath.Glob(filepath.Join(dir, "rolloutgate_*_linux_amd64.tar.gz"))
	if err != nil || len(found) != 1 {
		t.Fatalf("archives for linux/amd64 in %s: %v, %v", dir, found, err)
	}
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), program+"_"), "_linux_amd64.tar.gz")
	r, err := newRelease(t.Context(), "..", dir, "v"+version)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r release) path(rest string) string { return filepath.Join(r.out, r.artifact(rest)) }

// sh runs a line of shell in a folder and returns what it printed.
func sh(t *testing.T, dir, line string, env ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", line)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// unpacked is the folder with the files of the archive for linux/amd64.
func unpacked(t *testing.T, r release) string {
	t.Helper()
	dir := t.TempDir()
	sh(t, dir, "tar -xzf "+r.path("linux_amd64.tar.gz"))
	return dir
}

func TestChecksums(t *testing.T) {
	r := made(t)
	out := sh(t, r.out, "sha256sum --check --strict "+sumsFile)
	entries, err := os.ReadDir(r.out)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name != sumsFile && !strings.HasPrefix(name, program+"-sandbox_") && !strings.Contains(out, name+": OK\n") {
			t.Errorf("%s has no checksum", name)
		}
	}
}

// entry is a file of an archive with all that is told of it.
type entry struct {
	name    string
	mode    fs.FileMode
	date    time.Time
	user    string
	content []byte
}

func readTarGz(t *testing.T, path string) []entry {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if !plain.ModTime.IsZero() || plain.Name != "" {
		t.Errorf("%s: gzip says %v %q", path, plain.ModTime, plain.Name)
	}
	var entries []entry
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		user := ""
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" {
			user = header.Uname + "?"
		}
		entries = append(entries, entry{header.Name, header.FileInfo().Mode(), header.ModTime, user, content})
	}
}

func readZip(t *testing.T, path string) []entry {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var entries []entry
	for _, f := range archive.File {
		opened, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(opened)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{f.Name, f.Mode(), f.Modified, "", content})
	}
	return entries
}

func TestArchives(t *testing.T) {
	r := made(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.platforms {
		archives := map[string][]entry{r.archive(p): readTarGz(t, filepath.Join(r.out, r.archive(p)))}
		if p.os == "windows" {
			archives[r.artifact("windows_"+p.arch+".zip")] = readZip(t, r.path("windows_"+p.arch+".zip"))
		}
		for name, entries := range archives {
			var names []string
			for _, e := range entries {
				names = append(names, e.name)
				mode := fs.FileMode(0o644)
				if e.name == p.program() {
					mode = 0o755
					checkBinary(t, r, p, e.content, host)
				}
				if e.mode != mode || e.user != "" || !e.date.Equal(r.date) {
					t.Errorf("%s: %s has mode %v, date %v, user %q", name, e.name, e.mode, e.date, e.user)
				}
			}
			if !slices.IsSorted(names) {
				t.Errorf("%s: the entries are in the order %v", name, names)
			}
			for _, want := range []string{p.program(), "LICENSE", "README.md", "CHANGELOG.md", "THIRD_PARTY_LICENSES.txt", "completions/rolloutgate.bash",
				"completions/_rolloutgate", "completions/rolloutgate.fish", "completions/rolloutgate.ps1", "man/man1/rolloutgate.1", "man/man1/rolloutgate-run.1"} {
				if !slices.Contains(names, want) {
					t.Errorf("%s lacks %s", name, want)
				}
			}
		}
	}
}

// checkBinary: it is for its platform, and tells nothing of the machine that it was built on.
func checkBinary(t *testing.T, r release, p platform, binary []byte, host string) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["GOOS"] != p.os || settings["GOARCH"] != p.arch || settings["-trimpath"] != "true" || settings["CGO_ENABLED"] != "0" || info.GoVersion != r.toolchain {
		t.Errorf("%s: built by %s with %v", p, info.GoVersion, settings)
	}
	for key := range settings {
		if strings.HasPrefix(key, "vcs") {
			t.Errorf("%s: the commit is in the binary, as %s", p, key)
		}
	}
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{r.root + "/", strings.TrimSpace(string(cache)) + "/", host} {
		if len(secret) > 5 && bytes.Contains(binary, []byte(secret)) {
			t.Errorf("%s: %q is in the binary", p, secret)
		}
	}
}

func TestProgram(t *testing.T) {
	r := made(t)
	dir := unpacked(t, r)
	if got, want := sh(t, dir, "./rolloutgate version"), "rolloutgate "+r.version+" ("+r.toolchain+" linux/amd64)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := sh(t, dir, "./rolloutgate --help"); !strings.Contains(got, "Available Commands:") {
		t.Errorf("help says\n%s", got)
	}
}

// TestManuals: two programs that show manual pages find nothing wrong with them, and each command has one.
func TestManuals(t *testing.T) {
	r := made(t)
	dir := unpacked(t, r)
	if out := sh(t, dir, "mandoc -T lint -W warning man/man1/*.1"); out != "" {
		t.Errorf("mandoc: %s", out)
	}
	if out := sh(t, dir, "for page in man/man1/*.1; do man --warnings -E UTF-8 -l -Tutf8 $page 2>&1 >/dev/null; done"); out != "" {
		t.Errorf("man: %s", out)
	}
	help := sh(t, dir, "./rolloutgate --help")
	_, help, _ = strings.Cut(help, "Available Commands:")
	help, _, _ = strings.Cut(help, "Flags:")
	for _, command := range regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(help, -1) {
		if command[1] == "help" {
			continue
		}
		page := sh(t, dir, "MANWIDTH=100 man -l man/man1/rolloutgate-"+command[1]+".1 | col -b")
		if !strings.Contains(page, "rolloutgate "+command[1]) {
			t.Errorf("the page of %s:\n%s", command[1], page)
		}
	}
	run := sh(t, dir, "MANWIDTH=100 man -l man/man1/rolloutgate-run.1 | col -b")
	for _, want := range []string{"--undo-timeout=DURATION", "--check 'sum(rate(http_requests_total{code=~\"5..\"}[1m]))"} {
		if !strings.Contains(run, want) {
			t.Errorf("the page of run lacks %q:\n%s", want, run)
		}
	}
}

func TestCompletions(t *testing.T) {
	dir := unpacked(t, made(t))
	path := "PATH=" + dir + ":" + os.Getenv("PATH")
	if got := sh(t, dir, "source completions/rolloutgate.bash && complete -p rolloutgate", path); !strings.Contains(got, "__start_rolloutgate") {
		t.Errorf("bash: %s", got)
	}
	typed := `source /usr/share/bash-completion/bash_completion; source completions/rolloutgate.bash
		COMP_WORDS=(rolloutgate run --undo-t) COMP_CWORD=2 COMP_LINE='rolloutgate run --undo-t' COMP_POINT=24 COMP_TYPE=9 COMP_KEY=9
		compopt() { :; }; set +u; __start_rolloutgate; echo "${COMPREPLY[@]}"`
	if got := sh(t, dir, typed, path); !strings.Contains(got, "--undo-timeout") {
		t.Errorf("bash completes --undo-t with %q", got)
	}
	if got := sh(t, dir, `zsh -fc 'autoload -U compinit && compinit -u -d `+dir+`/dump && source completions/_rolloutgate && print ${_comps[rolloutgate]}'`, path); got != "_rolloutgate\n" {
		t.Errorf("zsh: %q", got)
	}
	if got := sh(t, dir, `fish -c 'source completions/rolloutgate.fish; complete -C "rolloutgate diag"'`, path, "HOME="+dir); !strings.HasPrefix(got, "diagnose") {
		t.Errorf("fish completes diag with %q", got)
	}
}
