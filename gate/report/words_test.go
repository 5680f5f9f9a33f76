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
	for want, p := range map[string]gate.Payload{
		"plan: 3 objects":                    gate.Step{Name: gate.StepPlan, Objects: 3},
		"watch: 1 workload, for at most 10m": gate.Step{Name: gate.StepWatch, Workloads: 1, Limit: 10 * time.Minute},
		"analyze: 2 criteria, settling 30s, then watching 1m30s (stage canary)": gate.Step{
			Name: gate.StepAnalyze, Criteria: 2, Settle: 30 * time.Second, Limit: 90 * time.Second, Stage: "canary"},
		"will be created": gate.Planned{Action: patch.Created},
		"configured":      gate.Applied{Action: patch.Configured},
		"complete":        gate.Status{Status: rollout.Status{Phase: rollout.Complete}},
		"1 of 3 new pods": gate.Status{Status: rollout.Status{Phase: rollout.Progressing, Message: "1 of 3 new pods"}},
		"waiting 1m of 2h: deployment/web: 1 of 3 new pods; and 2 more": gate.Waiting{
			Since: time.Minute, Limit: 2 * time.Hour, More: 2, Workloads: []rollout.Status{{Ref: web, Message: "1 of 3 new pods"}}},
		"waiting 30s of 5m: the end of the hold":                            gate.Waiting{Since: 30 * time.Second, Limit: 5 * time.Minute, Holding: true},
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
