package report

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// TestReleasesCanBeCounted: what docs/reports.md asks of the series has the right answer, as Prometheus' own engine evaluates
// it, when runs have pushed them one after another and each has left what it has no value for.
func TestReleasesCanBeCounted(t *testing.T) {
	needs(t, "promtool", "prometheus")
	page, err := os.ReadFile("../../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		found := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```").FindSubmatch(page)
		if found == nil {
			t.Fatalf("the page has no %s", language)
		}
		return string(found[1])
	}
	all := releases()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := write("rules.yaml", block("yaml"))
	labels := `{namespace="shop",workload="deployment/web"}`
	tests := fmt.Sprintf("rule_files: [%s]\nevaluation_interval: 1m\ntests:\n", rules)
	for _, c := range []struct {
		runs  []string
		wants map[string]string
	}{
		{[]string{"failed", "passed", "passed", "rejected", "failed", "nothing changed", "passed", "undo", "plan", "passed", "unbegun", "passed", "failed", "passed", "failed"},
			map[string]string{"rolloutgate:releases:30d": "11", "rolloutgate:failures:30d": "5", "rolloutgate:failures_per_release:30d": "0.45454545454545453", block("promql"): "1.795193699e+09"}},
		{[]string{"passed", "passed", "failed", "passed"},
			map[string]string{"rolloutgate:releases:30d": "4", "rolloutgate:failures:30d": "1", "rolloutgate:failures_per_release:30d": "0.25"}},
		{[]string{"passed", "passed"},
			map[string]string{"rolloutgate:releases:30d": "2", "rolloutgate:failures_per_release:30d": "0"}},
		{[]string{"failed"}, map[string]string{"rolloutgate:releases:30d": "1", "rolloutgate:failures_per_release:30d": "1"}},
	} {
		tests += fmt.Sprintf("  - interval: 1m\n    input_series:\n%s    promql_expr_test:\n", pushed(all, c.runs, labels))
		for query, answer := range c.wants {
			sample := "rolloutgate_last_failure_timestamp_seconds" + labels
			if strings.Contains(query, ":30d") {
				sample = query + labels
			}
			tests += fmt.Sprintf("      - expr: '%s'\n        eval_time: %dm\n        exp_samples: [{labels: '%s', value: %s}]\n",
				strings.TrimSpace(query), len(c.runs), sample, answer)
		}
	}
	file := write("test.yaml", tests)
	if out, err := exec.CommandContext(t.Context(), "promtool", "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s\n%s", err, out, tests)
	}
}

// pushed are the series of a workload, a minute for each run, as promtool reads them.
func pushed(all map[string]gate.Report, runs []string, labels string) string {
	values := map[string][]string{}
	for n, name := range runs {
		r := all[name]
		r.Run.Finished = r.Run.Finished.Add(time.Duration(n) * time.Minute)
		for _, m := range Metrics(r) {
			if len(m.Labels) != 2 || m.Labels[1].Value != "deployment/web" {
				continue // another group of the Pushgateway
			}
			for len(values[m.Name]) < n {
				values[m.Name] = append(values[m.Name], "_")
			}
			values[m.Name] = append(values[m.Name], fmt.Sprint(int64(m.Value)))
		}
		for name, v := range values {
			if len(v) == n {
				values[name] = append(v, v[n-1])
			}
		}
	}
	var lines []string
	for name, v := range values {
		lines = append(lines, fmt.Sprintf("      - series: '%s%s'\n        values: '%s'\n", name, labels, strings.Join(append(v, v[len(v)-1]), " ")))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
