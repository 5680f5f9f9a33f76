package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// fake is a made-up cluster. What happens in it is a script of its own, in the time of the test's bubble.
type fake struct {
	name      string
	wave      int
	plans     time.Duration
	refuses   gate.Outcome // at the plan; Passed: it does not
	turnsBad  gate.Outcome // at its turn, before it has written; Passed: it goes on
	unchanged bool         // there is nothing to write
	hadPassed bool         // in the run that this one goes on with
	rolls     time.Duration
	ends      gate.Outcome // the verdict after that
	undoes    time.Duration
	undoEnds  gate.Outcome // of what came after it had passed
	panics    bool
	hangs     bool // planning only ends when its context does
}

// log is what happened in all clusters, in order.
type log struct {
	mu    sync.Mutex
	begun time.Time
	lines []string
}

func (l *log) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf("%g ", time.Since(l.begun).Seconds())+fmt.Sprintf(format, args...))
}

// pause lets time pass; the cause says what has ended it early.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f fake) report(o gate.Outcome, state string, wrote bool) gate.Report {
	r := gate.Report{SchemaVersion: gate.SchemaVersion, Exit: gate.Exit{Code: o.Code(), Name: o.Name(), State: state}}
	if wrote {
		r.Marks.Applied = time.Now()
		r.Changes = []gate.Change{{Action: "configured"}}
	}
	return r
}

func outcomeOf(err error) gate.Outcome {
	if o := gate.OutcomeOf(err); o != gate.Internal {
		return o
	}
	return gate.Retry
}

// member is the cluster as a fleet sees it: it behaves as a gate does.
func (f fake) member(l *log) Member {
	run := func(ctx context.Context, c Control) (gate.Report, error) {
		if f.panics {
			panic("a bug")
		}
		plans := f.plans
		if f.hangs {
			plans = time.Hour
		}
		if err := pause(ctx, plans); err != nil {
			return f.report(outcomeOf(err), "nothing was changed", false), err
		}
		if f.refuses != gate.Passed {
			return f.report(f.refuses, "nothing was changed", false), errors.New("no")
		}
		if f.hadPassed {
			r := f.report(gate.Passed, "nothing was changed", false)
			r.HadPassed = "7HJ2K9QXWE"
			return r, nil
		}
		if f.unchanged {
			return f.report(gate.Passed, "nothing to change", false), nil
		}
		for _, turn := range []gate.Turn{gate.BeforeLock, gate.BeforeWrites} {
			if c.Turn == nil {
				break
			}
			if err := c.Turn(ctx, turn); err != nil {
				return f.report(outcomeOf(err), "nothing was changed", false), err
			}
		}
		if f.turnsBad != gate.Passed {
			return f.report(f.turnsBad, "nothing was changed", false), errors.New("no longer")
		}
		l.add("%s writes", f.name)
		verdict := f.ends
		if err := pause(ctx, f.rolls); err != nil {
			verdict = outcomeOf(err)
		}
		switch verdict {
		case gate.Passed, gate.Inconclusive:
			l.add("%s %s", f.name, verdict)
			return f.report(verdict, "complete", true), nil
		case gate.NotUndone, gate.Superseded:
			return f.report(verdict, "left", true), nil
		}
		c.Event(gate.NewEvent(time.Now(), manifest.Ref{}, gate.Step{Name: gate.StepUndo}))
		l.add("%s undoes its %s", f.name, verdict)
		time.Sleep(f.undoes)
		return f.report(verdict, "back (verified)", true), nil
	}
	undo := func(ctx context.Context, c Control) (gate.Report, error) {
		if err := pause(ctx, time.Second); err != nil { // it looks what there is
			return f.report(outcomeOf(err), "nothing was changed", false), err
		}
		c.Event(gate.NewEvent(time.Now(), manifest.Ref{}, gate.Step{Name: gate.StepUndo}))
		l.add("%s is taken back", f.name)
		if err := pause(ctx, f.undoes); err != nil {
			r := f.report(outcomeOf(err), "back (unverified)", false)
			r.Undo = &gate.Undo{Result: gate.UndoUnverified}
			return r, nil
		}
		r := f.report(f.undoEnds, "back (verified)", false)
		r.Undo = &gate.Undo{Result: gate.UndoVerified}
		return r, nil
	}
	return Member{Name: f.name, Wave: f.wave, Run: run, Undo: undo}
}

