package gate

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	toOld = "pin apart to OLD, pin svc to OLD"
	toNew = "pin apart to NEW, pin svc to NEW"
)

// TestBlueGreenRuns: what a run writes, in which order, and what it leaves, whenever the new pods turn out to be bad.
func TestBlueGreenRuns(t *testing.T) {
	const before = "web=1 apart:80 svc:80"
	for name, c := range map[string]struct {
		breaks  string
		gate    func(*Gate)
		fleet   func(*fleet)
		outcome Outcome
		state   string
		log     string
		left    string
	}{
		"good": {
			outcome: Passed, state: "deployment/web is complete",
			log: toOld + ", web beside, " + toNew + ", web, undo apart, undo svc", left: "web=2 apart:80 svc:80",
		},
		"a Service of the same release": {
			fleet: func(f *fleet) { f.changed = []string{"svc"} }, outcome: Passed,
			log: toOld + ", web beside, " + toNew + ", web, undo apart, svc", left: "web=2 apart:80 svc:81",
		},
		"bad in the preview": {
			breaks: "beside", outcome: RolloutFailed, state: "are back at the previous version (verified)",
			log: toOld + ", web beside, undo web, undo svc, undo apart", left: before,
		},
		"bad in the switch": {
			breaks: "switch", outcome: RolloutFailed, state: "are back at the previous version (verified)",
			log: toOld + ", web beside, " + toNew + ", " + toOld + ", undo web, undo svc, undo apart", left: before,
		},
		"bad in the switch, a Service of the same release": {
			breaks: "switch", fleet: func(f *fleet) { f.changed = []string{"svc"} }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", " + toOld + ", undo web, undo svc, undo apart", left: before,
		},
		"bad in the promotion": { // there are no old pods behind a pin any more
			breaks: "promote", outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", web, undo svc, undo apart, undo web", left: before,
		},
		"bad at the end": {
			breaks: "unpin", outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", web, undo apart, undo svc, undo web", left: before,
		},
		"bad at the end, a Service of the same release": {
			breaks: "unpin", fleet: func(f *fleet) { f.changed = []string{"svc"} }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", web, undo apart, svc, undo svc, undo web", left: before,
		},
		"nothing is undone": {
			breaks: "switch", gate: func(g *Gate) { g.NeverUndo = true }, outcome: NotUndone,
			log: toOld + ", web beside, " + toNew, left: "web=2 beside apart:80@NEW svc:80@NEW",
		},
		"new pods nobody makes": {
			fleet: func(f *fleet) { f.unmade = true }, outcome: RolloutFailed,
			log: toOld + ", web beside, undo web, undo svc, undo apart", left: before,
		},
		"no answer at the switch": {
			fleet: func(f *fleet) { f.troubled("web beside", errRefused, 20*time.Second) }, outcome: RolloutFailed, log: toOld + ", web beside, undo svc, undo apart, undo web", left: before,
		},
		"a Service that cannot be written": {
			fleet: func(f *fleet) { f.fault = on("pin svc to NEW", fault{err: errRefused}) }, outcome: RolloutFailed,
			log: toOld + ", web beside, pin apart to NEW, pin apart to OLD, undo web, undo apart, undo svc", left: before,
		},
		"a Service whose answer is lost": {
			fleet: func(f *fleet) { f.fault = on("pin svc to NEW", fault{err: errLost, done: true}) }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", pin apart to OLD, undo svc, undo web, undo apart", left: before,
		},
		"a Service that cannot be given back to the old pods": { // its new pods must not go before it is back
			breaks: "switch", fleet: func(f *fleet) { f.fault = again("pin svc to OLD", fault{err: errRefused}) }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", pin apart to OLD, undo apart, undo svc, undo web", left: before,
		},
		"a moment of trouble at the switch": {
			fleet: func(f *fleet) { f.troubled("web beside", errLost, 8*time.Second) }, outcome: Passed,
			log: toOld + ", web beside, " + toNew + ", web, undo apart, undo svc", left: "web=2 apart:80 svc:80",
		},
		"a Service that cannot be unpinned": {
			fleet: func(f *fleet) { f.fault = once("undo apart", fault{err: errRefused}) }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", web, undo svc, undo apart, undo web", left: before,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet("svc", "apart apart")
				f.breaks = c.breaks
				if c.fleet != nil {
					c.fleet(f)
				}
				g, b := f.gate(t, previewed(0))
				if c.gate != nil {
					c.gate(&g)
				}
				report, _ := g.Run(t.Context(), f.release())
				check(t, report, f.world, c.outcome, c.state, "")
				if f.history() != c.log || f.left() != c.left {
					t.Errorf("wrote %s\nwant  %s\nleft %s, want %s", f.history(), c.log, f.left(), c.left)
				}
				if len(b.leases) != 0 || len(f.outages) > 0 {
					t.Errorf("on record %s, Services without pods: %s", b.states(), f.outages)
				}
			})
		})
	}
}

