package gate

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// TestTurns: a run that is a part of a larger one waits for its turn with everything planned and nothing written, and plans again
// what has become old meanwhile.
func TestTurns(t *testing.T) {
	off := &CalledOffError{Why: "cluster eu failed"}
	for name, c := range map[string]struct {
		thing *thing
		dead  int // writes of a killed run; -1: there was none
		waits map[Turn]time.Duration
		fails Turn
		err   error
		code  Outcome
		state string
		after string
		want  string
		log   string // of the world
	}{
		"at once": {thing: good("web"), dead: -1, code: Passed, state: "complete", after: "web=2", want: "passed; 0 leases", log: "write web"},
		"after a while": {thing: good("web"), dead: -1, waits: map[Turn]time.Duration{BeforeLock: time.Minute, BeforeWrites: time.Hour},
			code: Passed, state: "complete", after: "web=2", want: "passed; 0 leases", log: "write web"},
		"called off before its lock":  {thing: good("web"), dead: -1, fails: BeforeLock, err: off, code: CalledOff, state: nothingChanged, after: "web=1", want: "; 0 leases"},
		"called off before it writes": {thing: good("web"), dead: -1, fails: BeforeWrites, err: off, code: CalledOff, state: nothingChanged, after: "web=1", want: "; 0 leases"},
		"called off later": {thing: good("web"), dead: -1, waits: map[Turn]time.Duration{BeforeWrites: time.Hour}, fails: BeforeWrites, err: off,
			code: CalledOff, state: nothingChanged, after: "web=1", want: "; 0 leases"},
		"called off, and a killed run has written": {thing: good("web"), dead: 1, waits: map[Turn]time.Duration{BeforeWrites: time.Minute}, fails: BeforeWrites, err: off,
			code: CalledOff, state: "back at the previous version (verified)", after: "web=1", want: "continued undone; 0 leases", log: "undo web"},
		"a killed run has written, and it waits": {thing: good("web"), dead: 1, waits: map[Turn]time.Duration{BeforeWrites: time.Minute},
			code: Passed, state: "complete", after: "web=2", want: "continued passed; 0 leases"},
		"a killed run has written, and the new one is bad": {thing: bad("web", stalls(time.Second)), dead: 1, waits: map[Turn]time.Duration{BeforeWrites: time.Minute},
			code: RolloutFailed, state: "back at the previous version (verified)", after: "web=1", want: "continued undone; 0 leases"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.thing)
				b := newBooks(w)
				if c.dead >= 0 {
					b.dies("DEAD", c.dead, "web")
				}
				w.log = nil
				var turns []Turn
				g := kept(b)
				g.Turn = func(ctx context.Context, turn Turn) error {
					turns = append(turns, turn)
					if before := strings.Contains(w.history(), "write"); before {
						t.Errorf("something was written before turn %s", turn)
					}
					time.Sleep(c.waits[turn])
					if turn == c.fails {
						return c.err
					}
					return nil
				}
				r, err := g.Run(t.Context(), w.manifests("web"))
				if r.Exit.Code != c.code.Code() || r.Exit.Name != c.code.Name() || !strings.Contains(r.Exit.State, c.state) || w.versions() != c.after {
					t.Errorf("exit %d %s %q %v, versions %s", r.Exit.Code, r.Exit.Name, r.Exit.State, err, w.versions())
				}
				if got := b.states(); strings.TrimSpace(got) != c.want {
					t.Errorf("on record: %s, want %s", got, c.want)
				}
				if c.log != "" && w.history() != c.log {
					t.Errorf("the cluster saw %q, want %q", w.history(), c.log)
				}
				if len(turns) == 0 || turns[0] != BeforeLock {
					t.Errorf("turns %v", turns)
				}
				if n := strings.Count(timeline(r), "web"); c.code == Passed && n == 0 {
					t.Error("the report has nothing of web")
				}
			})
		})
	}
}

