package gate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// TestUndoOnRecord: one command puts back what a run has written, whatever became of that run.
func TestUndoOnRecord(t *testing.T) {
	run := func(t *testing.T, b *books, g Gate) {
		if _, err := g.Run(t.Context(), b.w.manifests("web")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
	}
	for name, c := range map[string]struct {
		thing  *thing
		before func(t *testing.T, b *books)
		which  Which
		gate   func(*Gate)
		code   Outcome
		state  string
		after  string
		want   string
	}{
		"killed": {thing: good("web"), before: func(_ *testing.T, b *books) { b.dies("DEAD", 1, "web") },
			state: "back at the previous version (verified)", after: "web=1", want: "undone; 0 leases"},
		"killed before it wrote": {thing: good("web"), before: func(_ *testing.T, b *books) { b.dies("DEAD", 0, "web") },
			state: nothingChanged, after: "web=1", want: "undone; 0 leases"},
		"killed, by its id": {thing: good("web"), before: func(_ *testing.T, b *books) { b.dies("DEAD", 1, "web") }, which: Which{Run: "dead"},
			state: "verified", after: "web=1", want: "undone; 0 leases"},
		"passed": {thing: good("web"), before: func(t *testing.T, b *books) { run(t, b, kept(b)) },
			state: "verified", after: "web=1", want: "undone; 0 leases"},
		"passed, by its object": {thing: good("web"), before: func(t *testing.T, b *books) { run(t, b, kept(b)) },
			which: Which{Objects: []manifest.Ref{(&thing{name: "web", kind: "Thing"}).ref()}}, state: "verified", after: "web=1", want: "undone; 0 leases"},
		"left": {thing: bad("web", never), before: func(t *testing.T, b *books) { g := kept(b); g.NeverUndo = true; run(t, b, g) },
			state: "verified", after: "web=1", want: "undone; 0 leases"},
		"twice": {thing: good("web"), before: func(t *testing.T, b *books) {
			run(t, b, kept(b))
			if _, err := kept(b).Undo(t.Context(), Which{}); err != nil {
				t.Fatal(err)
			}
		}, state: "was undone already", after: "web=1", want: "undone; 0 leases"},
		"not the last one": {thing: good("web"), before: func(t *testing.T, b *books) {
			b.dies("FIRST", 1, "web")
			run(t, b, kept(b))
		}, which: Which{Run: "FIRST"}, code: Refused, state: nothingChanged, after: "web=2", want: "continued passed; 0 leases"},
		"no such run": {thing: good("web"), before: func(*testing.T, *books) {}, code: Refused, state: nothingChanged, after: "web=1", want: "; 0 leases"},
		"alive": {thing: good("web"), before: func(_ *testing.T, b *books) { b.dies("DEAD", 1, "web") },
			gate: func(g *Gate) { g.Here.Started = func(int) (string, bool) { return "then", true } }, code: Retry, state: nothingChanged, after: "web=2", want: "running; 1 leases"},
		"alive, taken over": {thing: good("web"), before: func(_ *testing.T, b *books) { b.dies("DEAD", 1, "web") },
			gate: func(g *Gate) { g.Here.Started, g.TakeOver = func(int) (string, bool) { return "then", true }, true }, state: "verified", after: "web=1", want: "undone; 0 leases"},
		"unfinished, and it is": {thing: good("web"), before: func(_ *testing.T, b *books) { b.dies("DEAD", 1, "web") }, which: Which{Run: "DEAD", Unfinished: true},
			state: "verified", after: "web=1", want: "undone; 0 leases"},
		"unfinished, and it has passed": {thing: good("web"), before: func(t *testing.T, b *books) { g := kept(b); g.ID = "LAST"; run(t, b, g) },
			which: Which{Run: "LAST", Unfinished: true}, state: "has come to its end (passed)", after: "web=2", want: "passed; 0 leases"},
		"unfinished, and its undo was": {thing: &thing{name: "web", existed: true, behaves: map[int]behaviour{1: becomesReady(time.Hour), 2: stalls(time.Second)}},
			before: func(t *testing.T, b *books) { g := kept(b); g.ID = "LAST"; run(t, b, g) },
			which:  Which{Run: "LAST", Unfinished: true}, state: nothingChanged, after: "web=1", want: "undone; 0 leases"},
		"its undo was not seen to end, and it still is not back": {thing: &thing{name: "web", existed: true, behaves: map[int]behaviour{1: never, 2: stalls(time.Second)}},
			before: func(t *testing.T, b *books) { run(t, b, kept(b)) }, code: UndoBroken,
			state: "nothing of that run is left, but its workloads are not complete", after: "web=1", want: "undo-failed; 0 leases"},
		"unfinished, and there is none": {thing: good("web"), before: func(t *testing.T, b *books) { run(t, b, kept(b)) },
			which: Which{Run: "NOSUCH", Unfinished: true}, state: "run NOSUCH is not on record: nothing was changed", after: "web=2", want: "passed; 0 leases"},
		"unfinished, and to be left": {thing: good("web"), before: func(_ *testing.T, b *books) {
			b.dies("DEAD", 1, "web")
			u, err := b.LoadRecord(context.Background(), "shop", "DEAD")
			u.LeaveOnCancel = true
			if err := errors.Join(err, b.SaveRecord(context.Background(), u)); err != nil {
				panic(err)
			}
		}, which: Which{Run: "DEAD", Unfinished: true}, state: "is to be left as it is", after: "web=2", want: "running; 1 leases"},
		"its data is not on record": {thing: &thing{name: "login", kind: "Secret", existed: true, behaves: map[int]behaviour{2: becomesReady(time.Second)}},
			before: func(_ *testing.T, b *books) { b.dies("DEAD", 1, "login"); b.forgetsSecrets("DEAD") },
			code:   UndoBroken, state: "secret/login is NOT restored", after: "login=2", want: "undo-failed; 0 leases"},
		"changed by others since": {thing: &thing{name: "web", existed: true, theirs: nil, behaves: map[int]behaviour{2: becomesReady(time.Second)}},
			before: func(_ *testing.T, b *books) { b.dies("DEAD", 1, "web"); b.w.objects["web"].gone = true },
			code:   UndoBroken, state: "left alone", after: "web=2", want: "undo-failed; 0 leases"},
		"not ready again": {thing: &thing{name: "web", existed: true, behaves: map[int]behaviour{1: never, 2: never}},
			before: func(_ *testing.T, b *books) { b.dies("DEAD", 1, "web") }, code: UndoBroken, state: "unverified", after: "web=1", want: "undo-failed; 0 leases"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.thing)
				b := newBooks(w)
				c.before(t, b)
				g := kept(b)
				if c.gate != nil {
					c.gate(&g)
				}
				r, err := g.Undo(t.Context(), c.which)
				if r.Exit.Code != c.code.Code() || !strings.Contains(r.Exit.State, c.state) || w.versions() != c.after {
					t.Errorf("exit %d %q %v, versions %s", r.Exit.Code, r.Exit.State, err, w.versions())
				}
				if got := strings.TrimSpace(b.states()); got != strings.TrimSpace(c.want) {
					t.Errorf("on record: %s, want %s", got, c.want)
				}
			})
		})
	}
}

