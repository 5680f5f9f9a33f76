// Package components turns a go.mod into the programs a sandbox runs.
//
// It takes the module files that pin the versions and a cache directory, and returns a directory with one
// executable for each component. It never downloads anything by itself: the Go tool does, through its usual
// proxy and checksum database. A finished set is kept under a key made of everything that shapes it, so a
// second sandbox links nothing.
package components

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Component is one program the sandbox builds.
type Component struct {
	Name    string // file name in the binary directory
	Package string // import path of its main package
	Module  string // module whose version it carries
}

// Base is what every sandbox needs.
func Base() []Component {
	return []Component{
		{"etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"},
		{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes"},
		{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "k8s.io/kubernetes"},
		{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "k8s.io/kubernetes"},
		{"kubectl", "k8s.io/kubernetes/cmd/kubectl", "k8s.io/kubernetes"},
		{"kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok"},
		{"prometheus", "github.com/prometheus/prometheus/cmd/prometheus", "github.com/prometheus/prometheus"},
	}
}

// Node is what a sandbox with a real node needs on top.
func Node() []Component {
	return []Component{
		{"kubelet", "k8s.io/kubernetes/cmd/kubelet", "k8s.io/kubernetes"},
		{"kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy", "k8s.io/kubernetes"},
	}
}

// output is the name the Go tool gives the executable: the last element of the
// import path, without a major version suffix.
func (c Component) output() string {
	base := path.Base(c.Package)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		return path.Base(path.Dir(c.Package))
	}
	return base
}

// Module is the pair of files that pins every version.
type Module struct {
	Mod []byte
	Sum []byte
}

// Version returns the version required for the module with this path, or "".
func (m Module) Version(module string) string {
	lines := bufio.NewScanner(bytes.NewReader(m.Mod))
	for lines.Scan() {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "require "))
		if len(fields) >= 2 && fields[0] == module && strings.HasPrefix(fields[1], "v") {
			return fields[1]
		}
	}
	return ""
}

// Versions maps each component's name to its version.
func (m Module) Versions(of []Component) map[string]string {
	versions := map[string]string{}
	for _, c := range of {
		versions[c.Name] = m.Version(c.Module)
	}
	return versions
}

// tags leave all of Prometheus' service discoveries out except Kubernetes: they
// drag in the SDK of every cloud.
const tags = "remove_all_sd,enable_kubernetes_sd"

// Flags are those of the compiler.
type Flags []string

// Quick makes the compiler quick, not its result: nothing is inlined, a package is compiled by one thread, as there are
// thousands of them, and no debug information is made that the linker would leave out again. The standard library is
// compiled as `make build` compiles it, once for both. The Makefile has the same flags for the sandbox itself, which shares
// many packages with its components.
func Quick() Flags {
	return Flags{"-trimpath", "-gcflags=all=-l -c=1 -dwarf=false", "-gcflags=std=-dwarf=false"}
}

// Optimized is for measuring beside a component: what it does takes as long as in a release of it.
func Optimized() Flags { return Flags{"-trimpath", "-gcflags=all=-dwarf=false"} }

// linkFlags stamps the Kubernetes version into the binaries. Without it the
// server reports v0.0.0-master and clients cannot parse its version.
func linkFlags(kubernetes string) string {
	const pkg = "k8s.io/component-base/version."
	major, rest, _ := strings.Cut(strings.TrimPrefix(kubernetes, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	flags := []string{"-s", "-w"}
	for _, pair := range [][2]string{
		{"gitVersion", kubernetes},
		{"gitMajor", major},
		{"gitMinor", minor},
		{"gitTreeState", "clean"},
		{"gitCommit", "sandbox"},
		{"buildDate", "2026-01-01T00:00:00Z"},
	} {
		flags = append(flags, "-X", pkg+pair[0]+"="+pair[1])
	}
	return strings.Join(flags, " ")
}

// key names a set of binaries by everything that shapes them.
func key(m Module, flags Flags, goVersion string) string {
	sum := sha256.New()
	parts := slices.Concat(m.pins(), standinTexts(), flags, []string{tags, linkFlags(m.Version("k8s.io/kubernetes")), goVersion})
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// pins are the lines of go.mod that decide what is built: the versions, in any
// order. A comment or another grouping must not cost a build.
func (m Module) pins() []string {
	var pins []string
	lines := bufio.NewScanner(bytes.NewReader(m.Mod))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "//")
		line = strings.Join(strings.Fields(line), " ")
		if strings.Contains(line, " v") {
			pins = append(pins, strings.TrimPrefix(line, "require "))
		}
	}
	slices.Sort(pins)
	return pins
}
