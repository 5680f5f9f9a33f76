package report

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func renderMetrics(t *testing.T, r gate.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := OpenMetrics(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// releases are reports that say more about releases than those of testdata.
func releases() map[string]gate.Report {
	failed := stagedReport()
	passed := stagedReport()
	passed.Exit, passed.Undo, passed.Marks.Undone = gate.Exit{Name: "passed"}, nil, time.Time{}
	rejected := stagedReport()
	rejected.Exit = gate.Exit{Code: 14, Name: "rejected"}
	same := stagedReport()
	same.Exit, same.Undo, same.Changes[0].Action = gate.Exit{Name: "passed"}, nil, "unchanged"
	taken := stagedReport()
	taken.Run.Command, taken.Exit, taken.Workloads, taken.Changes, taken.Marks = "undo", gate.Exit{Name: "passed"}, nil, nil, gate.Marks{}
	taken.Undo.State = record.Passed
	again := taken // of a release that was found bad by its run, or was cancelled
	again.Undo = new(*taken.Undo)
	again.Undo.State = record.Partly
	idle := taken
	idle.Undo = &gate.Undo{Result: gate.UndoNothing}
	seen := stagedReport()
	seen.Run.Command, seen.Changes, seen.Exit, seen.Undo = "watch", nil, gate.Exit{Code: 21, Name: "not-undone"}, &gate.Undo{Result: gate.UndoSkipped}
	hostile := stagedReport()
	hostile.Changes, hostile.Run.Namespace, hostile.Workloads[0].Ref.Namespace = nil, "a\"b\\\n}", ""
	jobs := stagedReport()
	jobs.Workloads = append(jobs.Workloads, rollout.Status{Ref: manifest.Ref{Group: "batch", Kind: "Job", Namespace: "shop", Name: "migrate-7"}, Watched: true})
	parked := stagedReport()
	parked.Exit, parked.Undo, parked.Marks.Undone = gate.Exit{Name: "parked"}, nil, time.Time{}
	planned := stagedReport()
	planned.Run.Command = "plan"
	return map[string]gate.Report{
		"failed": failed, "passed": passed, "rejected": rejected, "nothing changed": same, "undo": taken, "undo of nothing": idle, "undo of a bad one": again,
		"watch": seen, "hostile": hostile, "jobs": jobs, "plan": planned, "parked": parked,
		"unbegun": gate.Gate{Namespace: "shop"}.Unbegun("run", gate.Invalid, nil),
	}
}

// TestMetricsAreValid: Prometheus' own tool takes what is written, and finds nothing to complain about.
func TestMetricsAreValid(t *testing.T) {
	needs(t, "promtool", "prometheus")
	all := reports(t)
	for name, r := range oddReports() {
		all[name] = r
	}
	for name, r := range releases() {
		all[name] = r
	}
	for name, r := range all {
		text := renderMetrics(t, r)
		if !strings.HasSuffix(text, "# EOF\n") {
			t.Errorf("%s: has no end", name)
		}
		check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
		check.Stdin = strings.NewReader(text)
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: promtool: %v\n%s\n%s", name, err, out, text)
		}
	}
}

// TestMetrics: which kinds of end a run has, for whom, and how long it took.
func TestMetrics(t *testing.T) {
	web := `{namespace="shop",workload="deployment/web"} `
	const finished = "1795192859"
	for name, want := range map[string][]string{
		"failed": {
			"duration_seconds" + web + "59", "exit_code" + web + "10", "last_change_timestamp_seconds" + web + finished,
			"last_failure_timestamp_seconds" + web + finished, "last_run_timestamp_seconds" + web + finished,
			"last_undo_timestamp_seconds" + web + finished, "restore_seconds" + web + "45.5", "undo_seconds" + web + "6.5",
		},
		"passed": {
			"duration_seconds" + web + "59", "exit_code" + web + "0", "last_change_timestamp_seconds" + web + finished,
			"last_run_timestamp_seconds" + web + finished, "last_success_timestamp_seconds" + web + finished,
		},
		"rejected": { // put back, and nobody says that it was bad
			"duration_seconds" + web + "59", "exit_code" + web + "14", "last_change_timestamp_seconds" + web + finished,
			"last_run_timestamp_seconds" + web + finished, "last_undo_timestamp_seconds" + web + finished, "undo_seconds" + web + "6.5",
		},
		"nothing changed": {
			"duration_seconds" + web + "59", "exit_code" + web + "0", "last_run_timestamp_seconds" + web + finished, "last_success_timestamp_seconds" + web + finished,
		},
		"undo": {
			"duration_seconds" + web + "59", "exit_code" + web + "0", "last_failure_timestamp_seconds" + web + finished,
			"last_run_timestamp_seconds" + web + finished, "last_undo_timestamp_seconds" + web + finished, "undo_seconds" + web + "6.5",
		},
		"undo of a bad one": {
			"duration_seconds" + web + "59", "exit_code" + web + "0",
			"last_run_timestamp_seconds" + web + finished, "last_undo_timestamp_seconds" + web + finished, "undo_seconds" + web + "6.5",
		},
		"undo of nothing": {`duration_seconds{namespace="shop"} 59`, `exit_code{namespace="shop"} 0`, `last_run_timestamp_seconds{namespace="shop"} ` + finished},
		"watch": {
			"duration_seconds" + web + "59", "exit_code" + web + "21", "last_change_timestamp_seconds" + web + finished,
			"last_failure_timestamp_seconds" + web + finished, "last_run_timestamp_seconds" + web + finished,
		},
		"parked": {"duration_seconds" + web + "59", "exit_code" + web + "0", "last_run_timestamp_seconds" + web + finished},
		"plan":   nil,
	} {
		var got []string
		for line := range strings.Lines(renderMetrics(t, releases()[name])) {
			if line, ours := strings.CutPrefix(strings.TrimSpace(line), "rolloutgate_"); ours && !strings.HasPrefix(line, "verdict") {
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestMetricsOfVerdicts: each run has a series for each verdict, and one of them is 1.
func TestMetricsOfVerdicts(t *testing.T) {
	for name, r := range releases() {
		verdicts := map[string]float64{}
		for _, m := range Metrics(r) {
			if m.Name == "rolloutgate_verdict" {
				verdicts[m.Labels[len(m.Labels)-1].Value] += m.Value
			}
		}
		for _, o := range gate.Outcomes() {
			value, there := verdicts[o.Name()]
			if there != Released(r) || value != map[bool]float64{true: 1}[o.Name() == r.Exit.Name && there] {
				t.Errorf("%s: the verdict %s is %g (%t)", name, o.Name(), value, there)
			}
		}
	}
}

// TestMetricsStay: neither the id of a run nor the name of a Job makes a series that nobody hears of again.
func TestMetricsStay(t *testing.T) {
	for name, r := range releases() {
		for _, m := range Metrics(r) {
			for _, l := range m.Labels {
				if strings.Contains(l.Value, "migrate") || l.Value == r.Run.ID || !slices.Contains([]string{"namespace", "workload", "verdict"}, l.Name) {
					t.Errorf("%s: %s has the label %s=%q", name, m.Name, l.Name, l.Value)
				}
			}
		}
	}
}
