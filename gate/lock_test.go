package gate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// TestOnRecord: what a run leaves on record, for every way to end, and that it leaves no lease.
func TestOnRecord(t *testing.T) {
	for name, c := range map[string]struct {
		things []*thing
		gate   func(*Gate, *books)
		code   Outcome
		want   string
	}{
		"passed":            {[]*thing{good("web")}, nil, Passed, "passed; 0 leases"},
		"undone":            {[]*thing{bad("web", stalls(time.Second))}, nil, RolloutFailed, "undone; 0 leases"},
		"left":              {[]*thing{bad("web", stalls(time.Second))}, func(g *Gate, _ *books) { g.NeverUndo = true }, NotUndone, "left; 0 leases"},
		"not put back":      {[]*thing{{name: "web", existed: true, behaves: map[int]behaviour{1: never, 2: stalls(time.Second)}}}, nil, UndoBroken, "undo-failed; 0 leases"},
		"nothing to change": {[]*thing{{name: "web", same: true}}, nil, Passed, "; 0 leases"},
		"no history":        {[]*thing{good("web")}, func(g *Gate, _ *books) { g.History = 0 }, Passed, "; 0 leases"},
		"kept nowhere":      {[]*thing{good("web")}, func(g *Gate, _ *books) { g.Keep = KeepNothing }, Passed, "; 0 leases"},
		"no right to leases": {[]*thing{good("web")}, func(_ *Gate, b *books) {
			b.fault = func(what string) error { return map[string]error{"take lease": errRefused}[what] }
		}, Passed, "passed; 0 leases"},
		"no right to records": {[]*thing{good("web")}, func(_ *Gate, b *books) {
			b.fault = func(what string) error { return map[string]error{"save running": errRefused}[what] }
		}, Passed, "; 0 leases"},
		"the store does not answer": {[]*thing{good("web")}, func(_ *Gate, b *books) {
			b.fault = func(what string) error { return map[string]error{"save running": errLost}[what] }
		}, Retry, "; 0 leases"},
		"the leases do not answer": {[]*thing{good("web")}, func(_ *Gate, b *books) {
			b.fault = func(what string) error { return map[string]error{"list leases": errLost}[what] }
		}, Retry, "; 0 leases"},
		"one answer of each kind is lost": {[]*thing{good("web")}, func(_ *Gate, b *books) {
			lost := map[string]bool{}
			b.lose = func(what string) error {
				if lost[what] {
					return nil
				}
				lost[what] = true
				return errLost
			}
		}, Passed, "passed; 0 leases"},
		"no answer about the lease arrives": {[]*thing{good("web")}, func(_ *Gate, b *books) {
			b.lose = func(what string) error { return map[string]error{"take lease": errLost}[what] }
		}, Retry, "; 0 leases"},
		"no answer about the record arrives": {[]*thing{good("web")}, func(_ *Gate, b *books) {
			b.lose = func(what string) error { return map[string]error{"save running": errLost}[what] }
		}, Retry, "; 0 leases"},
		"the end is not written": {[]*thing{good("web")}, func(_ *Gate, b *books) {
			b.fault = func(what string) error { return map[string]error{"save passed": errLost}[what] }
		}, Passed, "running; 1 leases"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.things...)
				b := newBooks(w)
				g := kept(b)
				if c.gate != nil {
					c.gate(&g, b)
				}
				r, _ := g.Run(t.Context(), w.manifests("web"))
				b.fault, b.lose = nil, nil
				if got := strings.TrimSpace(b.states()); r.Exit.Code != c.code.Code() || got != strings.TrimSpace(c.want) {
					t.Errorf("exit %d %q, on record %q, want %d and %q; notes %q", r.Exit.Code, r.Exit.State, got, c.code.Code(), c.want, r.Notes)
				}
				// A record is there before anything is written.
				if i := slices.Index(b.log, "save running"); i < 0 && len(w.log) > 0 && g.Keep != KeepNothing {
					t.Errorf("%q", b.log)
				}
			})
		})
	}
}

// TestHowManyStay: so many ended runs stay, and what has not ended stays in any case.
func TestHowManyStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		b := newBooks(w)
		for range 5 {
			w.objects["web"].version = 1
			g := kept(b)
			g.History = 2
			if r, err := g.Run(t.Context(), w.manifests("web")); err != nil || r.Exit.Code != 0 {
				t.Fatal(r.Exit, err)
			}
			time.Sleep(time.Minute)
		}
		if got := b.states(); got != "passed passed; 0 leases" {
			t.Error(got)
		}
	})
}

