package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

func byName(t *testing.T, name string) *scenario {
	t.Helper()
	chosen, err := choose([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	return chosen[0]
}

// undoneReport is that of a rollout which was applied when the clock began, was complete after 5 s and undone after 20.
const undoneReport = `{"exit": {"name": "criteria"}, "run": {"finished": "2026-01-02T03:04:30Z"},
	"findings": [{"code": "CriterionBreached", "cause": "too many errors"}],
	"marks": {"applied": "2026-01-02T03:04:00Z", "complete": "2026-01-02T03:04:05Z", "undone": "2026-01-02T03:04:20Z"},
	"undo": {"result": "verified", "duration": 4},
	"criteria": [
		{"name": "errors", "verdict": "fail", "reason": "too many", "recovered": true, "samples": {"judged": 6, "scheduled": 18},
		 "series": [{"time": "2026-01-02T03:04:19.5Z", "bad": 20}]},
		{"name": "slow", "verdict": "inconclusive", "reason": "stopped", "samples": {"judged": 6, "scheduled": 18}}]}`

const passedReport = `{"exit": {"name": "passed"}, "run": {"finished": "2026-01-02T03:04:30Z"},
	"marks": {"applied": "2026-01-02T03:04:00Z", "complete": "2026-01-02T03:04:05Z"},
	"criteria": [{"name": "errors", "verdict": "pass", "reason": "0.2%"}, {"name": "slow", "verdict": "pass", "reason": "0%"}]}`

// failing is a pod that answers 10 bad requests a second from 17 s on.
func failing() []*process {
	var bad []float64
	for s := 1; s <= 25; s++ {
		bad = append(bad, max(0, float64(s-17)*10))
	}
	return []*process{counted("a", bad...)}
}

func TestJudge(t *testing.T) {
	v1, v2 := serving{"registry.sandbox/web:v1", 3, 3, 3, 0}, serving{"registry.sandbox/web:v2", 3, 3, 3, 1}
	change := func(old, new string) string { return strings.Replace(undoneReport, old, new, 1) }
	for name, c := range map[string]struct {
		scenario string
		exit     int
		report   string
		serving  serving
		counts   []*process
		why      string
	}{
		"undone":            {"error-burst", 12, undoneReport, v1, failing(), ""},
		"passed":            {"error-burst", 0, passedReport, v2, failing(), "exit 0: errors: pass (0.2%), slow: pass (0%)"},
		"another exit":      {"error-burst", 13, undoneReport, v1, failing(), "exit 13: CriterionBreached: too many errors"},
		"another criterion": {"latency-step", 12, undoneReport, v1, failing(), "the criterion errors failed, too: too many"},
		"unverified":        {"error-burst", 12, change("verified", "unverified"), v1, failing(), "the undo is unverified"},
		"not recovered": {"error-burst", 12, change(`"recovered": true`, `"recovered": false`), v1, failing(),
			"the criterion does not hold after the undo"},
		"not asked again": {"error-burst", 12, change(`"recovered": true, `, ""), v1, failing(), "the criterion was not asked again after the undo"},
		"too early":       {"error-burst", 12, change("03:04:20Z", "03:04:16Z"), v1, failing(), "it was undone before the fault began"},
		"still there":     {"error-burst", 12, undoneReport, v2, failing(), "the cluster runs registry.sandbox/web:v2 in the end, not registry.sandbox/web:v1"},
		"left over": {"error-burst", 12, undoneReport, serving{"registry.sandbox/web:v1", 3, 3, 4, 0}, failing(),
			"3 of 3 pods are ready in the end, and there are 4"},
		"no report":     {"error-burst", 2, "{}", v1, nil, "exit 2: it says nothing"},
		"quiet":         {"healthy-noisy", 0, passedReport, v2, failing(), ""},
		"false undo":    {"healthy-noisy", 12, undoneReport, v1, failing(), "it was undone, exit 12: CriterionBreached: too many errors"},
		"quiet refused": {"healthy-noisy", 3, "{}", v1, nil, "exit 3: it says nothing"},
	} {
		s := byName(t, c.scenario)
		o := observed{serving: c.serving, processes: c.counts}
		if err := json.Unmarshal([]byte(c.report), &o.report); err != nil {
			t.Fatal(err)
		}
		r := newResult(s, 1)
		if err := r.judge(s, &harness.Ran{Exit: c.exit, Output: "it said so\n"}, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r.Why != c.why || r.Right != (c.why == "") || r.Right != (r.Output == "") {
			t.Errorf("%s: right %t, why %q, want %q", name, r.Right, r.Why, c.why)
		}
		if r.FalseUndo != (name == "false undo") {
			t.Errorf("%s: false undo %t", name, r.FalseUndo)
		}
	}
}

func TestJudgeMeasures(t *testing.T) {
	s := byName(t, "error-burst")
	o := observed{serving: serving{"registry.sandbox/web:v1", 3, 3, 3, 0}, processes: failing()}
	if err := json.Unmarshal([]byte(undoneReport), &o.report); err != nil {
		t.Fatal(err)
	}
	r := newResult(s, 1)
	if err := r.judge(s, &harness.Ran{Exit: 12, Seconds: 30}, o); err != nil {
		t.Fatal(err)
	}
	if r.Delay == nil || *r.Delay != 3 || r.Bad != 30 || r.Requests != 200 || r.BadInAll != 80 || r.Phase != "window" || !r.Early {
		t.Errorf("got %+v", r)
	}
	if r.Counted != 20 || r.Scraped != 20 {
		t.Errorf("counted %.0f of %.0f, want 20 of 20", r.Counted, r.Scraped)
	}
}

func TestJudgeNeedsTheScenario(t *testing.T) {
	quiet := []*process{counted("a", 0, 0, 0)}
	for name, c := range map[string]struct {
		scenario string
		restarts int
		counts   []*process
		want     string
	}{
		"no fault":   {"error-burst", 0, quiet, "the fault did not happen"},
		"no restart": {"healthy-noisy", 0, failing(), "the noise was another: 0 restarts, 80 bad requests"},
		"no errors":  {"healthy-noisy", 1, quiet, "the noise was another: 1 restarts, 0 bad requests"},
	} {
		s := byName(t, c.scenario)
		o := observed{serving: serving{"registry.sandbox/web:v2", 3, 3, 3, c.restarts}, processes: c.counts}
		if err := json.Unmarshal([]byte(passedReport), &o.report); err != nil {
			t.Fatal(err)
		}
		r := newResult(s, 1)
		if err := r.judge(s, &harness.Ran{}, o); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestReadReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), reportFile)
	if r, err := readReport(file); err != nil || r.Undo != nil {
		t.Errorf("without a file: %+v, %v", r, err)
	}
	if err := os.WriteFile(file, []byte(undoneReport), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := readReport(file)
	if err != nil || !r.Marks.Undone.Equal(began.Add(20*time.Second)) || r.Criteria[0].Samples.Scheduled != 18 || r.Undo.Duration != 4 {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readReport(file); err == nil {
		t.Error("half a report is no error")
	}
}