// tracedBooks are books in which it may fail to find out what a dead run has left.
type tracedBooks struct {
	*books
	trace func() error
}

func (b tracedBooks) Trace(ctx context.Context, w *patch.Write) error {
	if err := b.trace(); err != nil {
		return err
	}
	return b.books.Trace(ctx, w)
}

// TestTakenOverIsNotLost: a run that has taken over what a killed one has left, and has waited for its turn since, puts that back
// when it cannot go on: nobody else would.
func TestTakenOverIsNotLost(t *testing.T) {
	unavailable := apierrors.NewServiceUnavailable("not now")
	off := &CalledOffError{Why: "cluster eu failed"}
	cancelled := Cancelled{Signal: syscall.SIGINT}
	for name, c := range map[string]struct {
		trace   error
		cause   error // by which the run is cancelled then
		save    error
		history int
		code    Outcome
		want    string
	}{
		"nobody knows what is left":              {trace: unavailable, history: 3, code: RolloutFailed, want: "continued undone; 0 leases"},
		"nobody knows, and nothing is kept":      {trace: unavailable, history: 0, code: RolloutFailed, want: "; 0 leases"},
		"called off meanwhile":                   {trace: context.Canceled, cause: off, history: 3, code: CalledOff, want: "continued undone; 0 leases"},
		"a signal meanwhile":                     {trace: context.Canceled, cause: cancelled, history: 3, code: Interrupted, want: "continued undo-failed; 0 leases"}, // back, and not seen to be complete
		"the record is not written again":        {save: apierrors.NewBadRequest("too large"), history: 3, code: RolloutFailed, want: "continued undone; 0 leases"},
		"it is not written, and nothing is kept": {save: apierrors.NewBadRequest("too large"), history: 0, code: RolloutFailed, want: "; 0 leases"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				b := newBooks(w)
				b.dies("DEAD", 1, "web")
				w.log = nil
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var waited atomic.Bool // its lease is renewed by another goroutine
				b.fault = func(what string) error {
					if what == "forget" && waited.Load() && w.versions() != "web=1" {
						t.Error("a record was deleted before everything was back")
					}
					if waited.Load() && what == "save running" {
						return c.save
					}
					return nil
				}
				g := kept(b)
				g.History = c.history
				g.Store = tracedBooks{b, func() error {
					if waited.Load() && c.cause != nil {
						cancel(c.cause)
						synctest.Wait()
					}
					if waited.Load() {
						return c.trace
					}
					return nil
				}}
				g.Turn = func(_ context.Context, turn Turn) error {
					if turn == BeforeWrites {
						time.Sleep(time.Minute)
						waited.Store(true)
					}
					return nil
				}
				r, err := g.Run(ctx, w.manifests("web"))
				if r.Exit.Code != c.code.Code() || !strings.Contains(r.Exit.State, "web is back at the previous version") || w.versions() != "web=1" || w.history() != "undo web" {
					t.Errorf("exit %d %q %v, versions %s, the cluster saw %q", r.Exit.Code, r.Exit.State, err, w.versions(), w.history())
				}
				if got := b.states(); got != c.want {
					t.Errorf("on record: %s, want %s", got, c.want)
				}
			})
		})
	}
}

// timeline names the objects of the events of a report.
func timeline(r Report) string {
	var all []string
	for _, e := range r.Timeline {
		all = append(all, string(e.Type)+" "+e.Object.Name)
	}
	return strings.Join(all, ", ")
}

// TestPlannedAgain: what others have written while a run waited is in its new plan, and may be refused.
func TestPlannedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		b := newBooks(w)
		g := kept(b)
		g.Turn = func(_ context.Context, turn Turn) error {
			if turn == BeforeWrites {
				time.Sleep(time.Minute)
				w.planErr = errRefused
			}
			return nil
		}
		r, _ := g.Run(t.Context(), w.manifests("web"))
		if r.Exit.Code != Denied.Code() || w.versions() != "web=1" || strings.TrimSpace(b.states()) != "; 0 leases" {
			t.Errorf("exit %d %q, versions %s, on record %s", r.Exit.Code, r.Exit.State, w.versions(), b.states())
		}
	})
}