// again makes every write of a kind but the first go wrong.
func again(what string, f fault) func(int, string) fault {
	seen := 0
	return func(_ int, now string) fault {
		if now == what {
			seen++
		}
		if now != what || seen == 1 {
			return fault{}
		}
		return f
	}
}

// once makes one kind of write go wrong the first time.
func once(what string, f fault) func(int, string) fault {
	over := false
	return func(_ int, now string) fault {
		if now != what || over {
			return fault{}
		}
		over = true
		return f
	}
}

// TestBlueGreenKilled: whatever a killed run has left, each command makes something whole of it, and no Service is without
// pods meanwhile.
func TestBlueGreenKilled(t *testing.T) {
	const before, after, passed = "web=1 apart:80 svc:80", "web=2 apart:80 svc:81", "continued passed; 0 leases"
	run := func(change func(*fleet, *Gate)) func(Gate, *fleet) (Report, error) {
		return func(g Gate, f *fleet) (Report, error) {
			if change != nil {
				change(f, &g)
			}
			return g.Run(context.Background(), f.release())
		}
	}
	for then, c := range map[string]struct {
		do      func(Gate, *fleet) (Report, error)
		outcome Outcome
		left    string
		states  string
	}{
		"undo": {func(g Gate, _ *fleet) (Report, error) { return g.Undo(context.Background(), Which{}) }, Passed, before, "undone; 0 leases"},
		"resume": {func(g Gate, _ *fleet) (Report, error) {
			g.Delivery = Delivery{} // it is on record
			return g.Resume(context.Background(), Which{})
		}, Passed, after, passed},
		"run again":             {run(nil), Passed, after, passed},
		"a plain run":           {run(func(_ *fleet, g *Gate) { g.Delivery = Delivery{} }), Passed, after, passed},
		"a drained run":         {run(func(_ *fleet, g *Gate) { g.Delivery = Delivery{Drain: true} }), Passed, after, passed},
		"the version of before": {run(func(f *fleet, g *Gate) { f.wants = 1 }), Passed, before, passed},
		"run again, and bad":    {run(func(f *fleet, g *Gate) { f.breaks = "beside" }), RolloutFailed, before, "continued undone; 0 leases"},
		"plain, and bad":        {run(func(f *fleet, g *Gate) { f.breaks, g.Delivery = "promote", Delivery{} }), RolloutFailed, before, "continued undone; 0 leases"},
	} {
		for _, at := range []string{"pin apart to OLD", "pin svc to OLD", "web beside", "pin apart to NEW", "pin svc to NEW", "web", "undo apart", "svc"} {
			if gone := at == "web" || at == "undo apart" || at == "svc"; gone && strings.HasSuffix(then, "and bad") {
				continue // there is nothing to run beside the old pods any more
			}
			t.Run(then+" after "+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFleet("svc changed", "apart apart")
					g, b := f.gate(t, previewed(0))
					revive := f.dies(b, at)
					if report, _ := g.Run(t.Context(), f.release()); !f.dead {
						t.Fatalf("it did not die: %+v, wrote %s", report.Exit, f.history())
					}
					was := f.left()
					revive()
					time.Sleep(time.Minute)
					report, err := c.do(g, f)
					if report.Exit.Code != c.outcome.Code() || f.left() != c.left || b.states() != c.states {
						t.Errorf("%+v %v\nfrom %s to %s, on record %s\nwrote %s\nnotes %q", report.Exit, err, was, f.left(), b.states(), f.history(), report.Notes)
					}
					if len(f.outages) > 0 {
						t.Errorf("Services without pods: %s\nwrote %s", f.outages, f.history())
					}
				})
			})
		}
	}
}
