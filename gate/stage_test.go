package gate

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// held is a planner of two stages, of which the first has the first object, and goes on for a while.
func held(hold time.Duration, a *Approval) Planner {
	return Planner{Name: "held", Stages: func(p patch.Plan) ([]Stage, error) {
		return []Stage{{Name: "first", Writes: p.Writes[:1], Hold: hold, Approval: a}, {Name: "rest", Writes: p.Writes[1:], Judge: true}}, nil
	}}
}

// later is a behaviour that becomes another one.
func later(at time.Duration, before, after behaviour) behaviour {
	return func(o *thing, age time.Duration) (string, string) {
		if age < at {
			return before(o, age)
		}
		return after(o, age)
	}
}

// TestHold: a stage goes on for as long as it is held, and what happens to it meanwhile counts.
func TestHold(t *testing.T) {
	for name, c := range map[string]struct {
		behaves behaviour
		outcome Outcome
		took    time.Duration // at least, to the second write or to the undo
		log     string
	}{
		"good":                {becomesReady(2 * time.Second), Passed, 12 * time.Second, "write a, write b"},
		"it breaks in it":     {later(6*time.Second, becomesReady(0), stalls(0)), RolloutFailed, 6 * time.Second, "write a, undo a"},
		"a moment in it":      {later(4*time.Second, becomesReady(0), becomesReady(6*time.Second)), Passed, 10 * time.Second, "write a, write b"},
		"not well at its end": {later(8*time.Second, becomesReady(0), becomesReady(20*time.Second)), Passed, 20 * time.Second, "write a, write b"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(bad("a", c.behaves), good("b"))
				g := gated(w)
				g.Planners = []Planner{held(10*time.Second, nil)}
				var took time.Duration
				w.onWrite = func(n int, _ string) {
					if n == 2 {
						took = time.Since(w.objects["a"].at)
						if c.outcome != Passed {
							took = c.took // the undo has set the time anew
						}
					}
				}
				report, _ := g.Run(t.Context(), w.manifests("a", "b"))
				check(t, report, w, c.outcome, "", "")
				if w.history() != c.log || took < c.took {
					t.Errorf("wrote %s after %s, want %s after %s", w.history(), took, c.log, c.took)
				}
			})
		})
	}
}

// TestHoldIsTold: the window of the criteria is the hold, and where nobody measures its end is awaited.
func TestHoldIsTold(t *testing.T) {
	const hold = 40 * time.Second
	one := Planner{Name: "one", Stages: func(p patch.Plan) ([]Stage, error) {
		return []Stage{{Name: "one", Writes: p.Writes, Hold: hold, Judge: true}}, nil
	}}
	for _, measured := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			g := judging(t, w, &answers{})
			if !measured {
				g = gated(w)
			}
			g.Planners, g.Heartbeat = []Planner{one}, 10*time.Second
			g.Timing, g.Timeout = analysis.DefaultTiming(), 10*time.Minute
			var window time.Duration
			var holding, asking int
			g.Progress = func(e Event) {
				switch p := e.Payload.(type) {
				case Step:
					if p.Name == StepAnalyze {
						window = p.Settle + p.Limit
					}
				case Waiting:
					if len(p.Workloads) == 0 && p.Hold > 0 {
						holding++
					} else if len(p.Workloads) == 0 {
						asking++
					}
				}
			}
			report, _ := g.Run(t.Context(), w.manifests("web"))
			check(t, report, w, Passed, "", "")
			if measured && window != hold || !measured && window != 0 {
				t.Errorf("measured %v: a window of %s is told", measured, window)
			}
			if !measured && (holding < 3 || asking > 0) {
				t.Errorf("the end of the hold was awaited %d times, and the criteria %d times", holding, asking)
			}
		})
	}
}

// answers writes a decision to the lease that waits for one, after a while.
func (b *books) answers(after time.Duration, d record.Decision) {
	go func() {
		time.Sleep(after)
		b.mu.Lock()
		defer b.mu.Unlock()
		for key, l := range b.leases {
			if l.Awaits != nil {
				d.Stage = l.Awaits.Stage
				l.Decision = &d
				b.leases[key] = l
			}
		}
	}()
}