// TestCalledOff: a run that is called off takes back what it has written and proves it; a signal after that cuts the proof short.
func TestCalledOff(t *testing.T) {
	off := &CalledOffError{Why: "cluster eu failed"}
	for name, c := range map[string]struct {
		after    time.Duration
		signal   time.Duration // zero: none
		never    bool
		planned  time.Duration
		code     Outcome
		state    string
		versions string
		log      string
	}{
		"while it plans":             {after: time.Second, planned: 5 * time.Second, code: CalledOff, state: nothingChanged, versions: "web=1"},
		"while it watches":           {after: 2 * time.Second, code: CalledOff, state: "(verified)", versions: "web=1", log: "write web, undo web"},
		"and nothing is ever undone": {after: 2 * time.Second, never: true, code: NotUndone, state: "left in place", versions: "web=2", log: "write web"},
		"and a signal comes while the undo is watched": {after: 2 * time.Second, signal: 2500 * time.Millisecond, code: Terminated, state: "(unverified)",
			versions: "web=1", log: "write web, undo web"},
		"when it has passed": {after: time.Minute, code: Passed, state: "complete", versions: "web=2", log: "write web"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				w.planTakes = c.planned
				w.objects["web"].behaves[1] = becomesReady(3 * time.Second)
				g := gated(w)
				g.NeverUndo = c.never
				signals := make(chan os.Signal, 1)
				g.Signals = signals
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(c.after, func() { cancel(off) })
				if c.signal > 0 {
					time.AfterFunc(c.signal, func() { signals <- syscall.SIGTERM })
				}
				r, err := g.Run(ctx, w.manifests("web"))
				if err != nil && !errors.As(err, &off) {
					t.Error(err)
				}
				check(t, r, w, c.code, c.state, c.versions)
				if w.history() != c.log {
					t.Errorf("the cluster saw %q, want %q", w.history(), c.log)
				}
				if len(r.Findings) > 0 {
					t.Errorf("a release that was called off is explained: %v", r.Findings)
				}
			})
		})
	}
}

// TestUnaccepted: credentials that end while a run watches are no verdict on the release.
func TestUnaccepted(t *testing.T) {
	for name, c := range map[string]struct {
		from, to time.Duration // when they are not accepted
		behaves  behaviour
		timeout  time.Duration
		code     Outcome
		state    string
		versions string
	}{
		"for a while":               {from: time.Second, to: 40 * time.Second, behaves: becomesReady(45 * time.Second), timeout: 5 * time.Minute, code: Passed, state: "complete", versions: "web=2"},
		"for too long":              {from: time.Second, to: time.Hour, behaves: never, timeout: 5 * time.Minute, code: Inconclusive, state: "take it back with: rolloutgate undo", versions: "web=2"},
		"when the time is up":       {from: time.Second, to: time.Hour, behaves: never, timeout: 30 * time.Second, code: Inconclusive, state: "the credentials are not accepted any more", versions: "web=2"},
		"a failure was seen before": {from: 10 * time.Second, to: time.Hour, behaves: stalls(5 * time.Second), timeout: 5 * time.Minute, code: RolloutFailed, state: "back", versions: "web=1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(bad("web", c.behaves))
				begun := time.Now()
				w.unaccepted = func() time.Duration {
					if now := time.Since(begun); now >= c.from && now < c.to {
						return now - c.from + 1
					}
					return 0
				}
				g := gated(w)
				g.Timeout = c.timeout
				r, err := g.Run(t.Context(), w.manifests("web"))
				if err != nil {
					t.Error(err)
				}
				check(t, r, w, c.code, c.state, c.versions)
				if took := time.Since(begun); took > 2*time.Minute {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