// TestNeverTwo: a run waits for another one, or ends before anything is changed.
func TestNeverTwo(t *testing.T) {
	living := func(b *books) Gate {
		g := kept(b)
		g.Here.Started = func(id int) (string, bool) { return map[int]string{1: "then", 2: "now"}[id], true }
		return g
	}
	t.Run("at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			b := newBooks(w)
			b.dies("OTHER", 0, "web")
			r, err := living(b).Run(t.Context(), w.manifests("web"))
			if r.Exit.Code != Retry.Code() || err == nil || !strings.Contains(err.Error(), "run OTHER is going on since") {
				t.Errorf("%+v %v", r.Exit, err)
			}
			if got := b.states(); w.history() != "" || got != "running; 1 leases" {
				t.Errorf("%s, %s", w.history(), got)
			}
		})
	})
	t.Run("waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			b := newBooks(w)
			b.dies("OTHER", 0, "web")
			go func() {
				time.Sleep(20 * time.Second)
				b.mu.Lock()
				defer b.mu.Unlock()
				b.leases, b.records = map[string]record.Lease{}, map[string][][]byte{}
			}()
			g := living(b)
			g.WaitForLock = time.Minute
			began := time.Now()
			r, err := g.Run(t.Context(), w.manifests("web"))
			if took := time.Since(began); r.Exit.Code != 0 || err != nil || took < 20*time.Second {
				t.Errorf("%+v %v after %s", r.Exit, err, took)
			}
			if got := b.states(); got != "passed; 0 leases" {
				t.Error(got)
			}
		})
	})
	t.Run("for too long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			b := newBooks(w)
			b.dies("OTHER", 0, "web")
			g := living(b)
			g.WaitForLock = time.Minute
			r, err := g.Run(t.Context(), w.manifests("web"))
			if r.Exit.Code != Retry.Code() || !strings.Contains(err.Error(), "waited for it for 1m") {
				t.Errorf("%+v %v", r.Exit, err)
			}
		})
	})
	t.Run("cancelled while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			b := newBooks(w)
			b.dies("OTHER", 0, "web")
			g := living(b)
			g.WaitForLock = time.Hour
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { time.Sleep(5 * time.Second); cancel(Cancelled{Signal: 15}) }()
			r, _ := g.Run(ctx, w.manifests("web"))
			if r.Exit.Code != Terminated.Code() || w.history() != "" || len(b.leases) != 1 {
				t.Errorf("%+v, %s, %d leases", r.Exit, w.history(), len(b.leases))
			}
		})
	})
	t.Run("two at the same moment, and none waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			b := newBooks(w)
			ended := make(chan int)
			for range 2 {
				go func() {
					g := living(b)
					g.Store = slowBooks{b}
					r, _ := g.Run(t.Context(), w.manifests("web"))
					ended <- r.Exit.Code
				}()
			}
			if first, second := <-ended, <-ended; first+second != Retry.Code() || first*second != 0 {
				t.Errorf("they ended with %d and %d", first, second)
			}
			if got := b.states(); got != "passed; 0 leases" {
				t.Error(got)
			}
		})
	})
	t.Run("many together", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			w.writeTakes = time.Second
			b := newBooks(w)
			inside, ended := 0, make(chan int)
			w.onWrite = func(int, string) {
				w.mu.Lock()
				defer w.mu.Unlock()
				inside++
			}
			for range 5 {
				go func() {
					g := living(b)
					g.WaitForLock = time.Hour
					r, _ := g.Run(t.Context(), w.manifests("web"))
					ended <- r.Exit.Code
				}()
			}
			for range 5 {
				if code := <-ended; code != 0 {
					t.Errorf("exit %d", code)
				}
			}
			if inside != 5 || len(b.leases) != 0 {
				t.Errorf("%d writes, %d leases", inside, len(b.leases))
			}
		})
	})
}

// TestTakenOver: a run that was killed is taken over by the next one; an undo goes back to before both.
func TestTakenOver(t *testing.T) {
	for name, c := range map[string]struct {
		things []*thing
		wrote  int // of the dead run
		names  string
		code   Outcome
		after  string
		want   string
	}{
		"before its first write":      {[]*thing{good("web")}, 0, "web", Passed, "web=2", "continued passed; 0 leases"},
		"after it, and it is good":    {[]*thing{good("web")}, 1, "web", Passed, "web=2", "continued passed; 0 leases"},
		"after it, and it is bad":     {[]*thing{bad("web", stalls(time.Second))}, 1, "web", RolloutFailed, "web=1", "continued undone; 0 leases"},
		"half-way, and it is bad":     {[]*thing{good("a"), bad("b", stalls(time.Second))}, 1, "a b", RolloutFailed, "a=1 b=1", "continued undone; 0 leases"},
		"one object is not ours":      {[]*thing{good("a"), bad("b", stalls(time.Second))}, 2, "b", RolloutFailed, "a=1 b=1", "continued undone; 0 leases"},
		"created, and it is bad":      {[]*thing{created("web", stalls(time.Second))}, 1, "web", RolloutFailed, "web=0", "continued undone; 0 leases"},
		"everything, nothing changed": {[]*thing{bad("a", stalls(time.Second))}, 1, "a", RolloutFailed, "a=1", "continued undone; 0 leases"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.things...)
				b := newBooks(w)
				var names []string
				for _, o := range c.things {
					names = append(names, o.name)
				}
				b.dies("DEAD", c.wrote, names...)
				r, err := kept(b).Run(t.Context(), w.manifests(strings.Fields(c.names)...))
				if r.Exit.Code != c.code.Code() || w.versions() != c.after {
					t.Errorf("exit %d %q %v, versions %s", r.Exit.Code, r.Exit.State, err, w.versions())
				}
				if got := b.states(); got != c.want {
					t.Errorf("on record: %s, want %s", got, c.want)
				}
			})
		})
	}
}

