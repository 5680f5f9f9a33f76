package gate

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestBlueGreenKilled: whatever a killed run has left, each command makes something whole of it, and no Service is without
// pods meanwhile.
func TestBlueGreenKilled(t *testing.T) {
	const before, after, third, passed = "web=1 apart:80 svc:80", "web=2 apart:80 svc:81", "web=3 apart:80 svc:80", "continued passed; 0 leases"
	run := func(change func(*storefront, *Gate)) func(Gate, *storefront) (Report, error) {
		return func(g Gate, f *storefront) (Report, error) {
			if change != nil {
				change(f, &g)
			}
			return g.Run(context.Background(), f.release())
		}
	}
	for then, c := range map[string]struct {
		do      func(Gate, *storefront) (Report, error)
		outcome Outcome
		left    string
		states  string
	}{
		"undo": {func(g Gate, _ *storefront) (Report, error) { return g.Undo(context.Background(), Which{}) }, Passed, before, "undone; 0 leases"},
		"resume": {func(g Gate, _ *storefront) (Report, error) {
			g.Delivery = Delivery{} // it is on record
			return g.Resume(context.Background(), Which{})
		}, Passed, after, passed},
		"run again":                      {run(nil), Passed, after, passed},
		"a plain run":                    {run(func(_ *storefront, g *Gate) { g.Delivery = Delivery{} }), Passed, after, passed},
		"a drained run":                  {run(func(_ *storefront, g *Gate) { g.Delivery = Delivery{Drain: true} }), Passed, after, passed},
		"the version of before":          {run(func(f *storefront, g *Gate) { f.wants = 1 }), Passed, before, passed},
		"a third version":                {run(func(f *storefront, g *Gate) { f.wants = 3 }), Passed, third, passed},
		"a third one, plain":             {run(func(f *storefront, g *Gate) { f.wants, g.Delivery = 3, Delivery{} }), Passed, third, passed},
		"a third one, drained":           {run(func(f *storefront, g *Gate) { f.wants, g.Delivery = 3, Delivery{Drain: true} }), Passed, third, passed},
		"a third one, bad":               {run(func(f *storefront, g *Gate) { f.wants, f.breaks = 3, "beside" }), RolloutFailed, before, "continued undone; 0 leases"},
		"a third one, bad in the switch": {run(func(f *storefront, g *Gate) { f.wants, f.breaks = 3, "switch" }), RolloutFailed, before, "continued undone; 0 leases"},
		"a third one, drained and bad":   {run(func(f *storefront, g *Gate) { f.wants, f.breaks, g.Delivery = 3, "beside", Delivery{Drain: true} }), RolloutFailed, before, "continued undone; 0 leases"},
		"run again, and bad":             {run(func(f *storefront, g *Gate) { f.breaks = "beside" }), RolloutFailed, before, "continued undone; 0 leases"},
		"plain, and bad":                 {run(func(f *storefront, g *Gate) { f.breaks, g.Delivery = "promote", Delivery{} }), RolloutFailed, before, "continued undone; 0 leases"},
	} {
		for _, at := range []string{"pin apart to OLD", "pin svc to OLD", "web beside", "pin apart to NEW", "pin svc to NEW", "web", "undo apart", "svc"} {
			if gone := at == "web" || at == "undo apart" || at == "svc"; gone && strings.HasSuffix(then, ", and bad") {
				continue // there is nothing to run beside the old pods any more
			}
			t.Run(then+" after "+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newStorefront("svc changed", "apart apart")
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

// TestBlueGreenCancelled: whoever cancels a run finds the old pods with their traffic, and then nothing of the run.
func TestBlueGreenCancelled(t *testing.T) {
	for at, log := range map[string]string{
		"pin apart to OLD": "pin apart to OLD, undo apart",
		"web beside":       toOld + ", web beside, undo web, undo svc, undo apart",
		"pin apart to NEW": toOld + ", web beside, pin apart to NEW, pin apart to OLD, undo web, undo apart, undo svc",
		"pin svc to NEW":   toOld + ", web beside, " + toNew + ", " + toOld + ", undo web, undo svc, undo apart",
		"web":              toOld + ", web beside, " + toNew + ", web, undo svc, undo apart, undo web", // the old pods are about to end
		"undo apart":       toOld + ", web beside, " + toNew + ", web, undo apart, undo svc, undo web",
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newStorefront("svc", "apart apart")
			if at == "undo apart" {
				f.breaks = "unpin" // otherwise it has passed by then
			}
			g, b := f.gate(t, previewed(time.Minute))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var cancelled, pinnedAt, backAt time.Time
			f.onWrite = func(_ int, what string) {
				if what == at && cancelled.IsZero() {
					cancelled = time.Now()
					cancel(Cancelled{syscall.SIGTERM})
					time.Sleep(time.Millisecond) // the run hears of it
				}
				if what == "pin svc to OLD" {
					pinnedAt = time.Now()
				}
				if what == "undo web" {
					backAt = time.Now()
				}
			}
			report, _ := g.Run(ctx, f.release())
			check(t, report, f.world, Terminated, "back at the previous version", "")
			if f.history() != log || f.left() != "web=1 apart:80 svc:80" || len(f.outages) > 0 || len(b.leases) > 0 {
				t.Errorf("after %s: wrote %s\nwant  %s\nleft %s, Services without pods: %s", at, f.history(), log, f.left(), f.outages)
			}
			if took := time.Since(cancelled); took > 12*time.Second {
				t.Errorf("after %s: it took %s", at, took)
			}
			if moved := pinnedAt.After(cancelled); moved && backAt.Sub(pinnedAt) < freeTime {
				t.Errorf("after %s: pods ended %s after the traffic had left them", at, backAt.Sub(pinnedAt))
			}
		})
	}
}

// TestSwitchIsOnRecord: to which revision Services are switched is on record before the first of them is.
func TestSwitchIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStorefront("svc changed", "apart apart")
		g, b := f.gate(t, previewed(0))
		var known []string
		f.onWrite = func(_ int, what string) {
			if what != "pin apart to NEW" {
				return
			}
			runs, err := b.Records(context.Background(), "shop")
			if err != nil {
				t.Error(err)
			}
			r, err := b.LoadRecord(context.Background(), "shop", runs[0].ID)
			if err != nil {
				t.Error(err)
			}
			for _, s := range r.Stages {
				for _, w := range s.Writes {
					if w.Pin != nil {
						known = append(known, s.Name+" "+w.Ref.Name+" "+w.Pin.Old+"→"+w.Pin.To+"="+pinOf(w.Sent))
					}
				}
			}
		}
		if report, err := g.Run(t.Context(), f.release()); report.Exit.Code != 0 {
			t.Fatalf("%+v %v", report.Exit, err)
		}
		const want = "preview apart OLD→OLD=OLD, preview svc OLD→OLD=OLD, switch apart OLD→NEW=NEW, switch svc OLD→NEW=NEW"
		if got := strings.Join(known, ", "); got != want {
			t.Errorf("on record %s\nwant      %s", got, want)
		}
	})
}

