package node

import (
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Registry is the first part of every image reference. It is a name and not an address, so that manifests stay the same
// from one start to the next.
const Registry = "registry.sandbox"

// pauseImage holds each pod's network; it is the test application again, with another command.
const pauseImage = Registry + "/pause:v1"

// The catalogue, filled by fillRegistry:
//
//	web:v1 web:v2 web:v3   the test application, with VERSION in its environment; runs as root, has no shell
//	web:nonroot            the same as user 65532
//	web:user               the same as the user "web", whom a kubelet cannot check against runAsNonRoot
//	web:broken             its entrypoint does not exist
//	web:garbage            its entrypoint is no program ("exec format error")
//	web:foreign            only for an architecture that this machine has not ("no match for platform")
//	large:v1               web:v1 with 48 MB of random bytes
//	slow:v1 slow:v2        web:v1 and web:v2 with 8 MB each, served at 1 MB a second
//	pause:v1               for the pods themselves
func (n *Node) fillRegistry(ctx context.Context) error {
	if err := n.inside.waitFor(ctx, registrySocket); err != nil {
		return err
	}
	program, err := n.testapp(ctx)
	if err != nil {
		return err
	}
	n.cfg.Log("filling the registry")
	catalogue, err := catalogue(program)
	if err != nil {
		return err
	}
	for _, c := range catalogue {
		if err := n.Push(ctx, c.repository, c.tag, c.image); err != nil {
			return err
		}
	}
	return nil
}

// testapp reads the test application's program, and builds it first if no path is given.
func (n *Node) testapp(ctx context.Context) ([]byte, error) {
	path := n.cfg.Testapp
	if path == "" {
		n.cfg.Log("building the test application")
		path = filepath.Join(n.cfg.Dir, "testapp")
		cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", path, "github.com/rolloutgate/rolloutgate/sandbox/testapp")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building the test application: %w: %s (run inside the sandbox module, or set Config.Testapp)",
				err, strings.TrimSpace(string(out)))
		}
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the test application: %w", err)
	}
	return program, nil
}

type entry struct {
	repository, tag string
	image           Image
}

func catalogue(program []byte) ([]entry, error) {
	var failed error
	layer := func(level int, f File) Layer {
		l, err := NewLayer(level, f)
		if err != nil {
			failed = err
		}
		return l
	}
	app := layer(gzip.BestSpeed, File{"/testapp", program})
	garbage := layer(gzip.BestSpeed, File{"/testapp", []byte("this is not a program\n")})
	ballast := func(megabytes int, seed byte) Layer {
		return layer(gzip.NoCompression, File{"/ballast", randomBytes(megabytes<<20, seed)})
	}
	web := func(version string, more ...Layer) Image {
		return Image{
			Layers:     append([]Layer{app}, more...),
			Entrypoint: []string{"/testapp"},
			Env:        []string{"VERSION=" + version},
		}
	}
	nonroot, user, broken, foreign := web("v1"), web("v1"), web("v1"), web("v1")
	nonroot.User = "65532"
	user.User = "web"
	broken.Entrypoint = []string{"/usr/local/bin/web-server"}
	foreign.Arch = "s390x"
	entries := []entry{
		{"pause", "v1", Image{Layers: []Layer{app}, Entrypoint: []string{"/testapp", "pause"}}},
		{"web", "v1", web("v1")},
		{"web", "v2", web("v2")},
		{"web", "v3", web("v3")},
		{"web", "nonroot", nonroot},
		{"web", "user", user},
		{"web", "broken", broken},
		{"web", "garbage", Image{Layers: []Layer{garbage}, Entrypoint: []string{"/testapp"}}},
		{"web", "foreign", foreign},
		{"large", "v1", web("v1", ballast(48, 0))},
		{"slow", "v1", web("v1", ballast(8, 1))},
		{"slow", "v2", web("v2", ballast(8, 2))},
	}
	return entries, failed
}

// randomBytes does not compress, and is the same each time, so that a registry that has it need not get it again.
func randomBytes(n int, seed byte) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}
