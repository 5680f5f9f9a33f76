package telemetry

import (
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var (
	began = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	web   = manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
)

// at is an event so many seconds after the beginning.
func at(seconds int, object manifest.Ref, p gate.Payload) gate.Event {
	return gate.NewEvent(began.Add(time.Duration(seconds)*time.Second), object, p)
}

// goodRun is one that has passed, in one stage.
func goodRun() (gate.Report, []gate.Event) {
	var whole manifest.Ref
	r := gate.Report{
		SchemaVersion: gate.SchemaVersion,
		Run: gate.Run{
			ID: "7QK2M5XWZA", Command: "run", Version: "v1", Started: began, Finished: began.Add(30 * time.Second), Namespace: "shop", Context: "prod",
			Pipeline: record.Pipeline{System: "gitlab", URL: "https://ci.example/jobs/7", Commit: "0123abc", Actor: "ada"},
		},
		Exit:      gate.Exit{Code: 0, Name: "passed", State: "deployment/web is complete"},
		Workloads: []rollout.Status{{Ref: web, Watched: true}},
	}
	return r, []gate.Event{
		at(0, whole, gate.Step{Name: gate.StepPlan, Objects: 2}),
		at(1, whole, gate.Step{Name: gate.StepApply}),
		at(2, web, gate.Applied{Action: patch.Configured}),
		at(3, whole, gate.Step{Name: gate.StepWatch, Workloads: 1, Limit: 10 * time.Minute}),
		at(4, web, gate.Waiting{}),
		at(10, whole, gate.Step{Name: gate.StepAnalyze, Criteria: 1, Limit: 20 * time.Second}),
		at(30, whole, gate.Judged{Outcome: gate.Passed}),
	}
}

// badRun is one in two stages whose second one has failed and was undone, with text of the cluster that wants to be obeyed.
func badRun() (gate.Report, []gate.Event) {
	r, _ := goodRun()
	var whole manifest.Ref
	r.Run.Finished = began.Add(60 * time.Second)
	r.Exit = gate.Exit{Code: 10, Name: "failed", State: "deployment/web is back at the previous version (unverified)"}
	r.Findings = []diagnosis.Finding{{Code: "CrashLoop", Cause: "container app ends with 1:\n\x1b[31mpanic\u202e ##[error]x"}}
	r.Undo = &gate.Undo{Result: gate.UndoUnverified, Duration: 12.5}
	return r, []gate.Event{
		at(0, whole, gate.Step{Name: gate.StepPlan, Objects: 1}),
		at(1, whole, gate.Step{Name: gate.StepApply, Stage: "canary"}),
		at(2, web, gate.Applied{Action: patch.Configured}),
		at(2, whole, gate.Step{Name: gate.StepWatch, Stage: "canary", Workloads: 1}),
		at(9, whole, gate.Step{Name: gate.StepHold, Stage: "canary", Limit: 5 * time.Second}),
		at(14, whole, gate.Step{Name: gate.StepApply, Stage: "rest"}),
		at(15, whole, gate.Step{Name: gate.StepWatch, Stage: "rest", Workloads: 1}),
		at(20, web, gate.Warning{Code: "CrashLoop", Cause: "container app ends with 1"}),
		at(25, whole, gate.Step{Name: gate.StepDiagnose}),
		at(26, whole, gate.Judged{Outcome: gate.RolloutFailed, Code: "CrashLoop", Cause: "container app ends with 1"}),
		at(26, whole, gate.Step{Name: gate.StepUndo, Limit: 5 * time.Minute}),
		at(27, web, gate.Taken{Action: patch.Restored}),
		at(40, whole, gate.Step{Name: gate.StepRecheck, Limit: time.Minute}),
	}
}
