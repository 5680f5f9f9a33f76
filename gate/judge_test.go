package gate

import (
	"syscall"
	"testing"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestJudge: what a situation means. "" stands for no verdict yet.
func TestJudge(t *testing.T) {
	workload := func(p rollout.Phase) Observed {
		return Observed{Known: true, Status: rollout.Status{Phase: p}}
	}
	done, going := workload(rollout.Complete), workload(rollout.Progressing)
	held, unknown, before, decided := done, done, workload(rollout.Failed), going
	held.Held, unknown.Known, before.Before, decided.Deciding = true, false, true, &diagnosis.Finding{Code: "AppCrash"}
	empty, emptied, awaited := done, done, going
	awaited.Status.Reason = rollout.ReasonAwaited
	empty.Status.Reason = rollout.ReasonZeroReplicas
	emptied.Status.Reason, emptied.Status.ScaledToZero = rollout.ReasonZeroReplicas, true
	results := func(v analysis.Verdict) []analysis.Result { return []analysis.Result{{Name: "errors", Verdict: v}} }

	for name, c := range map[string]struct {
		s       Situation
		want    string
		nothing int
	}{
		"on its way":                         {s: Situation{Workloads: []Observed{done, going}}},
		"not read yet":                       {s: Situation{Workloads: []Observed{unknown}}},
		"complete":                           {s: Situation{Workloads: []Observed{done, done}}, want: "passed"},
		"held back":                          {s: Situation{Workloads: []Observed{held}}},
		"failed":                             {s: Situation{Workloads: []Observed{going, workload(rollout.Failed)}}, want: "failed"},
		"a rule":                             {s: Situation{Workloads: []Observed{done, decided}}, want: "failed"},
		"somebody else's":                    {s: Situation{Workloads: []Observed{workload(rollout.Superseded)}}, want: "superseded"},
		"paused":                             {s: Situation{Workloads: []Observed{workload(rollout.Paused)}}},
		"broken before":                      {s: Situation{Workloads: []Observed{before, done}}, want: "passed"},
		"broken before, the other not yet":   {s: Situation{Workloads: []Observed{before, going}}},
		"late":                               {s: Situation{Workloads: []Observed{going}, Ended: Judge}, want: "timeout"},
		"paused for too long":                {s: Situation{Workloads: []Observed{workload(rollout.Paused)}, Ended: Judge}, want: "timeout"},
		"held back for too long":             {s: Situation{Workloads: []Observed{held}, Ended: Judge}, want: "timeout"},
		"complete at the last moment":        {s: Situation{Workloads: []Observed{done}, Ended: Judge}, want: "passed"},
		"a signal":                           {s: Situation{Workloads: []Observed{going}, Ended: TakeBack, Signal: syscall.SIGTERM}, want: "cancelled"},
		"a signal beats a failure":           {s: Situation{Workloads: []Observed{workload(rollout.Failed)}, Ended: TakeBack, Signal: syscall.SIGINT}, want: "cancelled"},
		"nothing runs":                       {s: Situation{Workloads: []Observed{empty, done}}, want: "passed", nothing: 1},
		"nothing runs, and something has to": {s: Situation{Workloads: []Observed{empty}, RequirePods: true}, want: "inconclusive", nothing: 1},
		"taken away meanwhile":               {s: Situation{Workloads: []Observed{emptied}}, want: "inconclusive", nothing: 1},
		"an undo of nothing":                 {s: Situation{Workloads: []Observed{emptied}, Undoing: true, RequirePods: true}, want: "passed", nothing: 1},
		"asked while rolling":                {s: Situation{Workloads: []Observed{done}, Criteria: Rolling}},
		"in the window":                      {s: Situation{Workloads: []Observed{done}, Criteria: InWindow}},
		"the criteria hold":                  {s: Situation{Workloads: []Observed{done}, Criteria: Answered, Results: results(analysis.Pass)}, want: "passed"},
		"they hold, and a pod is away":       {s: Situation{Workloads: []Observed{going}, Criteria: Answered, Results: results(analysis.Pass)}},
		"violated while rolling":             {s: Situation{Workloads: []Observed{going}, Criteria: Answered, Results: results(analysis.Fail)}, want: "criteria"},
		"no answer":                          {s: Situation{Workloads: []Observed{done}, Criteria: Answered, Results: results(analysis.Inconclusive)}, want: "inconclusive"},
		"violated when the time is up":       {s: Situation{Workloads: []Observed{going}, Criteria: Rolling, Results: results(analysis.Fail), Ended: Judge}, want: "criteria"},
		"unanswered when the time is up":     {s: Situation{Workloads: []Observed{done}, Criteria: InWindow, Results: results(analysis.Inconclusive), Ended: Judge}, want: "inconclusive"},
		"late, and nothing was violated":     {s: Situation{Workloads: []Observed{going}, Criteria: Rolling, Results: results(analysis.Inconclusive), Ended: Judge}, want: "timeout"},
		"one is late by its own time":        {s: Situation{Workloads: []Observed{done, {Known: true, Overdue: true, Status: going.Status}}}, want: "timeout"},
		"late by its own time, but complete": {s: Situation{Workloads: []Observed{{Known: true, Overdue: true, Status: done.Status}}}, want: "passed"},
		"late by its own time, and violated": {s: Situation{Workloads: []Observed{{Known: true, Overdue: true, Status: going.Status}}, Criteria: Rolling, Results: results(analysis.Fail)}, want: "criteria"},
		"the awaited version has not come":   {s: Situation{Workloads: []Observed{awaited, done}, Ended: Judge}, want: "inconclusive"},
		"it is still awaited":                {s: Situation{Workloads: []Observed{awaited, done}}},
		"another one is late":                {s: Situation{Workloads: []Observed{awaited, going}, Ended: Judge}, want: "timeout"},
		"another one has failed":             {s: Situation{Workloads: []Observed{awaited, workload(rollout.Failed)}}, want: "failed"},
		"an undo whose time is up":           {s: Situation{Workloads: []Observed{going}, Undoing: true, Ended: CutShort}, want: "timeout"},
	} {
		v, over := judge(c.s)
		got := ""
		if over {
			got = v.Outcome.Name()
		}
		if got != c.want || len(v.Nothing) != c.nothing {
			t.Errorf("%s: %q with %d that run nothing, want %q with %d", name, got, len(v.Nothing), c.want, c.nothing)
		}
	}
}

// TestResponses: the promises of the table of phases. A first signal ends every phase but the undo's writes, no second
// one skips them, and a third one ends everything.
func TestResponses(t *testing.T) {
	for p := Planning; p <= Reporting; p++ {
		r := responses[p]
		for _, n := range []interruption{firstSignal, secondSignal} {
			if goesOn := r[n] == GoOn; goesOn != (p == Undoing) {
				t.Errorf("phase %d: signal %d means %d", p, n, r[n])
			}
			if r[n] == Abandon {
				t.Errorf("phase %d: signal %d abandons everything", p, n)
			}
		}
		if r[thirdSignal] != Abandon {
			t.Errorf("phase %d: a third signal means %d", p, r[thirdSignal])
		}
		if writes := p == Writing || p == Watching; writes != (r[firstSignal] == TakeBack) {
			t.Errorf("phase %d: a first signal means %d", p, r[firstSignal])
		}
	}
}