func pass(name string, wave int) fake {
	return fake{name: name, wave: wave, rolls: 5 * time.Second, undoes: 2 * time.Second}
}

func with(f fake, change func(*fake)) fake {
	change(&f)
	return f
}

func bad(name string, wave int) fake {
	return with(pass(name, wave), func(f *fake) { f.rolls, f.ends = 3*time.Second, gate.RolloutFailed })
}

// had is a cluster whose part had passed in the run that this one goes on with.
func had(name string, wave int) fake {
	return with(pass(name, wave), func(f *fake) { f.hadPassed = true })
}

// send is a signal at a moment.
type signalAt struct {
	at time.Duration
	s  syscall.Signal
}

func TestCarry(t *testing.T) {
	for name, c := range map[string]struct {
		fakes   []fake
		fleet   Fleet
		signals []signalAt
		log     string
		exits   string // of the parts, by their names
		exit    string
	}{
		"all pass, wave by wave": {
			fakes: []fake{pass("canary", 1), pass("eu", 2), pass("us", 2)},
			log:   "0 canary writes, 5 canary passed, 5 eu writes, 5 us writes, 10 eu passed, 10 us passed",
			exits: "canary=passed eu=passed us=passed", exit: "0 passed: canary, eu, us: complete",
		},
		"nobody writes before all have planned": {
			fakes: []fake{pass("a", 1), with(pass("b", 2), func(f *fake) { f.plans = 7 * time.Second })},
			log:   "7 a writes, 12 a passed, 12 b writes, 17 b passed",
			exits: "a=passed b=passed", exit: "0 passed: a, b: complete",
		},
		"one is refused": {
			fakes: []fake{pass("a", 1), with(pass("b", 2), func(f *fake) { f.refuses = gate.Refused })},
			exits: "a=called-off b=refused", exit: "3 refused: b: refused, nothing was changed; a: called-off, nothing was changed",
		},
		"one is refused, and what others have to say is awaited": {
			fakes: []fake{with(pass("a", 1), func(f *fake) { f.plans, f.refuses = 4*time.Second, gate.Denied }), with(pass("b", 2), func(f *fake) { f.refuses = gate.Refused })},
			exits: "a=denied b=refused", exit: "77 denied: a: denied, nothing was changed; b: refused, nothing was changed",
		},
		"one is refused, and another one does not answer": {
			fakes: []fake{with(pass("a", 1), func(f *fake) { f.hangs = true }), with(pass("b", 2), func(f *fake) { f.refuses = gate.Retry })},
			exits: "a=called-off b=retry", exit: "75 retry: b: retry, nothing was changed; a: called-off, nothing was changed",
		},
		"a bad second wave, the cluster alone": {
			fakes: []fake{pass("a", 1), bad("b", 2), pass("c", 3)},
			log:   "0 a writes, 5 a passed, 5 b writes, 8 b undoes its failed",
			exits: "a=passed b=failed c=called-off", exit: "10 failed: b: failed, back (verified); c: called-off, nothing was changed; a: complete",
		},
		"the others of the wave come to their verdicts": {
			fakes: []fake{bad("a", 1), pass("b", 1), pass("c", 2)},
			log:   "0 a writes, 0 b writes, 3 a undoes its failed, 5 b passed",
			exits: "a=failed b=passed c=called-off", exit: "10 failed: a: failed, back (verified); c: called-off, nothing was changed; b: complete",
		},
		"scope wave: the others of the wave are called off": {
			fakes: []fake{pass("z", 1), bad("a", 2), pass("b", 2)}, fleet: Fleet{Scope: Wave},
			log:   "0 z writes, 5 z passed, 5 a writes, 5 b writes, 8 a undoes its failed, 8 b undoes its called-off",
			exits: "a=failed b=called-off z=passed", exit: "10 failed: a: failed, back (verified); b: called-off, back (verified); z: complete",
		},
		"scope wave: one that has passed already is taken back": {
			fakes: []fake{with(bad("a", 1), func(f *fake) { f.rolls = 9 * time.Second }), pass("b", 1)}, fleet: Fleet{Scope: Wave},
			log:   "0 a writes, 0 b writes, 5 b passed, 9 a undoes its failed, 10 b is taken back",
			exits: "a=failed b=called-off", exit: "10 failed: a: failed, back (verified); b: called-off, back (verified), after it had passed",
		},
		"scope all: earlier waves too": {
			fakes: []fake{pass("a", 1), bad("b", 2), pass("c", 3)}, fleet: Fleet{Scope: All},
			log:   "0 a writes, 5 a passed, 5 b writes, 8 b undoes its failed, 9 a is taken back",
			exits: "a=called-off b=failed c=called-off", exit: "10 failed: b: failed, back (verified); a: called-off, back (verified), after it had passed; c: called-off, nothing was changed",
		},
		"scope all: what was not changed is not taken back": {
			fakes: []fake{with(pass("a", 1), func(f *fake) { f.unchanged = true }), bad("b", 2)}, fleet: Fleet{Scope: All},
			log:   "0 b writes, 3 b undoes its failed",
			exits: "a=passed b=failed", exit: "10 failed: b: failed, back (verified); a: nothing to change",
		},
		"scope all: an undo that fails": {
			fakes: []fake{with(pass("a", 1), func(f *fake) { f.undoEnds = gate.UndoBroken }), bad("b", 2)}, fleet: Fleet{Scope: All},
			log:   "0 a writes, 5 a passed, 5 b writes, 8 b undoes its failed, 9 a is taken back",
			exits: "a=undo-failed b=failed", exit: "20 undo-failed: a: undo-failed, it had passed, and was NOT taken back: back (verified); b: failed, back (verified)",
		},
		"scope all, and never undo": {
			fakes: []fake{pass("a", 1), with(bad("b", 2), func(f *fake) { f.ends = gate.NotUndone })}, fleet: Fleet{Scope: All, NeverUndo: true},
			log: "0 a writes, 5 a passed, 5 b writes", exits: "a=passed b=not-undone", exit: "21 not-undone: b: not-undone, left; a: complete",
		},
		"scope all, and one that cannot be judged is kept": {
			fakes: []fake{pass("a", 1), with(pass("b", 2), func(f *fake) { f.ends = gate.Inconclusive }), pass("c", 3)}, fleet: Fleet{Scope: All},
			log:   "0 a writes, 5 a passed, 5 b writes, 10 b inconclusive",
			exits: "a=passed b=inconclusive c=called-off", exit: "13 inconclusive: b: inconclusive, complete; c: called-off, nothing was changed; a: complete",
		},
		"scope all, and somebody else has taken over": {
			fakes: []fake{pass("a", 1), with(pass("b", 2), func(f *fake) { f.ends = gate.Superseded })}, fleet: Fleet{Scope: All},
			log: "0 a writes, 5 a passed, 5 b writes", exits: "a=passed b=superseded", exit: "30 superseded: b: superseded, left; a: complete",
		},
		"refused at its turn, when others have the new version": {
			fakes: []fake{pass("a", 1), with(pass("b", 2), func(f *fake) { f.turnsBad = gate.Refused })},
			log:   "0 a writes, 5 a passed",
			exits: "a=passed b=refused", exit: "21 not-undone: b: refused, nothing was changed; a: complete",
		},
		"refused at its turn, scope all": {
			fakes: []fake{pass("a", 1), with(pass("b", 2), func(f *fake) { f.turnsBad = gate.Refused })}, fleet: Fleet{Scope: All},
			log:   "0 a writes, 5 a passed, 6 a is taken back",
			exits: "a=called-off b=refused", exit: "3 refused: b: refused, nothing was changed; a: called-off, back (verified), after it had passed",
		},
		"resumed: what had passed is taken back with the others": {
			fakes: []fake{had("a", 1), pass("b", 2), bad("c", 3)}, fleet: Fleet{Scope: All},
			log:   "0 b writes, 5 b passed, 5 c writes, 8 c undoes its failed, 9 a is taken back, 9 b is taken back",
			exits: "a=called-off b=called-off c=failed", exit: "10 failed: c: failed, back (verified); a, b: called-off, back (verified), after it had passed",
		},
		"resumed, scope wave": {
			fakes: []fake{had("a", 1), had("b", 2), bad("c", 2)}, fleet: Fleet{Scope: Wave},
			log:   "0 c writes, 3 c undoes its failed, 4 b is taken back",
			exits: "a=passed b=called-off c=failed", exit: "10 failed: c: failed, back (verified); b: called-off, back (verified), after it had passed; a: nothing was changed",
		},
		"resumed, the cluster alone": {
			fakes: []fake{had("a", 1), bad("b", 2)},
			log:   "0 b writes, 3 b undoes its failed",
			exits: "a=passed b=failed", exit: "10 failed: b: failed, back (verified); a: nothing was changed",
		},
		"resumed: a signal takes all back at once": {
			fakes: []fake{had("a", 1), pass("b", 2)}, signals: []signalAt{{2 * time.Second, syscall.SIGTERM}},
			log:   "0 b writes, 2 b undoes its cancelled, 3 a is taken back",
			exits: "a=cancelled b=cancelled", exit: "143 cancelled: a: cancelled, back (unverified); b: cancelled, back (verified)",
		},
		"resumed: a signal before anything has begun changes nothing": {
			fakes: []fake{had("a", 1), with(pass("b", 2), func(f *fake) { f.plans = 5 * time.Second })}, signals: []signalAt{{2 * time.Second, syscall.SIGTERM}},
			exits: "a=passed b=cancelled", exit: "143 cancelled: b: cancelled, nothing was changed; a: nothing was changed",
		},
		"resumed, and refused before anything has begun": {
			fakes: []fake{had("a", 1), with(pass("b", 2), func(f *fake) { f.refuses = gate.Invalid })}, fleet: Fleet{Scope: All},
			exits: "a=passed b=invalid", exit: "2 invalid: b: invalid, nothing was changed; a: nothing was changed",
		},
		"resumed, and refused at its turn": {
			fakes: []fake{had("a", 1), with(pass("b", 2), func(f *fake) { f.turnsBad = gate.Refused })},
			exits: "a=passed b=refused", exit: "21 not-undone: b: refused, nothing was changed; a: nothing was changed",
		},
		"a bug in one": {
			fakes: []fake{pass("a", 1), with(pass("b", 1), func(f *fake) { f.panics = true })},
			exits: "a=called-off b=internal", exit: "1 internal: b: internal, nothing was changed; a: called-off, nothing was changed",
		},
		"a signal while all plan": {
			fakes:   []fake{with(pass("a", 1), func(f *fake) { f.plans = 5 * time.Second }), pass("b", 2)},
			signals: []signalAt{{time.Second, syscall.SIGINT}},
			exits:   "a=cancelled b=cancelled", exit: "130 cancelled: a, b: cancelled, nothing was changed",
		},
		"a signal in the second wave takes all back at once": {
			fakes: []fake{pass("a", 1), pass("b", 2), pass("c", 3)}, signals: []signalAt{{7 * time.Second, syscall.SIGTERM}},
			log:   "0 a writes, 5 a passed, 5 b writes, 7 b undoes its cancelled, 8 a is taken back",
			exits: "a=cancelled b=cancelled c=cancelled", exit: "143 cancelled: a: cancelled, back (unverified); b: cancelled, back (verified); c: cancelled, nothing was changed",
		},
		"a second signal ends no undo that has not begun to write": {
			fakes: []fake{pass("a", 1), pass("b", 2)}, signals: []signalAt{{7 * time.Second, syscall.SIGTERM}, {7500 * time.Millisecond, syscall.SIGTERM}},
			log:   "0 a writes, 5 a passed, 5 b writes, 7 b undoes its cancelled, 8 a is taken back",
			exits: "a=cancelled b=cancelled", exit: "143 cancelled: a: cancelled, back (unverified); b: cancelled, back (verified)",
		},
		"a third signal ends everything": {
			fakes: []fake{pass("a", 1), pass("b", 2)}, signals: []signalAt{{7 * time.Second, syscall.SIGINT}, {7200 * time.Millisecond, syscall.SIGINT}, {7400 * time.Millisecond, syscall.SIGINT}},
			log:   "0 a writes, 5 a passed, 5 b writes, 7 b undoes its cancelled",
			exits: "a=cancelled b=cancelled", exit: "130 cancelled: a: cancelled, it had passed, and was NOT taken back; b: cancelled, back (verified)",
		},
		"a signal, and what has passed is left": {
			fakes: []fake{pass("a", 1), pass("b", 2)}, fleet: Fleet{LeaveOnCancel: true}, signals: []signalAt{{7 * time.Second, syscall.SIGTERM}},
			log:   "0 a writes, 5 a passed, 5 b writes, 7 b undoes its cancelled",
			exits: "a=passed b=cancelled", exit: "143 cancelled: b: cancelled, back (verified); a: complete",
		},
		"a signal during the undo of another cluster": {
			fakes: []fake{with(pass("a", 1), func(f *fake) { f.undoes = 20 * time.Second }), bad("b", 2)}, fleet: Fleet{Scope: All}, signals: []signalAt{{12 * time.Second, syscall.SIGTERM}},
			log:   "0 a writes, 5 a passed, 5 b writes, 8 b undoes its failed, 9 a is taken back",
			exits: "a=cancelled b=failed", exit: "143 cancelled: a: cancelled, back (unverified); b: failed, back (verified)",
		},
		"apart: nobody waits, and nobody is called off": {
			fakes: []fake{with(pass("a", 1), func(f *fake) { f.refuses = gate.Retry }), pass("b", 2)}, fleet: Fleet{Apart: true},
			log:   "0 b writes, 5 b passed",
			exits: "a=retry b=passed", exit: "21 not-undone: a: retry, nothing was changed; b: complete",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &log{begun: time.Now()}
				f := c.fleet
				for _, one := range c.fakes {
					m := one.member(l)
					if f.Apart {
						run := m.Run
						m.Run = func(ctx context.Context, c Control) (gate.Report, error) {
							c.Turn = nil
							return run(ctx, c)
						}
					}
					f.Members = append(f.Members, m)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				later := make(chan os.Signal, 3)
				f.Signals = later
				for i, s := range c.signals {
					time.AfterFunc(s.at, func() {
						if i == 0 {
							cancel(gate.Cancelled{Signal: s.s})
							return
						}
						later <- s.s
					})
				}
				parts := f.Carry(ctx)
				r := f.Report(gate.Run{Command: "run"}, parts)
				var exits []string
				for i, p := range parts {
					exits = append(exits, f.Members[i].Name+"="+p.whole().Exit.Name)
				}
				slices.Sort(exits)
				slices.Sort(l.lines) // what happens at one moment has no order
				want := strings.Split(c.log, ", ")
				slices.Sort(want)
				if got := strings.Join(l.lines, ", "); got != strings.Join(want, ", ") {
					t.Errorf("what happened\n%s\nwant\n%s", got, strings.Join(want, ", "))
				}
				if got := strings.Join(exits, " "); got != c.exits {
					t.Errorf("the parts ended with\n%s\nwant\n%s", got, c.exits)
				}
				if got := fmt.Sprintf("%d %s: %s", r.Exit.Code, r.Exit.Name, r.Exit.State); got != c.exit {
					t.Errorf("the run ended with\n%s\nwant\n%s", got, c.exit)
				}
			})
		})
	}
}

// TestLocksInOneOrder: two fleets that name their clusters in other orders do not wait for each other for ever.
func TestLocksInOneOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{begun: time.Now()}
		var f Fleet
		for _, name := range []string{"c", "a", "b"} {
			f.Members = append(f.Members, Member{Name: name, Wave: 1, Run: func(ctx context.Context, c Control) (gate.Report, error) {
				if err := c.Turn(ctx, gate.BeforeLock); err != nil {
					return gate.Report{}, err
				}
				l.add("%s locks", name)
				time.Sleep(time.Second)
				return gate.Report{Exit: gate.Exit{Name: "passed"}}, c.Turn(ctx, gate.BeforeWrites)
			}})
		}
		f.Carry(t.Context())
		if got := strings.Join(l.lines, ", "); got != "0 a locks, 1 b locks, 2 c locks" {
			t.Error(got)
		}
	})
}

// TestWorst: every outcome has its place.
func TestWorst(t *testing.T) {
	for _, o := range gate.Outcomes() {
		if !slices.Contains(Worst(), o) {
			t.Errorf("%s has no place", o)
		}
	}
	if len(Worst()) != len(gate.Outcomes()) {
		t.Error("an outcome has two places")
	}
}
