package examples_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// releases are a server with releases of rolloutgate, whose binaries are scripts that say what they are.
type releases struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	asked []string
	// trouble is what a path does the first times that it is asked for, instead of an answer.
	trouble map[string][]http.HandlerFunc
}

func newReleases(t *testing.T, secure bool, versions ...string) *releases {
	t.Helper()
	r := &releases{files: map[string][]byte{}, trouble: map[string][]http.HandlerFunc{}}
	for _, version := range versions {
		var list strings.Builder
		for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_arm64", "windows_amd64"} {
			name := "rolloutgate_" + version + "_" + platform + ".tar.gz"
			r.files["/v"+version+"/"+name] = archive(t, version+" for "+platform, strings.HasPrefix(platform, "windows"))
			fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(r.files["/v"+version+"/"+name]), name)
		}
		r.files["/v"+version+"/checksums.txt"] = []byte(list.String())
	}
	if r.Server = httptest.NewUnstartedServer(http.HandlerFunc(r.serve)); secure {
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

// change does something to what is served.
func (r *releases) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

// wasAsked returns the paths that were asked for since the last time.
func (r *releases) wasAsked() (paths []string) {
	r.change(func() { paths, r.asked = r.asked, nil })
	return paths
}

func (r *releases) serve(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.asked = append(r.asked, q.URL.Path)
	file, there := r.files[q.URL.Path]
	var trouble http.HandlerFunc
	if first := r.trouble[q.URL.Path]; len(first) > 0 {
		trouble, r.trouble[q.URL.Path] = first[0], first[1:]
	}
	r.mu.Unlock()
	switch {
	case trouble != nil:
		trouble(w, q)
	case !there:
		http.NotFound(w, q)
	default:
		w.Write(file)
	}
}

// archive is a release for one platform.
func archive(t *testing.T, says string, windows bool) []byte {
	t.Helper()
	program := map[bool]string{true: "rolloutgate.exe", false: "rolloutgate"}[windows]
	var file bytes.Buffer
	zipped := gzip.NewWriter(&file)
	w := tar.NewWriter(zipped)
	for name, text := range map[string]string{program: "#!/bin/sh\necho " + says + "\n", "LICENSE": "text\n"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if w.Close() != nil || zipped.Close() != nil {
		t.Fatal("writing the archive")
	}
	return file.Bytes()
}

// machine is a runner on which the action is installed.
type machine struct{ dir string }

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{t.TempDir()}
	for _, dir := range []string{"temp", "cache", "action/.github"} {
		if err := os.MkdirAll(filepath.Join(m.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.pin(t, nil)
	return m
}

// pin is what the commit of the action knows about its release.
func (m machine) pin(t *testing.T, checksums []byte) {
	t.Helper()
	text := append(read(t, "../.github/checksums.txt"), checksums...)
	if err := os.WriteFile(filepath.Join(m.dir, "action/.github/checksums.txt"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// install runs the script of the action. It returns what the log says, and what the program says that it found.
func (m machine) install(t *testing.T, inputs ...string) (log, program string, ok bool) {
	t.Helper()
	at := func(name string) string { return filepath.Join(m.dir, name) }
	os.Remove(at("output"))
	os.Remove(at("path"))
	c := exec.CommandContext(t.Context(), "bash", "../.github/install.sh")
	c.Env = append(os.Environ(), "RUNNER_OS=Linux", "RUNNER_ARCH=X64", "RUNNER_TEMP="+at("temp"), "RUNNER_TOOL_CACHE="+at("cache"),
		"GITHUB_OUTPUT="+at("output"), "GITHUB_PATH="+at("path"), "ACTION_PATH="+at("action"),
		"BINARY=", "VERSION=", "INSTALL_MODE=", "INSTALL_ONLY=", "DOWNLOAD_URL=", "no_proxy=*")
	c.Env = append(c.Env, inputs...)
	out, err := c.CombinedOutput()
	if err != nil {
		if _, err := os.Stat(at("output")); err == nil {
			t.Errorf("a step that failed says where the program is:\n%s", out)
		}
		if !strings.Contains(string(out), "::error title=rolloutgate::") || c.ProcessState.ExitCode() != 2 {
			t.Errorf("%v, without an annotation:\n%s", err, out)
		}
		return string(out), "", false
	}
	path, found := strings.CutPrefix(strings.TrimSpace(string(read(t, at("output")))), "path=")
	if !found {
		t.Fatalf("no path in the outputs:\n%s", out)
	}
	says, err := exec.Command(path).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, out)
	}
	return string(out), strings.TrimSpace(string(says)), true
}

func TestInstallDownloads(t *testing.T) {
	r := newReleases(t, false, "1.2.3", "1.2.2")
	m := newMachine(t)
	m.pin(t, r.files["/v1.2.3/checksums.txt"])
	from := "DOWNLOAD_URL=" + r.URL + "/"
	for _, c := range []struct {
		name   string
		inputs []string
		want   string
		asks   []string
	}{
		{"its own release", nil, "1.2.3 for linux_amd64", []string{"/v1.2.3/rolloutgate_1.2.3_linux_amd64.tar.gz"}},
		{"again, which the cache has", []string{"INSTALL_MODE=download"}, "1.2.3 for linux_amd64", nil},
		{"for another machine", []string{"RUNNER_OS=macOS", "RUNNER_ARCH=ARM64"}, "1.2.3 for darwin_arm64", []string{"/v1.2.3/rolloutgate_1.2.3_darwin_arm64.tar.gz"}},
		{"for Windows", []string{"RUNNER_OS=Windows"}, "1.2.3 for windows_amd64", []string{"/v1.2.3/rolloutgate_1.2.3_windows_amd64.tar.gz"}},
		{"another release", []string{"VERSION=v1.2.2"}, "1.2.2 for linux_amd64", []string{"/v1.2.2/checksums.txt", "/v1.2.2/rolloutgate_1.2.2_linux_amd64.tar.gz"}},
		{"that again: the checksums are not believed to a cache", []string{"VERSION=1.2.2"}, "1.2.2 for linux_amd64", []string{"/v1.2.2/checksums.txt"}},
	} {
		log, program, ok := m.install(t, append([]string{from}, c.inputs...)...)
		if asked := r.wasAsked(); !ok || program != c.want || !slices.Equal(asked, c.asks) {
			t.Errorf("%s: installs %q and asks for %q\n%s", c.name, program, asked, log)
		}
	}

	cached := filepath.Join(m.dir, "cache/rolloutgate/1.2.3/linux_amd64/rolloutgate_1.2.3_linux_amd64.tar.gz")
	if err := os.WriteFile(cached, archive(t, "owned", false), 0o644); err != nil {
		t.Fatal(err)
	}
	if log, program, ok := m.install(t, from); !ok || program != "1.2.3 for linux_amd64" {
		t.Errorf("what somebody has put into the cache is run: %q\n%s", program, log)
	}
}

func TestInstallByTLS(t *testing.T) {
	r := newReleases(t, true, "1.2.3")
	m := newMachine(t)
	inputs := []string{"VERSION=1.2.3", "DOWNLOAD_URL=" + r.URL}
	if log, _, ok := m.install(t, inputs...); ok {
		t.Errorf("a certificate that nobody knows is trusted:\n%s", log)
	}
	authority := filepath.Join(m.dir, "ca.pem")
	if err := os.WriteFile(authority, certificate(r.Certificate()), 0o644); err != nil {
		t.Fatal(err)
	}
	if log, program, ok := m.install(t, append(inputs, "CURL_CA_BUNDLE="+authority)...); !ok || program != "1.2.3 for linux_amd64" {
		t.Errorf("installs %q\n%s", program, log)
	}
}

// TestInstallFailsClosed: what is not known to be right is not run.
func TestInstallFailsClosed(t *testing.T) {
	const file, list = "/v1.2.3/rolloutgate_1.2.3_linux_amd64.tar.gz", "/v1.2.3/checksums.txt"
	for _, c := range []struct {
		name   string
		spoil  func(*releases)
		inputs []string
		says   string
	}{
		{"another file", func(r *releases) { r.files[file] = archive(t, "owned", false) }, nil, "is not the file that its checksum is of"},
		{"half a file", func(r *releases) { r.files[file] = r.files[file][:100] }, nil, "is not the file that its checksum is of"},
		{"no file", func(r *releases) { delete(r.files, file) }, nil, "could not be fetched"},
		{"no checksums", func(r *releases) { delete(r.files, list) }, nil, "could not be fetched, so it is not installed"},
		{"checksums of other files", func(r *releases) { r.files[list] = []byte("00  x\n") }, nil, "do not have rolloutgate_1.2.3_linux_amd64.tar.gz"},
		{"two checksums of one file", func(r *releases) { r.files[list] = append(r.files[list], r.files[list]...) }, nil, "do not have"},
		{"a machine without releases", nil, []string{"RUNNER_ARCH=S390X"}, "there is no download for Linux on S390X"},
		{"the newest one", nil, []string{"VERSION=latest"}, "is not one such as v1.2.3"},
		{"another folder", nil, []string{"VERSION=1.2.3/../../x"}, "is not one such as v1.2.3"},
		{"no connection that is secure", nil, []string{"DOWNLOAD_URL=http://releases.example.com"}, "could not be fetched"},
		{"no release", nil, []string{"VERSION=", "INSTALL_MODE=download"}, "belongs to no release"},
		{"no such mode", nil, []string{"INSTALL_MODE=npm"}, "none of auto, binary, download and source"},
		{"another version from source", nil, []string{"INSTALL_MODE=source"}, "does not go with install-mode source"},
		{"no program", nil, []string{"BINARY=no-such-program"}, "names no program"},
		{"no word", nil, []string{"INSTALL_ONLY=yes"}, "neither true nor false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReleases(t, false, "1.2.3")
			if c.spoil != nil {
				r.change(func() { c.spoil(r) })
			}
			m := newMachine(t)
			log, program, ok := m.install(t, append([]string{"VERSION=v1.2.3", "DOWNLOAD_URL=" + r.URL}, c.inputs...)...)
			if ok || !strings.Contains(log, c.says) {
				t.Errorf("installs %q, and does not say %q\n%s", program, c.says, log)
			}
		})
	}
}

// TestInstallTriesAgain: a release server that is overloaded, or a connection that breaks off, ends no deployment.
func TestInstallTriesAgain(t *testing.T) {
	const file, list = "/v1.2.3/rolloutgate_1.2.3_linux_amd64.tar.gz", "/v1.2.3/checksums.txt"
	r := newReleases(t, false, "1.2.3")
	r.change(func() {
		r.trouble[list] = []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }}
		r.trouble[file] = []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("half of it"))
			panic(http.ErrAbortHandler)
		}}
	})
	log, program, ok := newMachine(t).install(t, "VERSION=1.2.3", "DOWNLOAD_URL="+r.URL)
	if !ok || program != "1.2.3 for linux_amd64" || len(r.wasAsked()) != 4 {
		t.Errorf("installs %q\n%s", program, log)
	}
}

func TestInstallOnly(t *testing.T) {
	m := newMachine(t)
	binary := filepath.Join(m.dir, "rolloutgate-linux")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho mine\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(m.dir, "path")
	if log, program, ok := m.install(t, "BINARY="+binary); !ok || program != "mine" {
		t.Errorf("installs %q\n%s", program, log)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a step that runs rolloutgate changes the PATH of those after it")
	}
	if log, program, ok := m.install(t, "BINARY="+binary, "INSTALL_ONLY=true"); !ok || program != "mine" {
		t.Errorf("installs %q\n%s", program, log)
	}
	if out, err := exec.Command(filepath.Join(strings.TrimSpace(string(read(t, path))), "rolloutgate")).Output(); err != nil || string(out) != "mine\n" {
		t.Errorf("the PATH has %q, %v", out, err)
	}
}

func certificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