// TestResume: a run that was killed goes on from where it was.
func TestResume(t *testing.T) {
	for name, c := range map[string]struct {
		thing *thing
		wrote int
		code  Outcome
		after string
		want  string
	}{
		"nothing was written":       {good("web"), 0, Passed, "web=2", "continued passed; 0 leases"},
		"everything was, and good":  {good("web"), 1, Passed, "web=2", "continued passed; 0 leases"},
		"everything was, and bad":   {bad("web", stalls(time.Second)), 1, RolloutFailed, "web=1", "continued undone; 0 leases"},
		"nothing was, and it's bad": {bad("web", stalls(time.Second)), 0, RolloutFailed, "web=1", "continued undone; 0 leases"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.thing)
				b := newBooks(w)
				b.dies("DEAD", c.wrote, "web")
				r, err := kept(b).Resume(t.Context(), Which{})
				if r.Exit.Code != c.code.Code() || w.versions() != c.after {
					t.Errorf("exit %d %q %v, versions %s", r.Exit.Code, r.Exit.State, err, w.versions())
				}
				if got := b.states(); got != c.want {
					t.Errorf("on record: %s, want %s", got, c.want)
				}
				again, err := kept(b).Resume(t.Context(), Which{})
				done := again.Exit.Code == 0 && strings.Contains(again.Exit.State, "has ended already") && again.HadPassed == r.Run.ID
				if c.code != Passed { // it is no release that could be gone on with
					done = again.Exit.Code == Refused.Code() && strings.Contains(err.Error(), "there is nothing to go on with")
				}
				if !done {
					t.Errorf("%+v %v", again.Exit, err)
				}
				if other, err := kept(b).Resume(t.Context(), Which{Run: "DEAD"}); other.Exit.Code != 0 || other.HadPassed != "" {
					t.Errorf("a run that another one has taken over: %+v %v, it says that run %s had passed", other.Exit, err, other.HadPassed)
				}
				back, err := kept(b).Undo(t.Context(), Which{Run: "DEAD", Unfinished: true}) // its job ends later
				if back.Exit.Code != 0 || !strings.Contains(back.Exit.State, "has come to its end (continued)") || w.versions() != c.after {
					t.Errorf("%+v %v, versions %s", back.Exit, err, w.versions())
				}
			})
		})
	}
}

