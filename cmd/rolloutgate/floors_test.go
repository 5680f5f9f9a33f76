package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rolloutgate/rolloutgate/"

// floors are the packages of the house, top floor first. A package imports only packages below its own floor, or, on the
// ground floor, those of its neighbours that neighbours names.
var floors = [][]string{
	{"cmd/rolloutgate"},
	{"gate/live", "gate/telemetry"},
	{"gate/report", "gate/notice"},
	{"gate"},
	{"gate/criteria"},
	{"gate/cluster", "gate/tunnel", "analysis/prometheus", "analysis/endpoint"},
	{"gate/manifest", "gate/patch", "gate/record", "gate/rollout", "gate/order", "gate/rights", "gate/drill", "gate/diagnosis", "gate/diagnosis/messages", "analysis", "analysis/stats"},
	{"internal/wording"},
}

var neighbours = map[string][]string{
	"gate/patch":     {"gate/manifest"},
	"gate/record":    {"gate/manifest", "gate/patch", "gate/rollout"},
	"gate/diagnosis": {"gate/rollout", "gate/manifest", "gate/diagnosis/messages"},
	"gate/rollout":   {"gate/manifest"},
	"gate/order":     {"gate/manifest"},
	"gate/rights":    {"gate/manifest", "gate/rollout"},
	"gate/drill":     {"gate/record", "gate/rollout"},
	"analysis":       {"analysis/stats"},
	// What is no Prometheus is asked in the same way: credentials, certificates, limits.
	"analysis/endpoint": {"analysis/prometheus"},
	"gate/notice":       {"gate/report"},
}

// homes are modules that only some packages may import. A prefix that ends with a slash stands for all packages below;
// of several that fit, the longest decides.
var homes = map[string][]string{
	"github.com/sethvargo/go-githubactions":           {"cmd/rolloutgate"},
	"github.com/spf13/":                               {"cmd/rolloutgate"},
	"github.com/prometheus/client_golang/":            {"analysis/prometheus"},
	"github.com/prometheus/client_golang/prometheus/": {"gate/telemetry"},
	"go.opentelemetry.io/":                            {"gate/telemetry"},
	"github.com/prometheus/client_model/":             {"gate/telemetry"},
	"google.golang.org/protobuf/":                     {"gate/telemetry"},
	"github.com/hashicorp/go-retryablehttp":           {"analysis/prometheus", "gate/notice", "gate/telemetry"},
	"github.com/wneessen/go-mail":                     {"gate/notice"},
	"github.com/mattn/go-runewidth":                   {"gate/live"},
	"golang.org/x/term":                               {"cmd/rolloutgate"},
	"github.com/prometheus/prometheus/":               {"analysis"},
	"github.com/theory/jsonpath":                      {"analysis"},
	"sigs.k8s.io/kustomize/":                          {"gate/manifest"},
	"k8s.io/client-go/":                               {"gate/cluster", "gate/tunnel"},
	"k8s.io/client-go/applyconfigurations":            {"gate/patch"},
	"k8s.io/client-go/kubernetes/scheme":              {"gate/patch", "gate/cluster", "gate/rights"},
	"k8s.io/kube-openapi/":                            {"gate/patch", "gate/cluster"},
	"sigs.k8s.io/structured-merge-diff/":              {"gate/patch"},
	"k8s.io/streaming/":                               {"gate/tunnel"},
	"golang.org/x/oauth2":                             {"analysis/prometheus", "gate/cluster"},
	"golang.org/x/net/":                               {"analysis/prometheus"},
	"k8s.io/cli-runtime/":                             {"cmd/rolloutgate"},
	"k8s.io/apimachinery/pkg/watch":                   {"gate/cluster"},
	"net/http":                                        {"gate/cluster", "gate/tunnel", "analysis/prometheus", "analysis/endpoint", "gate/notice", "gate/telemetry", "cmd/rolloutgate"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestFloors(t *testing.T) {
	for _, p := range packages(t) {
		own := floorOf(p.ImportPath)
		if own < 0 {
			t.Errorf("%s stands on no floor: add it to floors", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			path, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			other := floorOf(path)
			if other > own || slices.Contains(neighbours[p.ImportPath], path) {
				continue
			}
			t.Errorf("%s imports %s, which is not below it", p.ImportPath, path)
		}
	}
}

// TestAnalysisStandsAlone: it can be read and used without Kubernetes.
func TestAnalysisStandsAlone(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath != "analysis" && !strings.HasPrefix(p.ImportPath, "analysis/") {
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, module+"gate") || strings.HasPrefix(imported, "k8s.io/") || strings.HasPrefix(imported, "sigs.k8s.io/") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

func TestOneHome(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if allowed, bound := homeOf(imported); bound && !slices.Contains(allowed, p.ImportPath) {
				t.Errorf("%s imports %s, whose home is %s", p.ImportPath, imported, strings.Join(allowed, " and "))
			}
		}
	}
}

func homeOf(imported string) (allowed []string, bound bool) {
	longest := ""
	for prefix, home := range homes {
		inside := imported == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(imported+"/", prefix)
		if inside && len(prefix) > len(longest) {
			longest, allowed, bound = prefix, home, true
		}
	}
	return allowed, bound
}

// TestOnlyOnePlaceKnowsGitHub: the library panics when it cannot write, so one file deals with that.
func TestOnlyOnePlaceKnowsGitHub(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" || strings.HasSuffix(e.Name(), "_test.go") || e.Name() == "ci_github.go" {
			continue
		}
		data, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), `"github.com/sethvargo/go-githubactions"`) {
			t.Errorf("%s imports go-githubactions, which belongs to ci_github.go alone", e.Name())
		}
	}
}

func floorOf(path string) int {
	for i, floor := range floors {
		if slices.Contains(floor, path) {
			return i
		}
	}
	return -1
}

// packages lists the module's packages without those that hold only tests, by their paths inside the module.
func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", "../../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			goPackage
			GoFiles []string
		}
		if err := decoder.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		if len(p.GoFiles) > 0 && !strings.HasPrefix(p.ImportPath, "internal/") {
			all = append(all, p.goPackage)
		}
	}
}