// TestApproval: what somebody says about a stage decides, if they may say it, and silence does after a while.
func TestApproval(t *testing.T) {
	for name, c := range map[string]struct {
		decision record.Decision
		outcome  Outcome
		cause    string
		log      string
		stages   string
	}{
		"approved":           {record.Decision{Approved: true, By: "ann@example.com"}, Passed, "", "write a, write b", "first passed by ann@example.com; rest passed"},
		"rejected":           {record.Decision{By: "ann@example.com", Reason: "too slow"}, Rejected, "ann@example.com has rejected stage first: too slow", "write a, undo a", "first ended by ann@example.com; rest not-begun"},
		"by somebody else":   {record.Decision{Approved: true, By: "bob@elsewhere.com"}, Rejected, "nobody has approved stage first within 5m", "write a, undo a", "first ended; rest not-begun"},
		"nobody says a word": {record.Decision{}, Rejected, "nobody has approved stage first within 5m", "write a, undo a", "first ended; rest not-begun"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("a"), good("b"))
				b := newBooks(w)
				g := kept(b)
				g.Planners = []Planner{held(0, &Approval{Timeout: 5 * time.Minute, By: ".*@example.com"})}
				var heard []string
				g.Progress = func(e Event) {
					switch p := e.Payload.(type) {
					case Asked:
						heard = append(heard, "asked")
					case Decided:
						heard = append(heard, p.By)
					}
				}
				if c.decision.By != "" {
					b.answers(2*time.Minute, c.decision)
				}
				report, _ := g.Run(t.Context(), w.manifests("a", "b"))
				check(t, report, w, c.outcome, "", "")
				if got := stageStates(report); got != c.stages {
					t.Errorf("stages %s, want %s", got, c.stages)
				}
				if c.cause != "" && (len(report.Findings) == 0 || report.Findings[0].Cause != c.cause) {
					t.Errorf("findings %+v, want %s", report.Findings, c.cause)
				}
				if w.history() != c.log || len(heard) == 0 || heard[0] != "asked" || len(b.leases) != 0 {
					t.Errorf("wrote %s, heard %v, %d leases", w.history(), heard, len(b.leases))
				}
			})
		})
	}
}

// stageStates are the stages of a report with what has become of them, in one line.
func stageStates(r Report) string {
	var all []string
	for _, s := range r.Stages {
		text := s.Name + " " + string(s.State)
		if s.Approval != nil && s.Approval.By != "" {
			text += " by " + s.Approval.By
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

// TestParked: a parked run keeps others away, and goes on or goes back when somebody says so.
func TestParked(t *testing.T) {
	for name, c := range map[string]struct {
		then     func(Gate, context.Context, Which) (Report, error)
		code     Outcome
		versions string
		states   string
	}{
		"resumed": {Gate.Resume, Passed, "a=2 b=2", "continued passed; 0 leases"},
		"undone":  {Gate.Undo, Passed, "a=1 b=1", "undone; 0 leases"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("a"), good("b"))
				b := newBooks(w)
				g := kept(b)
				g.Planners = []Planner{held(time.Second, &Approval{Park: true})}
				report, err := g.Run(t.Context(), w.manifests("a", "b"))
				if report.Exit.Code != 0 || report.Exit.Name != "parked" || err != nil || !strings.Contains(report.Exit.State, "rolloutgate resume "+report.Run.ID) {
					t.Fatalf("%+v %v", report.Exit, err)
				}
				if w.versions() != "a=2 b=1" || b.states() != "parked; 1 leases" {
					t.Fatalf("%s, on record %s", w.versions(), b.states())
				}
				time.Sleep(24 * time.Hour)
				other, err := kept(b).Run(t.Context(), w.manifests("b", "a"))
				if other.Exit.Code != Refused.Code() || err == nil || !strings.Contains(err.Error(), "is parked") {
					t.Errorf("another run ended with %+v, %v", other.Exit, err)
				}
				if report, err = c.then(g, t.Context(), Which{}); report.Exit.Code != c.code.Code() || w.versions() != c.versions || b.states() != c.states {
					t.Errorf("%+v %v, %s, on record %s", report.Exit, err, w.versions(), b.states())
				}
			})
		})
	}
}

