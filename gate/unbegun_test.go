package gate

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestUnbegun: the report of a run that did not come to begin says why, and where.
func TestUnbegun(t *testing.T) {
	for want, err := range map[Exit]error{
		{Error: "no cluster"}: errors.New("no cluster"),
		{Error: "web.yaml:4: bad", File: "web.yaml", Line: 4}:        &manifest.Error{Path: "web.yaml", Line: 4, Msg: "bad"},
		{Error: "c.yaml:7:3: no limit", File: "c.yaml", Line: 7}:     fmt.Errorf("%w", errors.Join(&analysis.SpecError{File: "c.yaml", Line: 7, Column: 3, Text: "no limit"})),
		{Error: "Get https://***@prometheus/api: refused"}:           errors.New("Get https://me:swordfish@prometheus/api: refused"),
		{Error: "<stdin>:2: bad\n  hint: worse", File: "-", Line: 2}: &manifest.Error{Path: "-", Line: 2, Msg: "bad", Hint: "worse"},
		{}: nil,
	} {
		want.Code, want.Name, want.State = 2, "invalid", "nothing was changed"
		r := Gate{Namespace: "shop", Version: "1.0.0"}.Unbegun("run", Invalid, err)
		if diff := cmp.Diff(want, r.Exit); diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if r.SchemaVersion != SchemaVersion || r.Run.ID == "" || r.Run.Command != "run" || r.Run.Namespace != "shop" || r.Run.Started.IsZero() {
			t.Errorf("%+v", r)
		}
	}
}

// TestRunsBegin: the first thing that a run tells is that it has begun, once, and its timeline does not have it.
func TestRunsBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(created("web", becomesReady(time.Second)))
		g := gated(w)
		var told []Event
		g.Progress = func(e Event) { told = append(told, e) }
		report, err := g.Run(t.Context(), w.manifests("web"))
		if err != nil || len(told) == 0 {
			t.Fatal(err)
		}
		if diff := cmp.Diff(report.Started(), told[0]); diff != "" {
			t.Errorf("the first event (-report +told):\n%s", diff)
		}
		begun := 0
		for _, e := range append(told, report.Timeline...) {
			if e.Type == EventStarted {
				begun++
			}
		}
		if begun != 1 {
			t.Errorf("begun %d times", begun)
		}
	})
}

// TestDrillsBeginOnce: the runs of a drill are parts of it.
func TestDrillsBeginOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(becomesReady(time.Second), stalls(time.Second))
		g := gated(w.world)
		g.Cluster = w
		var begun []Payload
		g.Progress = func(e Event) {
			if e.Type == EventStarted {
				begun = append(begun, e.Payload)
			}
		}
		report, err := g.Drill(t.Context(), Drill{Workshop: w, Live: live("Deployment")})
		if err != nil || len(begun) != 1 || begun[0] != report.Started().Payload {
			t.Errorf("%v: %+v", err, begun)
		}
	})
}

// TestFinished: the last event is the report in short.
func TestFinished(t *testing.T) {
	at := time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)
	r := Report{
		Run:       Run{ID: "7HJ2K9QXWE", Started: at, Finished: at.Add(time.Minute)},
		Exit:      Exit{Code: 12, Name: "criteria", State: "back"},
		Findings:  []diagnosis.Finding{{Code: "A", Cause: "first"}, {Code: "B", Cause: "second"}},
		Workloads: []rollout.Status{{Phase: rollout.Complete}},
		Criteria:  []analysis.Result{{Name: "errors", Verdict: analysis.Fail}, {Name: "slow", Verdict: analysis.Pass, ReportOnly: true}},
		Undo:      &Undo{Result: UndoVerified, Duration: 2.5},
	}
	want := NewEvent(r.Run.Finished, manifest.Ref{}, Finished{
		Run: "7HJ2K9QXWE", Exit: r.Exit, Code: "A", Cause: "first", Took: time.Minute, Undo: UndoVerified, Undoing: 2.5, Workloads: r.Workloads,
		Criteria: []CriterionEnd{{Name: "errors", Verdict: analysis.Fail}, {Name: "slow", Verdict: analysis.Pass, ReportOnly: true}},
	})
	if diff := cmp.Diff(want, r.Finished()); diff != "" || r.Finished().Type != EventFinished {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
