package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestReportsPage: every form has its section, which names its file.
func TestReportsPage(t *testing.T) {
	page := string(readFile(t, "docs/reports.md"))
	var table strings.Builder
	table.WriteString("| `-o` | file in `--report-dir` | while the run goes on |\n|---|---|---|\n")
	for i, f := range report.Formats() {
		file, live := "", ""
		if f.File != "" {
			file = "`" + f.File + "`"
		}
		if i == 0 || f.Stream != nil { // the console is not the form itself
			live = "yes"
		}
		fmt.Fprintf(&table, "| [`%s`](#%s) | %s | %s |\n", f.Name, f.Name, file, live)
		_, section, there := strings.Cut(page, "\n## "+f.Name+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !there || !strings.Contains(section, f.File) || len(strings.Fields(section)) < 20 {
			t.Errorf("the section of %s does not say what its file is:\n%s", f.Name, section)
		}
	}
	generated(t, "docs/reports.md", "formats", table.String())
	names := formatNames(report.Formats())
	for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(page, -1) {
		if heading[1] != "html" && !slices.Contains(names, heading[1]) {
			t.Errorf("there is no format %q", heading[1])
		}
	}
}

// TestReportsPageEvents: the page has every event, in the words of the schema.
func TestReportsPageEvents(t *testing.T) {
	var schema struct {
		OneOf []struct {
			Properties struct{ Type, Name struct{ Const string } }
		}
		Defs map[string]struct{ Description string } `json:"$defs"`
	}
	if err := json.Unmarshal(report.EventsSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| `type` | `name` | what it is |\n|---|---|---|\n")
	for _, e := range schema.OneOf {
		kind, name := e.Properties.Type.Const, e.Properties.Name.Const
		_, what, _ := strings.Cut(schema.Defs[name].Description, " ")
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", kind, name, cell(strings.TrimPrefix(firstSentence(what), "is ")))
	}
	generated(t, "docs/reports.md", "events", table.String())
}

// everySeries is a report that has a value for each series there is.
func everySeries() []gate.Report {
	at := time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)
	bad := gate.Report{
		Run:       gate.Run{Command: "run", Namespace: "shop", Started: at, Finished: at.Add(time.Minute)},
		Exit:      gate.Exit{Code: gate.RolloutFailed.Code(), Name: gate.RolloutFailed.Name()},
		Changes:   []gate.Change{{Object: deploymentWeb, Source: manifest.Source{}, Action: "configured"}},
		Workloads: []rollout.Status{{Ref: deploymentWeb, Watched: true}},
		Undo:      &gate.Undo{Result: gate.UndoVerified, Duration: 5},
		Marks:     gate.Marks{Applied: at, Undone: at.Add(time.Second)},
	}
	good := bad
	good.Exit, good.Undo = gate.Exit{Name: gate.Passed.Name()}, nil
	return []gate.Report{bad, good}
}

// TestReportsPageSeries: the page has every series with its help, and its queries ask for nothing else.
func TestReportsPageSeries(t *testing.T) {
	help := map[string]string{}
	for _, r := range everySeries() {
		for _, m := range report.Metrics(r) {
			help[m.Name] = m.Help
		}
	}
	var table strings.Builder
	table.WriteString("| series | what it is |\n|---|---|\n")
	var names []string
	for name := range help {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		label := ""
		if name == "rolloutgate_verdict" {
			label = `{verdict="…"}`
		}
		fmt.Fprintf(&table, "| `%s%s` | %s |\n", name, label, help[name])
	}
	generated(t, "docs/reports.md", "series", table.String())
	page := string(readFile(t, "docs/reports.md"))
	for _, name := range regexp.MustCompile(`rolloutgate_[a-z_]+`).FindAllString(page, -1) {
		if help[name] == "" {
			t.Errorf("there is no series %s", name)
		}
	}
	queries := regexp.MustCompile("(?ms)^```promql\n(.*?)^```").FindAllStringSubmatch(page, -1)
	for _, q := range queries {
		if _, err := parser.ParseExpr(q[1]); err != nil {
			t.Errorf("%v in\n%s", err, q[1])
		}
	}
	if len(queries) == 0 {
		t.Error("the page has no queries")
	}
}