// TestResumeSweeps: a run that died when it had only its lease to give back has ended, and nothing of it stays.
func TestResumeSweeps(t *testing.T) {
	for state, code := range map[record.State]Outcome{record.Passed: Passed, record.Undone: Refused} {
		synctest.Test(t, func(t *testing.T) {
			b := newBooks(newWorld(good("web")))
			b.dies("DEAD", 0, "web")
			ended, err := b.LoadRecord(t.Context(), "shop", "DEAD")
			ended.State = state
			if err := errors.Join(err, b.SaveRecord(t.Context(), ended)); err != nil {
				t.Fatal(err)
			}
			if r, err := kept(b).Resume(t.Context(), Which{}); r.Exit.Code != code.Code() || len(b.leases) != 0 {
				t.Errorf("%s: exit %d %v, %d leases are left", state, r.Exit.Code, err, len(b.leases))
			}
		})
	}
}

// TestResumeLacks: a record without the data of Secrets is not enough to go on with.
func TestResumeLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(&thing{name: "login", kind: "Secret", existed: true})
		b := newBooks(w)
		b.dies("DEAD", 0, "login")
		b.forgetsSecrets("DEAD")
		r, err := kept(b).Resume(t.Context(), Which{})
		if r.Exit.Code != Refused.Code() || err == nil || !strings.Contains(err.Error(), "the data of secret/login is not on record") || w.history() != "" {
			t.Errorf("exit %d %v, %s", r.Exit.Code, err, w.history())
		}
	})
}

// TestResumeOtherwise: a run does not go on under another field manager, or with other criteria.
func TestResumeOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		b := newBooks(w)
		b.dies("DEAD", 1, "web")
		g := kept(b)
		g.FieldManager = "ci"
		r, err := g.Resume(t.Context(), Which{})
		if r.Exit.Code != Invalid.Code() || err == nil || !strings.Contains(err.Error(), "writes as another field manager") || w.versions() != "web=2" {
			t.Errorf("exit %d %v, %s", r.Exit.Code, err, w.versions())
		}
	})
}

// TestTraceSteps: of several writes to one object the last that was carried out stands for all of them.
func TestTraceSteps(t *testing.T) {
	w := newWorld(good("web"))
	web := w.objects["web"]
	step := func(n int, written bool) patch.Write {
		s := patch.Write{Ref: web.ref(), Action: patch.Configured, Before: web.object(1), Sent: web.object(2), After: web.object(2), Step: n}
		if written {
			s.Written = web.object(2)
		}
		return s
	}
	for name, c := range map[string]struct {
		steps []patch.Write
		want  int // the step that stands for all
		left  bool
	}{
		"none":    {[]patch.Write{step(0, false), step(1, false)}, 0, false},
		"one":     {[]patch.Write{step(0, true), step(1, false)}, 0, true},
		"some":    {[]patch.Write{step(0, true), step(1, true), step(2, false)}, 1, true},
		"resumed": {[]patch.Write{step(0, true), step(1, false), step(2, true)}, 2, true},
	} {
		u := record.Record{ID: "DEAD"}
		for _, s := range c.steps {
			u.Stages = append(u.Stages, record.Stage{Writes: []patch.Write{s}})
		}
		r := kept(newBooks(w)).begin(t.Context(), "undo")
		all, err := r.trace(t.Context(), u)
		r.course.stop()
		if err != nil || len(all) != 1 || all[0].Step != c.want || (all[0].Written != nil) != c.left {
			t.Errorf("%s: %v, %d writes, %+v", name, err, len(all), all)
		}
	}
}
