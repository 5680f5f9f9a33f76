package report

import (
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func TestEventText(t *testing.T) {
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}
	at := time.Date(2026, 11, 20, 17, 3, 12, 0, time.UTC)
	scaled := patch.Kept{Path: "spec.replicas", Manager: "kubectl-scale", Time: at}
	besideOld := []rollout.Status{{Ref: web, Phase: rollout.Complete, Reason: rollout.ReasonBeside, Message: "1 new pod beside 4 old"}}
	for want, p := range map[string]gate.Payload{
		"plan: 3 objects":                    gate.Step{Name: gate.StepPlan, Objects: 3},
		"watch: 1 workload, for at most 10m": gate.Step{Name: gate.StepWatch, Workloads: 1, Limit: 10 * time.Minute},
		"analyze: 2 criteria, settling 30s, then watching 1m30s (stage canary)": gate.Step{
			Name: gate.StepAnalyze, Criteria: 2, Settle: 30 * time.Second, Limit: 90 * time.Second, Stage: "canary"},
		"test: smoke.sh, for at most 10m (stage canary 5%)": gate.Step{Name: gate.StepTest, What: "smoke.sh", Limit: 10 * time.Minute, Stage: "canary 5%"},
		"| ok":                         gate.Said{Line: "ok"},
		"| … 3 lines are missing":      gate.Said{Missed: 3},
		"| done":                       gate.Printed{Line: "done"},
		"helm has ended well after 2s": gate.Ran{Command: "helm", Took: 2 * time.Second},
		"the undo command helm has failed after 2s: it ended with exit code 1":       gate.Ran{Command: "helm", Took: 2 * time.Second, Failure: "it ended with exit code 1", Undo: true},
		"command: helm upgrade web, for at most 10m":                                 gate.Step{Name: gate.StepCommand, What: "helm upgrade web", Limit: 10 * time.Minute},
		"waiting 30s of 10m: helm":                                                   gate.Waiting{Since: 30 * time.Second, Limit: 10 * time.Minute, Command: "helm"},
		"the test of stage canary 5% has passed after 3s":                            gate.Tested{Stage: "canary 5%", Took: 3 * time.Second},
		"the test of stage canary 5% has failed after 3s: it ended with exit code 1": gate.Tested{Stage: "canary 5%", Took: 3 * time.Second, Failure: "it ended with exit code 1"},
		"waiting 1m of 2h: deployment/web: 1 new pod beside 4 old; stage canary 5% is held for another 9m": gate.Waiting{
			Since: time.Minute, Limit: 2 * time.Hour, Stage: "canary 5%", Hold: 9 * time.Minute, Staged: besideOld,
		},
		"waiting 1m of 2h: deployment/web: 1 new pod beside 4 old; stage canary 5% is to be approved: rolloutgate approve RUN1, or reject RUN1": gate.Waiting{
			Since: time.Minute, Limit: 2 * time.Hour, Stage: "canary 5%", Approve: "RUN1", Staged: besideOld,
		},
		"pinned to the old pods (5c65)":           gate.Applied{Action: patch.Configured, Pin: &patch.Pin{Old: "5c65", To: "5c65"}},
		"pinned to the new pods (7ff7)":           gate.Applied{Action: patch.Configured, Pin: &patch.Pin{Old: "5c65", To: "7ff7"}},
		"given back to all its pods":              gate.Applied{Action: patch.Unpinned},
		"waiting 1m of 2h: the test of the stage": gate.Waiting{Since: time.Minute, Limit: 2 * time.Hour, Test: true},
		"will be created":                         gate.Planned{Action: patch.Created},
		"configured":                              gate.Applied{Action: patch.Configured},
		"complete":                                gate.Status{Status: rollout.Status{Phase: rollout.Complete}},
		"1 of 3 new pods":                         gate.Status{Status: rollout.Status{Phase: rollout.Progressing, Message: "1 of 3 new pods"}},
		"pod agent-x2f4q on node n4 is replaced":  gate.Replaced{Pod: "agent-x2f4q", Node: "n4"},
		"waiting 1m of 2h: deployment/web: 1 of 3 new pods; and 2 more": gate.Waiting{
			Since: time.Minute, Limit: 2 * time.Hour, More: 2, Workloads: []rollout.Status{{Ref: web, Message: "1 of 3 new pods"}}},
		"CrashLoop: it ended with 1":                                        gate.Warning{Code: "CrashLoop", Cause: "it ended with 1"},
		"changed meanwhile: spec.replicas by kubectl-scale at 17:03:12 UTC": gate.Foreign{Kept: []patch.Kept{scaled}},
		"Prometheus answers":                                                gate.Source{Backend: "Prometheus"},
		// A name may have anything in it.
		"errors: 5xx: 0.2% of 120 events (limit <= 1%) ok": gate.Measured{
			Criterion: "errors: 5xx", Value: "0.2%", Events: 120, Limit: "<= 1%", State: analysis.OK},
		"failed: ImageNotFound: no such tag": gate.Judged{Outcome: gate.RolloutFailed, Code: "ImageNotFound", Cause: "no such tag"},
		"passed, but nothing runs":           gate.Judged{Outcome: gate.Passed, Nothing: true},
		"left alone: it is younger":          gate.Taken{Action: patch.Left, Why: "it is younger"},
		"restored; spec.replicas stays: changed by kubectl-scale at 17:03:12 UTC; data.a stays: changed by somebody else": gate.Taken{
			Action: patch.Restored, Kept: []patch.Kept{scaled, {Path: "data.a"}}},
	} {
		if got := EventText(gate.NewEvent(at, manifest.Ref{}, p)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 45 * time.Second: "45s", 5 * time.Minute: "5m", 90 * time.Second: "1m30s", 2 * time.Hour: "2h",
		time.Hour + time.Second: "1h0m1s", 10 * time.Second: "10s", 1400 * time.Millisecond: "1s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}
