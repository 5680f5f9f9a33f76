package main

import (
	"strings"
	"testing"
)

func TestViolatedInReport(t *testing.T) {
	const criteria = `"criteria": [{"name": "errors", "verdict": "pass"}, {"name": "slow", "verdict": "fail"}, {"name": "aside", "verdict": "fail", "reportOnly": true}]`
	for text, want := range map[string]string{
		`{"exit": {"code": 12, "name": "criteria"}, ` + criteria + `}`:    "slow",
		`{"exit": {"code": 10, "name": "failed"}, ` + criteria + `}`:      "",
		`{"exit": {"code": 20, "name": "undo-failed"}, ` + criteria + `}`: "",
		`{"exit": {"code": 12, "name": "criteria"}, "criteria": null}`:    "",
	} {
		if got, err := violatedInReport([]byte(text)); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, %v", text, got, err)
		}
	}
	if _, err := violatedInReport([]byte(`{"exit`)); err == nil {
		t.Error("a report that was cut off is read")
	}
}

func TestViolatedInRuns(t *testing.T) {
	for text, want := range map[string]string{
		`{"items": []}`: "",
		`{"items": [{"status": {"phase": "Failed", "metricResults": [{"name": "errors", "phase": "Successful"}, {"name": "slow", "phase": "Failed"}]}}]}`: "slow",
		`{"items": [{"status": {"phase": "Error", "metricResults": [{"name": "errors", "phase": "Error"}, {"name": "slow", "phase": "Running"}]}}]}`:      "errors (not measured)",
	} {
		if got, err := violatedInRuns([]byte(text)); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, %v", text, got, err)
		}
	}
}

// A trial whose end was wrong is not left out because there is no report.
func TestViolatedIsNotKnown(t *testing.T) {
	trial := trial{dir: t.TempDir()}
	if got := trial.violated(t.Context()); len(got) != 1 || !strings.HasPrefix(got[0], "not known") {
		t.Errorf("got %q", got)
	}
}

func TestSlowCriterion(t *testing.T) {
	for name, text := range map[string]string{"rolloutgate.yaml": criteria, "web.yaml": manifest} {
		if !strings.Contains(text, "- name: "+slowCriterion+"\n") {
			t.Errorf("%s has no criterion %s", name, slowCriterion)
		}
	}
}