// TestBlueGreenTakenOver: a run that has lost its lease writes nothing more, at the switch as anywhere.
func TestBlueGreenTakenOver(t *testing.T) {
	for _, at := range []string{"web beside", "pin svc to NEW"} {
		synctest.Test(t, func(t *testing.T) {
			f := newStorefront("svc", "apart apart")
			d := previewed(time.Minute)
			d.Parts[0].Hold = time.Minute // longer than it takes to notice
			g, b := f.gate(t, d)
			taken := ""
			f.onWrite = func(_ int, what string) {
				if what != at {
					return
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				for key, l := range b.leases {
					l.Holder = "another"
					b.leases[key] = b.put(l)
				}
				taken = strings.Join(f.log, ", ")
			}
			report, _ := g.Run(t.Context(), f.release())
			check(t, report, f.world, Superseded, "another run has taken over", "")
			if f.history() != taken {
				t.Errorf("wrote %s after %s", f.history(), taken)
			}
		})
	}
}

// TestDrainGoesOn: a killed run that drains goes on as one.
func TestDrainGoesOn(t *testing.T) {
	for _, at := range []string{"web beside", "pin apart to NEW", "pin svc to NEW", "web", "undo apart"} {
		synctest.Test(t, func(t *testing.T) {
			f := newStorefront("svc", "apart apart")
			g, b := f.gate(t, Delivery{Drain: true})
			revive := f.dies(b, at)
			g.Run(t.Context(), f.release())
			revive()
			time.Sleep(time.Minute)
			g.Delivery = Delivery{}
			report, err := g.Resume(t.Context(), Which{})
			if rest, _, _ := strings.Cut(f.history(), "undo"); report.Exit.Code != 0 || f.left() != "web=2 apart:80 svc:80" || at == "web beside" && rest != "web beside, pin svc to NEW, pin apart to NEW, web, " {
				t.Errorf("after %s: %+v %v, wrote %s, left %s", at, report.Exit, err, f.history(), f.left())
			}
		})
	}
}

// TestUndoThatFails: what could not be put back stays behind its pin, and another undo goes on from there.
func TestUndoThatFails(t *testing.T) {
	for what, left := range map[string]string{
		"undo web":   "web=2 beside apart:80@OLD svc:80@OLD",
		"undo apart": "web=1 apart:80@OLD svc:80",
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newStorefront("svc", "apart apart")
			f.breaks, f.fault = "switch", on(what, fault{err: errRefused})
			g, b := f.gate(t, previewed(0))
			report, _ := g.Run(t.Context(), f.release())
			check(t, report, f.world, UndoBroken, "NOT restored", "")
			said := slices.ContainsFunc(report.Notes, func(n string) bool {
				return strings.HasPrefix(n, "service/svc sends traffic to the pods of the old version alone")
			})
			if f.left() != left || said != (what == "undo web") || report.Undo.Result != UndoFailed || len(f.outages) > 0 {
				t.Errorf("%s fails: left %s, undo %s, notes %q, Services without pods: %s", what, f.left(), report.Undo.Result, report.Notes, f.outages)
			}
			f.fault = nil
			report, err := g.Undo(t.Context(), Which{})
			if report.Exit.Code != 0 || f.left() != "web=1 apart:80 svc:80" || b.states() != "undone; 0 leases" {
				t.Errorf("undone again after %s: %+v %v, left %s, on record %s", what, report.Exit, err, f.left(), b.states())
			}
		})
	}
}

// TestNothingBehindPins: a release that could not be written has still pinned Services, and is undone by unpinning them.
func TestNothingBehindPins(t *testing.T) {
	for _, err := range []error{errRefused, context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			f := newStorefront("svc", "apart apart")
			f.fault = on("web beside", fault{err: err})
			g, b := f.gate(t, previewed(0))
			report, _ := g.Run(t.Context(), f.release())
			check(t, report, f.world, RolloutFailed, "service/svc, service/apart are back at the previous version (verified)", "")
			if f.history() != toOld+", undo svc, undo apart" || f.left() != "web=1 apart:80 svc:80" || len(b.leases) > 0 {
				t.Errorf("%v: undo %+v\nwrote %s, left %s, on record %s", err, report.Undo, f.history(), f.left(), b.states())
			}
		})
	}
}
