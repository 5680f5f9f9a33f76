package report

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/joshdk/go-junit"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// needs skips a test on a machine that lacks a program. In CI that is a failure.
func needs(t *testing.T, program, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	const text = "%s is missing: install Debian's package %s"
	if os.Getenv("CI") == "true" {
		t.Fatalf(text, program, debianPackage)
	}
	t.Skipf(text, program, debianPackage)
}

func renderJUnit(t *testing.T, r gate.Report) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := JUnit(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// oddReports are those that no run of testdata has come to.
func oddReports() map[string]gate.Report {
	hostile := everything()
	hostile.Exit = gate.Exit{Code: 10, Name: "failed", State: "a \x1b[31mred\x1b[0m <b>\x00\ufffe ]]> & \"quote\"\nline"}
	hostile.Findings[0].Cause = "said \x07\x1b]0;title\x07 ]]> <![CDATA[ \x0b & \n ::error::x"
	hostile.Findings[0].Evidence[0].Text = "\x1b[0K\u0085]]></failure><testcase name=\"forged\">\r\n\x02"
	twice := gate.Report{Run: gate.Run{Command: "watch", Namespace: "shop"}, Exit: gate.Exit{Code: 13, Name: "inconclusive"}}
	for _, ns := range []string{"shop", "", "other", "other"} {
		twice.Workloads = append(twice.Workloads, rollout.Status{
			Ref: manifest.Ref{Kind: "Deployment", Namespace: ns, Name: "web"}, Phase: rollout.Complete, Watched: true,
		})
	}
	twice.Criteria = []analysis.Result{{Name: "errors", Verdict: analysis.Error}, {Name: "errors", Verdict: analysis.Inconclusive}}
	return map[string]gate.Report{"everything": everything(), "hostile": hostile, "empty": {Run: gate.Run{Command: "plan"}}, "twice": twice, "staged": stagedReport()}
}

// stagedReport is a run whose second stage has not passed its test.
func stagedReport() gate.Report {
	at := func(seconds int) time.Time { return time.Date(2026, 11, 20, 16, 40, seconds, 0, time.UTC) }
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	return gate.Report{
		SchemaVersion: gate.SchemaVersion,
		Run:           gate.Run{ID: "7HJ2K9QXWE", Command: "run", Namespace: "shop", Started: at(0), Finished: at(59)},
		Exit:          gate.Exit{Code: 10, Name: "failed", State: "deployment/web is back at the previous version (verified)"},
		Changes:       []gate.Change{{Object: web, Source: manifest.Source{Path: "deploy/web.yaml", Line: 14}, Action: "configured"}},
		Stages: []gate.StageReport{
			{Name: "canary-5%", State: gate.StagePassed, Started: at(2), Finished: at(20)},
			{Name: "canary-50%", State: gate.StageEnded, Started: at(20), Finished: at(40)},
			{Name: "all", State: gate.StageNotBegun},
		},
		Workloads: []rollout.Status{{Ref: web, Phase: rollout.Complete, Desired: 3, Updated: 3, Ready: 3, Available: 3, Watched: true}},
		Findings:  []diagnosis.Finding{diagnosis.StageTestFailed("canary-50%", "./smoke.sh", "exit status 1", []string{"GET /cart: 500"})},
		Undo:      &gate.Undo{Result: gate.UndoVerified, Duration: 6.5, Objects: []gate.Undone{{Object: web, Action: "restored", Result: "ok"}}},
		Marks:     gate.Marks{Applied: at(2), Complete: at(30), Undone: at(41)},
		Timeline: []gate.Event{
			gate.NewEvent(at(2), web, gate.Applied{Action: "configured"}),
			gate.NewEvent(at(10), web, gate.Status{Status: rollout.Status{Ref: web, Phase: rollout.Complete}}),
			gate.NewEvent(at(14), manifest.Ref{}, gate.Tested{Stage: "canary-5%", Took: 4 * time.Second}),
			gate.NewEvent(at(30), web, gate.Status{Status: rollout.Status{Ref: web, Phase: rollout.Complete}}),
			gate.NewEvent(at(40), manifest.Ref{}, gate.Tested{Stage: "canary-50%", Took: 8 * time.Second, Failure: "exit status 1"}),
			gate.NewEvent(at(40), manifest.Ref{}, gate.Judged{Outcome: gate.RolloutFailed, Code: "StageTestFailed", Cause: "the test of stage canary-50% has failed"}),
		},
	}
}

// TestJUnitIsValid: what is written meets the schema, whatever a cluster has said.
func TestJUnitIsValid(t *testing.T) {
	needs(t, "xmllint", "libxml2-utils")
	dir := t.TempDir()
	all := reports(t)
	for name, r := range oddReports() {
		all[name] = r
	}
	args := []string{"--noout", "--nonet", "--schema", "testdata/junit.xsd"}
	for name, r := range all {
		path := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(path, renderJUnit(t, r), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.CommandContext(t.Context(), "xmllint", args...).CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v\n%s", err, out)
	}
}

// TestJUnitIsRead: a reader that knows nothing of us finds the same results as the report has.
func TestJUnitIsRead(t *testing.T) {
	all := reports(t)
	for name, r := range oddReports() {
		all[name] = r
	}
	for name, r := range all {
		suites, err := junit.Ingest(renderJUnit(t, r))
		if err != nil || len(suites) != 1 {
			t.Errorf("%s: %d suites: %v", name, len(suites), err)
			continue
		}
		s := suites[0]
		passed := s.Totals.Failed == 0 && s.Totals.Error == 0
		if passed != (r.Exit.Code == 0) {
			t.Errorf("%s: %+v with exit code %d", name, s.Totals, r.Exit.Code)
		}
		if run := s.Tests[0]; run.Classname != junitRun || run.Name != r.Run.Command {
			t.Errorf("%s: the first case is %s %s", name, run.Classname, run.Name)
		}
		for _, c := range s.Tests {
			if c.Error == nil {
				continue
			}
			if message := c.Message; message == "" || strings.ContainsAny(message, "\n\x1b") {
				t.Errorf("%s: %s has the message %q", name, c.Name, message)
			}
		}
		if c := s.Properties["exit-code"]; r.Run.Command != "" && c == "" {
			t.Errorf("%s: no exit code among %v", name, s.Properties)
		}
	}
}

// TestJUnitCases: which cases there are, and what became of them.
func TestJUnitCases(t *testing.T) {
	all := reports(t)
	for name, r := range oddReports() {
		all[name] = r
	}
	cancelled := gate.Gate{}.Unbegun("run", gate.Interrupted, gate.Cancelled{Signal: 2})
	all["cancelled before it began"] = cancelled
	all["bad manifest"] = gate.Gate{Namespace: "shop"}.Unbegun("run", gate.Invalid, &manifest.Error{Path: "web.yaml", Line: 4, Msg: "invalid YAML"})
	for name, want := range map[string][]string{
		"passed":       {"run: passed", "apply: passed", "deployment/web deploy/web.yaml:14: passed", "errors: passed", "p99: passed"},
		"failed-image": {"run: failed ImageNotFound", "apply: passed", "deployment/web deploy/web.yaml:32: failed ImageNotFound", "errors: skipped", "undo: passed"},
		"criteria-failed": {"run: failed criteria", "apply: passed", "deployment/web deploy/web.yaml:14: passed", "errors: failed CriterionFailed",
			"p99: skipped", "memory: skipped", "undo: passed"},
		"timeout":     {"run: failed ReadinessProbeFailing", "apply: passed", "deployment/web deploy/web.yaml:44: failed ReadinessProbeFailing", "undo: passed"},
		"cancelled":   {"run: error cancelled", "apply: passed", "deployment/web deploy/web.yaml:14: skipped", "undo: error unverified"},
		"invalid":     {"run: failed SchemaInvalid", "apply deploy/web.yaml:32: failed SchemaInvalid"},
		"undo-failed": {"run: failed ImageNotFound", "apply: passed", "deployment/web deploy/web.yaml:32: failed ImageNotFound", "undo: failed AdmissionDenied"},
		"command":     {"run: failed CommandFailed", "command: failed CommandFailed", "deployment/web: failed CommandFailed", "undo: error UndoDiffers"},
		"superseded":  {"run: error superseded", "apply: passed", "deployment/web deploy/web.yaml:14: error Superseded", "undo: skipped"},
		"drill":       {"drill: failed failed", "image: passed", "crash: passed", "probe: failed NotCaught", "errors: skipped"},
		"empty":       {"plan: passed", "apply: passed"},
		"twice": {"watch: error inconclusive", "deployment/web: passed", "deployment/web (2): passed", "other/deployment/web: passed",
			"other/deployment/web (2): passed", "errors: error error", "errors (2): error inconclusive"},
		"staged": {"run: failed StageTestFailed", "apply: passed", "deployment/web deploy/web.yaml:14: passed", "canary-5%: passed",
			"canary-50%: failed StageTestFailed", "all: skipped", "canary-5%: passed", "canary-50%: failed StageTestFailed", "undo: passed"},
		"cancelled before it began": {"run: error cancelled", "apply: skipped"},
		"bad manifest":              {"run web.yaml:4: failed invalid", "apply: skipped"},
	} {
		r, known := all[name]
		if !known {
			t.Errorf("there is no report %s", name)
		}
		if diff := cmp.Diff(want, casesOf(r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// casesOf are the cases of a report in short.
func casesOf(r gate.Report) (cases []string) {
	for _, c := range junitCases(r) {
		words := []string{c.Name}
		if at := place(c.File, c.Line); at != "" {
			words = append(words, at)
		}
		ended := "passed"
		switch {
		case c.Failure != nil:
			ended = "failed " + c.Failure.Type
		case c.Error != nil:
			ended = "error " + c.Error.Type
		case c.Skipped != nil:
			ended = "skipped"
		}
		cases = append(cases, strings.Join(words, " ")+": "+ended)
	}
	return cases
}

// TestJUnitTimes: a case has the time that its part of the run took.
func TestJUnitTimes(t *testing.T) {
	var times []string
	for _, c := range junitCases(stagedReport()) {
		times = append(times, c.Class+" "+c.Name+" "+c.Time)
	}
	for _, want := range []string{
		"rolloutgate.run run 59.000", "rolloutgate.rollout deployment/web 28.000", "rolloutgate.stages canary-5% 18.000",
		"rolloutgate.tests canary-50% 8.000", "rolloutgate.run undo 6.500",
	} {
		if !slices.Contains(times, want) {
			t.Errorf("%q is not among %q", want, times)
		}
	}
}
