package report

import (
	"math"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// plotFrom is a plot of one value every five seconds; NaN leaves one out.
func plotFrom(from int, values ...float64) (plot []analysis.Moment) {
	for i, v := range values {
		if !math.IsNaN(v) {
			plot = append(plot, analysis.Moment{Time: second(from + 5*i), Value: analysis.Number(v)})
		}
	}
	return plot
}

func TestDrawingsOfCriteria(t *testing.T) {
	nan := math.NaN()
	before := analysis.Number(0.2)
	r := gate.Report{Run: gate.Run{Started: began, Finished: second(90)}, Marks: gate.Marks{Applied: second(20), Complete: second(35), Undone: second(70)}}
	for name, c := range map[string]analysis.Result{
		"ceiling":   {Op: analysis.LessEqual, Limit: 4, FirstBreach: second(45), Plot: plotFrom(0, 1, 2, 1, 3, 2, 1, 2, 3, 5, 6, 5, 7)},
		"floor":     {Op: analysis.GreaterEqual, Limit: 4, Plot: plotFrom(0, 9, 8, 9, 7, 8, 3, 2, 1)},
		"equal":     {Op: analysis.Equal, Limit: 1, Plot: plotFrom(0, 1, 1, 1, 0)},
		"infinite":  {Op: analysis.Less, Limit: analysis.Number(math.Inf(1)), Plot: plotFrom(0, 1, 2, 3)},
		"negative":  {Op: analysis.Less, Limit: 2, Plot: plotFrom(0, -3, -1, 1, 0)},
		"zero":      {Op: analysis.LessEqual, Limit: 0, Plot: plotFrom(0, 0, 0, 0)},
		"gap":       {Op: analysis.Less, Limit: 2, Plot: plotFrom(0, 1, 1, 1, nan, nan, nan, 1, 1, nan, nan, nan, 1)},
		"baseline":  {Op: analysis.LessEqual, Unit: analysis.Percent, Baseline: "<= 1.25 x before", Before: &before, Plot: plotFrom(0, .2, .2, .3)},
		"versions":  {Op: analysis.LessEqual, Limit: .5, Plot: plotFrom(0, 9, 9), Courses: []analysis.Course{{Version: "new", Plot: plotFrom(30, .6, .7)}, {Version: "old", Plot: plotFrom(0, .1, .2, .1, .2, .1)}}},
		"groups":    {Op: analysis.LessEqual, Limit: .5, Plot: plotFrom(0, .3, .3), Courses: []analysis.Course{{Group: `route="a"`, Plot: plotFrom(0, .6, .7)}, {Group: `route="b"`, Plot: plotFrom(0, .1, .2)}}},
		"as-judged": {Op: analysis.LessEqual, Limit: .5, Series: []analysis.Point{{Time: second(40), Value: &before}, {Time: second(45)}, {Time: second(50), Value: &before}}},
		"odd":       {Op: analysis.LessEqual, Limit: .5, Plot: plotFrom(0, math.Inf(1), .2, math.Inf(-1), .3)},
	} {
		c.Name, c.Verdict = name, analysis.Pass
		golden(t, "drawings/criterion-"+name+".svg", []byte(drawCriterion(c, r, "c")))
	}
	for name, c := range map[string]analysis.Result{
		"nothing": {}, "one value": {Plot: plotFrom(0, 1)}, "no number": {Plot: plotFrom(0, math.Inf(1), math.Inf(1))},
	} {
		if got := drawCriterion(c, r, "c"); got != "" {
			t.Errorf("%s is drawn as %s", name, got)
		}
	}
}

func TestDrawingsOfRuns(t *testing.T) {
	web, db := manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}, manifest.Ref{Group: "apps", Kind: "StatefulSet", Name: "a-database-with-a-very-long-name-that-no-phone-can-show"}
	pods := func(s int, ref manifest.Ref, n, ready, old, oldReady int32) gate.Pods {
		return gate.Pods{Time: second(s), Object: ref, New: n, NewReady: ready, Old: old, OldReady: oldReady, Desired: 3}
	}
	run := gate.Run{Started: began, Finished: second(60)}
	step := func(s int, name gate.StepName) gate.Event {
		return gate.NewEvent(second(s), manifest.Ref{}, gate.Step{Name: name})
	}
	for name, r := range map[string]gate.Report{
		"pods": {Run: run, Pods: []gate.Pods{pods(1, web, 0, 0, 3, 3), pods(2, db, 0, 0, 3, 3), pods(5, web, 1, 0, 3, 3), pods(9, web, 3, 2, 1, 0), pods(20, web, 3, 3, 0, 0)}},
		"steps": {Run: run, Timeline: []gate.Event{
			step(0, gate.StepPlan), step(1, gate.StepApply), step(2, gate.StepWatch), step(30, gate.StepUndo),
			gate.NewEvent(second(3), web, gate.Warning{Code: "A", Cause: "b"}), gate.NewEvent(second(3), web, gate.Warning{Code: "B", Cause: "c"}),
			gate.NewEvent(second(29), manifest.Ref{}, gate.Judged{Outcome: gate.RolloutFailed}),
		}, Marks: gate.Marks{Applied: second(1), Complete: second(28), Undone: second(30)}},
		"stages":       {Run: run, Stages: []gate.StageReport{{Name: "canary 25%", Started: second(1), Finished: second(20)}, {Name: "promote", Started: second(20)}, {Name: "never"}}, Timeline: []gate.Event{step(1, gate.StepWatch)}},
		"without-time": {Run: gate.Run{Started: began, Finished: began}, Timeline: []gate.Event{step(0, gate.StepPlan)}},
	} {
		golden(t, "drawings/run-"+name+".svg", []byte(runDrawing(r, 960, "r")))
		golden(t, "drawings/run-"+name+"-narrow.svg", []byte(runDrawing(r, 340, "r")))
	}
	if got := drawRun(gate.Report{Run: run}); got != "" {
		t.Errorf("nothing is drawn as %s", got)
	}
}

func TestTickText(t *testing.T) {
	for d, want := range map[time.Duration]string{-90 * time.Second: "−1m30s", 0: "0s", 45 * time.Second: "45s", time.Hour: "1h"} {
		if got := tickText(d); got != want {
			t.Errorf("tickText(%s) = %q, want %q", d, got, want)
		}
	}
}