// TestTakenOverInVain: a run that takes another one over and does not come to its own writes still puts back what it found.
func TestTakenOverInVain(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(n int, what string) fault
		after string
	}{
		"its first write is refused":  {func(n int, _ string) fault { return fault{err: errIf(n == 1, errRefused)} }, "a=1 b=1"},
		"its second write is refused": {func(n int, _ string) fault { return fault{err: errIf(n == 2, errRefused)} }, "a=1 b=1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("a"), good("b"))
				b := newBooks(w)
				b.dies("DEAD", 2, "a", "b")
				w.fault = c.fault
				r, _ := kept(b).Run(t.Context(), w.manifests("a", "b"))
				if w.versions() != c.after || r.Exit.Code != RolloutFailed.Code() {
					t.Errorf("exit %d %q, versions %s: %s", r.Exit.Code, r.Exit.State, w.versions(), w.history())
				}
				if got := b.states(); got != "continued undone; 0 leases" {
					t.Error(got)
				}
			})
		})
	}
	t.Run("it is killed before them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("a"))
			b := newBooks(w)
			b.dies("DEAD", 1, "a")
			first, err := b.LoadRecord(t.Context(), "shop", "DEAD")
			if err != nil {
				t.Fatal(err)
			}
			b.dies("SECOND", 0, "a")
			second, err := b.LoadRecord(t.Context(), "shop", "SECOND")
			if err != nil {
				t.Fatal(err)
			}
			second.Carried, second.TookOver = first.Writes(), []string{"DEAD"} // which does not know it yet
			second.Carried[0].Written = w.objects["a"].object(2)
			second.Stages[0].Writes[0].Before = w.objects["a"].object(2)
			second.Stages[0].Writes[0].Base = &patch.Base{Object: w.objects["a"].object(1)}
			if err := b.SaveRecord(t.Context(), second); err != nil {
				t.Fatal(err)
			}
			r, err := kept(b).Undo(t.Context(), Which{Run: "SECOND"})
			if w.versions() != "a=1" || r.Exit.Code != 0 || !strings.Contains(r.Exit.State, "verified") {
				t.Errorf("exit %d %q %v, versions %s", r.Exit.Code, r.Exit.State, err, w.versions())
			}
			if got := b.states(); got != "continued undone; 0 leases" && got != "undone continued; 0 leases" {
				t.Error(got)
			}
		})
	})
}

func errIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

// TestLostLock: a run that was taken over writes nothing any more, in whatever phase it is.
func TestLostLock(t *testing.T) {
	for name, at := range map[string]time.Duration{"watching": 5 * time.Second, "undoing": 15 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(bad("a", never), bad("b", stalls(12*time.Second)))
				w.undoTakes = time.Minute
				b := newBooks(w)
				go func() {
					time.Sleep(at)
					b.mu.Lock()
					defer b.mu.Unlock()
					for key, l := range b.leases {
						l.Holder = "OTHER"
						b.leases[key] = b.put(l)
					}
				}()
				g := kept(b)
				g.UndoTimeout = 10 * time.Minute
				r, _ := g.Run(t.Context(), w.manifests("a", "b"))
				if r.Exit.Code != Superseded.Code() || strings.Contains(w.history(), "undo a") {
					t.Errorf("exit %d %q: %s", r.Exit.Code, r.Exit.State, w.history())
				}
				if got := b.states(); got != "running; 1 leases" {
					t.Error(got)
				}
			})
		})
	}
}

// TestStaleLease: a process that slept asks whether it still is who it was, before it writes.
func TestStaleLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		b := newBooks(w)
		l := &lock{store: b, self: "ME", renewed: time.Now().Add(-record.Validity)}
		lease, err := b.TakeLease(t.Context(), record.Lease{Run: "ME", Holder: "ME", Namespace: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		l.leases = []record.Lease{lease}
		if err := l.holds(t.Context()); err != nil {
			t.Error(err)
		}
		l.renewed = time.Now().Add(-record.Validity)
		b.leases = nil
		var lost *record.LostError
		if err := l.holds(t.Context()); !errors.As(err, &lost) {
			t.Errorf("%v", err)
		}
	})
}
