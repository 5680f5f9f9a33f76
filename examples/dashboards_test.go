package examples_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// board is what the tests read of a dashboard.
type board struct {
	Panels []struct {
		Title, Type, Description string
		Targets                  []struct{ Expr string }
		FieldConfig              struct {
			Defaults struct {
				Mappings []struct {
					Options map[string]struct{ Text string }
				}
			}
		}
	}
	Templating struct {
		List []struct{ Name, Type string }
	}
}

func readBoard(t *testing.T) board {
	t.Helper()
	var b board
	if err := json.Unmarshal(read(t, "dashboards/rolloutgate.json"), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDashboard: its queries are PromQL, they ask for what there is, and the variables are those that it has.
func TestDashboard(t *testing.T) {
	b := readBoard(t)
	variables := map[string]bool{"__range": true, "__range_s": true}
	for _, v := range b.Templating.List {
		variables[v.Name] = true
	}
	for _, name := range []string{"datasource", "namespace", "workload", "resolution"} {
		if !variables[name] {
			t.Errorf("there is no variable %s", name)
		}
	}
	queries := 0
	for _, p := range b.Panels {
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("the panel %q has no description, or no query", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			for _, name := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				if !variables[name[1]] {
					t.Errorf("%s: there is no variable %s", p.Title, name[1])
				}
			}
			promql := strings.NewReplacer("$namespace", ".*", "$workload", ".*", "$resolution", "1m", "$__range_s", "60", "$__range", "1h").Replace(target.Expr)
			asks(t, p.Title, promql, nil)
		}
	}
	if queries < 10 {
		t.Errorf("%d queries", queries)
	}
}

// TestAlertRules: what they ask for is there, and each says what to do.
func TestAlertRules(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Record, Expr string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(read(t, "dashboards/alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	tested := string(read(t, "dashboards/alerts.test.yaml")) + string(read(t, "dashboards/alerts.slow.test.yaml"))
	var recorded []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				recorded = append(recorded, r.Record)
			}
			asks(t, r.Alert+r.Record, r.Expr, recorded)
			if r.Alert != "" && (r.Annotations["summary"] == "" || r.Labels["severity"] == "") {
				t.Errorf("%s has no summary, or no severity", r.Alert)
			}
			if r.Alert != "" && !strings.Contains(tested, "alertname: "+r.Alert+"\n") {
				t.Errorf("promtool does not test that %s fires", r.Alert)
			}
		}
	}
}

// ksm are the metrics of kube-state-metrics that are asked for, by the names that it has had since version 2.
var ksm = []string{
	"kube_deployment_spec_replicas", "kube_deployment_status_replicas_updated", "kube_deployment_status_replicas_available",
	"kube_deployment_status_replicas_unavailable", "kube_deployment_status_condition", "kube_deployment_status_observed_generation",
	"kube_deployment_metadata_generation", "kube_statefulset_replicas", "kube_statefulset_status_replicas_updated",
	"kube_statefulset_status_replicas_ready", "kube_daemonset_status_desired_number_scheduled",
	"kube_daemonset_status_updated_number_scheduled", "kube_daemonset_status_number_unavailable",
}

// asks: a query is PromQL, and its metrics are those of a run, of kube-state-metrics or among recorded.
func asks(t *testing.T, where, promql string, recorded []string) {
	t.Helper()
	expr, err := parser.ParseExpr(promql)
	if err != nil {
		t.Errorf("%s: %v in %s", where, err, promql)
		return
	}
	known := slices.Concat(ksm, recorded)
	for _, m := range report.Metrics(badRun()) {
		known = append(known, m.Name)
	}
	for _, selectors := range parser.ExtractSelectors(expr) {
		for _, m := range selectors {
			if m.Name == "__name__" && !slices.Contains(known, m.Value) {
				t.Errorf("%s asks for %s, which nobody has", where, m.Value)
			}
		}
	}
}

// badRun is one that has all metrics but the time of a success.
func badRun() gate.Report {
	r := gate.Report{
		Run: gate.Run{Command: "run"}, Exit: gate.Exit{Code: gate.RolloutFailed.Code(), Name: gate.RolloutFailed.Name()},
		Changes:   []gate.Change{{Action: "configured"}},
		Workloads: []rollout.Status{{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}, Watched: true}},
		Undo:      &gate.Undo{Result: gate.UndoVerified, Duration: 1},
	}
	r.Marks.Applied, r.Marks.Undone = r.Marks.Applied.AddDate(2000, 0, 0), r.Marks.Undone.AddDate(2000, 0, 0)
	return r
}

// TestDashboardKnowsExitCodes: it has the words of the program for all of them.
func TestDashboardKnowsExitCodes(t *testing.T) {
	words := map[string]string{}
	for _, o := range gate.Outcomes() {
		if o != gate.Parked { // which has the code of a run that has passed
			words[strconv.Itoa(o.Code())] = o.Name()
		}
	}
	for _, p := range readBoard(t).Panels {
		for _, m := range p.FieldConfig.Defaults.Mappings {
			for code, value := range m.Options {
				if words[code] != value.Text {
					t.Errorf("%s: %s is %q, want %q", p.Title, code, value.Text, words[code])
				}
			}
			if len(m.Options) != len(words) {
				t.Errorf("%s has %d exit codes, want %d", p.Title, len(m.Options), len(words))
			}
		}
	}
}
