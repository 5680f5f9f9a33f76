//go:build dist

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// TestImage: the layout holds together, containerd runs it, and a registry takes it as it is.
func TestImage(t *testing.T) {
	r := made(t)
	dir := t.TempDir()
	sh(t, dir, "tar -xf "+r.path("image.tar"))
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	inner, err := index.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	checkImages(t, r, inner)

	t.Run("containerd", func(t *testing.T) { runImage(t, r) })
	t.Run("registry", func(t *testing.T) { pushImage(t, r, dir, manifest.Manifests[0].Digest.String()) })
}

func checkImages(t *testing.T, r release, index v1.ImageIndex) {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
		img, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if c := config.Config; c.User != "65532:65532" || c.WorkingDir != "/workspace" || c.Labels["org.opencontainers.image.version"] != r.version || !config.Created.Equal(r.date) {
			t.Errorf("%s: %+v, created %v", m.Platform, c, config.Created)
		}
		checkFiles(t, img)
	}
	if got := strings.Join(platforms, " "); got != "linux/amd64 linux/arm64" {
		t.Errorf("images for %s", got)
	}
}

// runImage imports the image into a containerd of its own and starts it.
func runImage(t *testing.T, r release) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "c.sock")
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = %q\n[plugins.\"io.containerd.internal.v1.opt\"]\n  path = %q\n",
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket, filepath.Join(dir, "opt"))
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	serve(t, dir, func() bool {
		return exec.Command("ctr", "--address", socket, "version").Run() == nil
	}, "containerd", "--config", filepath.Join(dir, "config.toml"))
	ctr := "ctr --address " + socket + " "
	name := repository + ":" + r.version
	// An overlay cannot lie on another one, as it would where this runs in a container.
	sh(t, dir, ctr+"images import --snapshotter native "+r.path("image.tar"))
	if got := sh(t, dir, ctr+"images list -q"); !strings.Contains(got, name+"\n") {
		t.Fatalf("imported: %s", got)
	}
	run := ctr + "run --rm --snapshotter native "
	if got := sh(t, dir, run+name+" test /usr/local/bin/rolloutgate version"); !strings.HasPrefix(got, "rolloutgate "+r.version+" ("+r.toolchain+" linux/amd64)") {
		t.Errorf("the container says %q", got)
	}
	// Its own entrypoint, without arguments, prints the help.
	if got := sh(t, dir, run+name+" test"); !strings.Contains(got, "Available Commands:") {
		t.Errorf("the entrypoint says %q", got)
	}
}

// checkFiles looks at what is in an image, and whose it is.
func checkFiles(t *testing.T, img v1.Image) {
	t.Helper()
	found, owner := map[string][]byte{}, map[string]int{}
	extracted := mutate.Extract(img)
	defer extracted.Close()
	for archive := tar.NewReader(extracted); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Trim(header.Name, "/")
		owner[name] = header.Uid
		if found[name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
	for name, user := range map[string]int{
		"usr/local/bin/rolloutgate": 0, "usr/share/doc/rolloutgate/LICENSE": 0, "usr/share/doc/rolloutgate/" + thirdPartyFile: 0,
		"etc/passwd": 0, "etc/group": 0, "tmp": 0, "workspace": nonroot, "home/nonroot": nonroot,
	} {
		if _, ok := found[name]; !ok || owner[name] != user {
			t.Errorf("%s: there %t, of user %d, want %d", name, ok, owner[name], user)
		}
	}
	roots := found["etc/ssl/certs/ca-certificates.crt"]
	if !x509.NewCertPool().AppendCertsFromPEM(roots) || bytes.Count(roots, []byte("BEGIN CERTIFICATE")) < 100 {
		t.Errorf("%d bytes of certificates", len(roots))
	}
}

// pushImage does what the release does with the image, to a registry of this machine.
func pushImage(t *testing.T, r release, layout, digest string) {
	dir := t.TempDir()
	config := "version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: " + dir + "}}\nhttp: {addr: '127.0.0.1:28543'}\n"
	if err := os.WriteFile(filepath.Join(dir, "registry.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	serve(t, dir, func() bool {
		return exec.Command("curl", "--fail", "--silent", "http://127.0.0.1:28543/v2/").Run() == nil
	}, "docker-registry", "serve", filepath.Join(dir, "registry.yml"))
	name := "127.0.0.1:28543/rolloutgate:" + r.version
	sh(t, ".", "go tool crane push "+layout+" "+name)
	if got := sh(t, ".", "go tool crane digest "+name); got != digest+"\n" {
		t.Errorf("the registry has the digest %s, the layout %s", got, digest)
	}
}

// serve runs a server until the test ends, and waits until it answers.
func serve(t *testing.T, dir string, answers func() bool, command ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, command[0]+".log"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Stdout, c.Stderr = log, log
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s:\n%s", command[0], text)
		}
	})
	for began := time.Now(); !answers(); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("%s does not answer", command[0])
		}
	}
}
