// Package promtest is a rig for tests that need a real Prometheus: servers of
// two major versions, fake pods for them to scrape, and a proxy that breaks
// their answers.
//
// It takes a test and what the test wants to happen: which pods exist and what
// they count ([Exporter]), which version scrapes them ([Each], [Start]), what
// goes wrong on the way to the client ([FaultProxy]). It returns URLs for the
// client under test, and answers of the server for comparison. Everything it
// starts ends with the test, and what a server logged is shown when the test
// has failed.
//
// It never uses random numbers, never listens outside the loopback interface,
// never downloads anything and never judges a value.
package promtest

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Binary is an installed Prometheus.
type Binary struct {
	Path    string
	Version string // "2.42.0"
	Major   int
	Minor   int

	victoria bool // it is VictoriaMetrics
}

// origin is where a major version comes from.
type origin struct {
	major int
	from  string
}

// known says where each major version comes from. They differ in what a range
// selects: [10s] of version 2 includes a sample at its very beginning.
var known = []origin{
	{2, "install Debian's package prometheus"},
	{3, "run `bin/sandbox build`, or the tests inside `bin/sandbox run --`"},
}

// Servers returns the binaries this machine has, version 2 before version 3.
// The test fails when one of them is missing: nobody would notice a skipped one.
func Servers(t testing.TB) []Binary {
	t.Helper()
	var found []Binary
	for _, k := range known {
		found = append(found, server(t, k.major))
	}
	return found
}

// server is the binary of a major version.
func server(t testing.TB, major int) Binary {
	t.Helper()
	b, ok := installed()[major]
	if !ok {
		i := slices.IndexFunc(known, func(k origin) bool { return k.major == major })
		t.Fatalf("no Prometheus %d: %s", major, known[i].from)
	}
	return b
}

// Starter starts a server of the version that a subtest is about; see [Start].
type Starter func(t testing.TB, o Options) *Server

// Each runs a subtest for each major version, in parallel, and returns when all
// have ended. That of a version that is missing fails.
func Each(t *testing.T, test func(t *testing.T, start Starter)) {
	t.Run("on", func(t *testing.T) { // else the subtests would only begin when the caller has returned
		for _, k := range known {
			t.Run("prometheus"+strconv.Itoa(k.major), func(t *testing.T) {
				t.Parallel()
				b := server(t, k.major)
				test(t, func(t testing.TB, o Options) *Server {
					t.Helper()
					o.Binary = b
					return Start(t, o)
				})
			})
		}
	})
}

// installed finds the binaries once: the first of each major version in PATH,
// where `sandbox run` puts its own, then what the sandbox has built.
var installed = sync.OnceValue(func() map[int]Binary {
	found := map[int]Binary{}
	for _, path := range candidates() {
		b, ok := inspect(path)
		if _, have := found[b.Major]; ok && !have {
			found[b.Major] = b
		}
	}
	return found
})

// candidates lists what might be a Prometheus, best first.
func candidates() []string {
	var paths []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		paths = append(paths, filepath.Join(dir, "prometheus"))
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return paths
	}
	built, _ := filepath.Glob(filepath.Join(cache, "rolloutgate", "components", "*", "prometheus"))
	when := map[string]time.Time{}
	for _, path := range built {
		if info, err := os.Stat(path); err == nil {
			when[path] = info.ModTime()
		}
	}
	slices.SortFunc(built, func(a, b string) int { return when[b].Compare(when[a]) }) // the newest first
	return append(paths, built...)
}

const module = "github.com/prometheus/prometheus"

var (
	printed  = regexp.MustCompile(`^prometheus, version (\d+)\.(\d+)\.(\d+)`)
	required = regexp.MustCompile(`^v(\d+)\.(\d)(\d\d)\.(\d+)$`) // v0.310.0 of the module is 3.10.0 of the server
)

// inspect finds the version of a binary, in the list of its modules or in what
// it prints: a release knows its version, but not as that of a module; one that
// was built as a dependency is the other way round.
func inspect(path string) (Binary, bool) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return Binary{}, false
	}
	if info, err := buildinfo.ReadFile(path); err == nil {
		for _, m := range append(info.Deps, &info.Main) {
			if v := required.FindStringSubmatch(m.Version); m.Path == module && v != nil {
				return numbered(path, v[2], v[3], v[4]), true
			}
		}
	}
	out, err := exec.Command(path, "--version").CombinedOutput()
	if v := printed.FindStringSubmatch(string(out)); err == nil && v != nil {
		return numbered(path, v[1], v[2], v[3]), true
	}
	return Binary{}, false
}

func numbered(path, major, minor, patch string) Binary {
	b := Binary{Path: path}
	b.Major, _ = strconv.Atoi(major)
	b.Minor, _ = strconv.Atoi(minor)
	b.Version = strings.Join([]string{major, strconv.Itoa(b.Minor), patch}, ".")
	return b
}
