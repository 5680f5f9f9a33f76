package node

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// cniDirs are where distributions put the CNI plugins: Debian's package first.
var cniDirs = []string{"/usr/lib/cni", "/opt/cni/bin"}

// programs are looked up in sbinPath, each with the Debian package that holds it.
var programs = []struct{ name, pkg string }{
	{"containerd", "containerd"},
	{"containerd-shim-runc-v2", "containerd"},
	{"runc", "runc"},
	{"docker-registry", "docker-registry"},
	{"ip", "iproute2"},
	{"iptables", "iptables"},
	{"mount", "mount"},
	{"nsenter", "util-linux"},
}

// Missing lists what this machine lacks for a real node, one phrase each: "root", or a program with its Debian package.
// An empty list means that Start can work.
func Missing() []string {
	if runtime.GOOS != "linux" {
		return []string{"Linux (a real node needs its kernel)"}
	}
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	for _, p := range programs {
		if lookPath(p.name) == "" {
			missing = append(missing, p.name+" (package "+p.pkg+")")
		}
	}
	if cniDir() == "" {
		missing = append(missing, "CNI plugins (package containernetworking-plugins)")
	}
	return missing
}

// AptGet is the line that installs the packages named in the phrases of Missing, or "" when none of them is a package.
func AptGet(missing []string) string {
	var packages []string
	for _, phrase := range missing {
		if _, rest, ok := strings.Cut(phrase, "(package "); ok {
			packages = append(packages, strings.TrimSuffix(rest, ")"))
		}
	}
	if len(packages) == 0 {
		return ""
	}
	slices.Sort(packages)
	return "apt-get install --yes --no-install-recommends " + strings.Join(slices.Compact(packages), " ")
}

// sbinPath is the PATH inside the node; an ordinary user's PATH often lacks the sbin directories.
const sbinPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func lookPath(program string) string {
	for _, dir := range filepath.SplitList(sbinPath) {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path
		}
	}
	return ""
}

func cniDir() string {
	for _, dir := range cniDirs {
		if hasPlugins(dir) {
			return dir
		}
	}
	return ""
}

func hasPlugins(dir string) bool {
	for _, plugin := range []string{"bridge", "host-local", "loopback"} {
		if _, err := os.Stat(filepath.Join(dir, plugin)); err != nil {
			return false
		}
	}
	return true
}
