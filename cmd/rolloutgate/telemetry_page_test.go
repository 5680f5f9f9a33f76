package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestTelemetryPage: the page has every metric of a run, with its own words.
func TestTelemetryPage(t *testing.T) {
	table := "| metric | what it is |\n|---|---|\n"
	var names []string
	for _, exit := range []gate.Outcome{gate.Passed, gate.RolloutFailed} {
		r := gate.Report{
			Run: gate.Run{Command: "run"}, Exit: gate.Exit{Code: exit.Code(), Name: exit.Name()}, Changes: []gate.Change{{Action: "configured"}},
			Workloads: []rollout.Status{{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}, Watched: true}},
			Undo:      &gate.Undo{Result: gate.UndoVerified, Duration: 1},
			Marks:     gate.Marks{Applied: time.Unix(1, 0), Undone: time.Unix(2, 0)},
		}
		for _, m := range report.Metrics(r) {
			row := fmt.Sprintf("| `%s` | %s |\n", m.Name, m.Help)
			if !slices.Contains(names, row) {
				names = append(names, row)
			}
		}
	}
	slices.Sort(names)
	generated(t, "docs/telemetry.md", "metrics", table+strings.Join(names, ""))
}

// TestAlertsPage: the page has every alert, with its severity.
func TestAlertsPage(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert  string
				Labels struct{ Severity string }
			}
		}
	}
	if err := yaml.Unmarshal(readFile(t, "examples/dashboards/alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	page, alerts := string(readFile(t, panelsPage)), 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			alerts++
			_, row, found := strings.Cut(page, "| `"+r.Alert+"` | ")
			row, _, _ = strings.Cut(row, "\n")
			if !found || !strings.HasSuffix(row, " | "+r.Labels.Severity+" |") {
				t.Errorf("%s does not have %s with its severity %s: %q", panelsPage, r.Alert, r.Labels.Severity, row)
			}
		}
	}
	if _, section, _ := strings.Cut(page, "## The alerts"); strings.Count(section, "\n| `") != alerts {
		t.Errorf("%s does not have %d alerts", panelsPage, alerts)
	}
}
