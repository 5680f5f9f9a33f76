package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

func judged(t *testing.T, c *testCase, exit int, took float64, findings string) result {
	t.Helper()
	c.Timeout = duration(time.Minute)
	file := filepath.Join(t.TempDir(), "report.json")
	if findings != "" || c.Exit != 0 {
		text := fmt.Sprintf(`{"exit": {"name": "failed"}, "findings": [%s]}`, findings)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := newResult(c)
	if err := r.judge(c, &harness.Ran{Exit: exit, Seconds: took, Output: "rolloutgate: no such flag\n"}, file); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestJudge(t *testing.T) {
	const oom, crash = `{"code": "OomKilled", "cause": "out of memory", "detail": "exit code 137", "fieldPath": "spec.x"}`, `{"code": "AppCrash", "cause": "it crashes"}`
	for name, c := range map[string]struct {
		testCase testCase
		exit     int
		took     float64
		findings string
		why      string
		rank     int
	}{
		"right":            {testCase{Expect: "OomKilled"}, 21, 30, oom, "", 1},
		"right, in detail": {testCase{Expect: "OomKilled", Detail: "137", At: "spec.x", Early: true}, 21, 30, oom, "", 1},
		"second":           {testCase{Expect: "OomKilled"}, 21, 30, crash + "," + oom, "it says AppCrash: it crashes", 2},
		"absent":           {testCase{Expect: "OomKilled"}, 21, 30, crash, "it says AppCrash: it crashes", 0},
		"passed":           {testCase{Expect: "OomKilled"}, 0, 30, oom, "it passed", 1},
		"other detail":     {testCase{Expect: "OomKilled", Detail: "139"}, 21, 30, oom, `its detail is "exit code 137", not "139"`, 1},
		"other field":      {testCase{Expect: "OomKilled", At: "spec.y"}, 21, 30, oom, `it points at "spec.x", not "spec.y"`, 1},
		"late":             {testCase{Expect: "OomKilled", Early: true}, 21, 60, oom, "it waited until the timeout", 1},
		"no report":        {testCase{Expect: "OomKilled"}, 2, 0, "", "it says nothing; there is no report: rolloutgate: no such flag", 0},
		"exit":             {testCase{Exit: 30}, 30, 5, "", "", 1},
		"other exit":       {testCase{Exit: 30}, 21, 5, crash, "it says AppCrash: it crashes", 0},
		"quiet":            {testCase{Quiet: true}, 0, 30, "", "", 0},
		"early alarm":      {testCase{Quiet: true}, 21, 30, crash, "false alarm early: exit 21, AppCrash: it crashes", 0},
		"late alarm":       {testCase{Quiet: true}, 21, 60, crash, "false alarm at the timeout: exit 21, AppCrash: it crashes", 0},
	} {
		r := judged(t, &c.testCase, c.exit, c.took, c.findings)
		if r.Why != c.why || r.Right != (c.why == "") || r.Rank != c.rank {
			t.Errorf("%s: right %t, rank %d, why %q", name, r.Right, r.Rank, r.Why)
		}
		if r.falseAlarm() != strings.Contains(c.why, "false alarm") {
			t.Errorf("%s: false alarm %t", name, r.falseAlarm())
		}
	}
}

func TestKubectlNamesACauseOnlyWithSomethingSpecific(t *testing.T) {
	for line, want := range map[string]bool{
		"error: timed out waiting for the condition":                                           false,
		`error: deployment "shop" exceeded its progress deadline`:                              false,
		"error: rollout status is only available for RollingUpdate strategy type":              true,
		"error: no status viewer has been implemented for Job":                                 false,
		`Error from server (Forbidden): pods "x" is forbidden: exceeded quota`:                 true,
		"Waiting for deployment \"shop\" rollout to finish: 1 old replicas are pending termin": false,
	} {
		said := newKubectlSaid("rollout status", &harness.Ran{Output: "some progress\n" + line + "\n\n", Exit: 1})
		if said.Line != line || said.Named != want {
			t.Errorf("got %+v", said)
		}
	}
	refused := newKubectlSaid("apply", &harness.Ran{Exit: 1, Output: "service/shop serverside-applied\nerror: no matches for kind \"X\"\nensure CRDs are installed first\n"})
	if refused.Line != `error: no matches for kind "X" ensure CRDs are installed first` || !refused.Named {
		t.Errorf("got %+v", refused)
	}
	if newKubectlSaid("apply", &harness.Ran{Output: "deployment.apps/shop serverside-applied"}).Named {
		t.Error("a success names no cause")
	}
}