// TestParkedReplaced: whoever takes a parked run over goes back behind it.
func TestParkedReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("a"), good("b"))
		b := newBooks(w)
		g := kept(b)
		g.Planners = []Planner{held(time.Second, &Approval{Park: true})}
		if report, err := g.Run(t.Context(), w.manifests("a", "b")); report.Exit.Name != "parked" {
			t.Fatal(err)
		}
		g.Planners, g.TakeOver = nil, true
		began := time.Now()
		report, err := g.Run(t.Context(), w.manifests("a", "b"))
		if report.Exit.Code != 0 || b.states() != "continued passed; 0 leases" || time.Since(began) > 20*time.Second {
			t.Errorf("%+v %v, on record %s, after %s", report.Exit, err, b.states(), time.Since(began))
		}
	})
}

// TestCannotWait: a run that nobody could answer, or that nothing could go on with, does not begin.
func TestCannotWait(t *testing.T) {
	for name, change := range map[string]func(*Gate, *Approval){
		"no lease":  func(g *Gate, _ *Approval) { g.Store = nil },
		"no record": func(g *Gate, a *Approval) { g.Keep, a.Park = KeepNothing, true },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("a"), good("b"))
			g, a := kept(newBooks(w)), &Approval{Timeout: time.Minute}
			change(&g, a)
			g.Planners = []Planner{held(0, a)}
			report, err := g.Run(t.Context(), w.manifests("a", "b"))
			if report.Exit.Code != Refused.Code() || err == nil || w.history() != "" {
				t.Errorf("%s: %+v %v, wrote %s", name, report.Exit, err, w.history())
			}
		})
	}
}

func TestMayDecide(t *testing.T) {
	for by, want := range map[string][]string{"": {"ann", "bob"}, "ann": {"ann"}, "a.*|bob": {"ann", "bob"}, "(": nil} {
		var may []string
		for _, who := range []string{"ann", "bob"} {
			if MayDecide(record.Awaits{By: by}, who) == nil {
				may = append(may, who)
			}
		}
		if !slices.Equal(may, want) {
			t.Errorf("%q lets %v", by, may)
		}
	}
}

// TestUnjudgedStage: a stage that nothing is known of does not stay, unless somebody asked for that; a whole release does.
func TestUnjudgedStage(t *testing.T) {
	for name, c := range map[string]struct {
		inconclusive analysis.Action
		outcome      Outcome
		versions     string
	}{
		"by default": {"", Inconclusive, "b=1 web=1"},
		"undo":       {analysis.ActionUndo, Inconclusive, "b=1 web=1"},
		"pass":       {analysis.ActionPass, Passed, "b=2 web=2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"), good("b"))
			g := judging(t, w, &answers{empty: true})
			g.Preflight, g.Policy.Inconclusive = PreflightOff, c.inconclusive
			g.Planners = []Planner{{Name: "judged", Stages: func(p patch.Plan) ([]Stage, error) {
				return []Stage{{Name: "first", Writes: p.Writes[:1], Judge: true, Hold: 30 * time.Second}, {Name: "rest", Writes: p.Writes[1:], Judge: true}}, nil
			}}}
			report, _ := g.Run(t.Context(), w.manifests("web", "b"))
			t.Log(name)
			check(t, report, w, c.outcome, "", c.versions)
		})
	}
}

// TestWriteOf: what an unfinished run has written and this one leaves as it is counts as changed by this one: it is no
// excuse that it was broken before. Of several steps the last one counts.
func TestWriteOf(t *testing.T) {
	web := good("web").ref()
	of := func(step int, a patch.Action) patch.Write { return patch.Write{Ref: web, Step: step, Action: a} }
	for name, c := range map[string]struct {
		writes []patch.Write
		step   int
		action patch.Action
	}{
		"unchanged":      {[]patch.Write{of(0, patch.Unchanged)}, 0, patch.Unchanged},
		"taken over":     {[]patch.Write{of(7, patch.Configured), of(0, patch.Unchanged)}, 7, patch.Configured},
		"steps":          {[]patch.Write{of(0, patch.Configured), of(1, patch.Configured)}, 1, patch.Configured},
		"written by two": {[]patch.Write{of(7, patch.Configured), of(0, patch.Configured)}, 0, patch.Configured},
	} {
		if w := (&run{writes: c.writes}).writeOf(web); w == nil || w.Step != c.step || w.Action != c.action {
			t.Errorf("%s: %+v", name, w)
		}
	}
}
