package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// reportFile is what rolloutgate writes into the folder of a trial.
const reportFile = "report.json"

// violated names the criteria for which a release was taken back, as whoever took it back says; there are none when it was
// something else. That this cannot be read is a name, too, and no error: a wrong end must not be played again for it.
func (t *trial) violated(ctx context.Context) []string {
	names, err := t.whyUndone(ctx)
	if err != nil {
		return []string{fmt.Sprintf("not known (%v)", err)}
	}
	return names
}

func (t *trial) whyUndone(ctx context.Context) ([]string, error) {
	if t.way.argo != nil {
		runs, err := t.cluster.Kubectl(ctx, t.name, "", "get", "analysisruns.argoproj.io", "-o", "json")
		if err != nil {
			return nil, err
		}
		return violatedInRuns([]byte(runs))
	}
	report, err := os.ReadFile(filepath.Join(t.dir, reportFile))
	if err != nil {
		return nil, err
	}
	return violatedInReport(report)
}

// violatedInReport reads report.json. A criterion may be violated in a run that ended for another reason.
func violatedInReport(text []byte) (names []string, err error) {
	var report struct {
		Exit     struct{ Name string }
		Criteria []struct {
			Name, Verdict string
			ReportOnly    bool
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("reading %s: %w", reportFile, err)
	}
	for _, c := range report.Criteria {
		if report.Exit.Name == "criteria" && c.Verdict == "fail" && !c.ReportOnly {
			names = append(names, c.Name)
		}
	}
	return names, nil
}

// violatedInRuns reads a list of AnalysisRuns. A metric that could not be measured ends a run, too.
func violatedInRuns(text []byte) (names []string, err error) {
	var runs struct {
		Items []struct {
			Status struct {
				MetricResults []struct{ Name, Phase string }
			}
		}
	}
	if err := json.Unmarshal(text, &runs); err != nil {
		return nil, fmt.Errorf("reading the AnalysisRuns: %w", err)
	}
	for _, run := range runs.Items {
		for _, m := range run.Status.MetricResults {
			switch m.Phase {
			case "Failed":
				names = append(names, m.Name)
			case "Error":
				names = append(names, m.Name+" (not measured)")
			}
		}
	}
	return names, nil
}
