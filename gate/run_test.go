package gate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// gated is a gate over a made-up world.
func gated(w *world) Gate {
	return Gate{Cluster: w, Timeout: time.Minute, UndoTimeout: 30 * time.Second, Heartbeat: time.Hour, Namespace: "shop"}
}

// TestOutcomes: every way for a run to end, with what it leaves behind.
func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		world    func() *world
		names    string // of the manifests; the same as those of the world when empty
		gate     func(*Gate)
		outcome  Outcome
		state    string // a part of the last line
		versions string
		log      string
	}{
		"passed": {
			world: func() *world { return newWorld(good("web")) }, outcome: Passed, state: "thing/web is complete",
			versions: "web=2", log: "write web",
		},
		"nothing to change": {
			world: func() *world { return newWorld(&thing{name: "web", same: true}) }, outcome: Passed,
			state: "healthy, nothing to change", versions: "web=1",
		},
		"refused by the API server": {
			world: func() *world {
				w := newWorld(good("web"))
				w.refusals = []patch.Refusal{{Object: w.manifests("web")[0], Err: errors.New("the namespace is being terminated")}}
				return w
			},
			outcome: Refused, state: nothingChanged, versions: "web=1",
		},
		"denied": {
			world: func() *world { w := newWorld(good("web")); w.planErr = errRefused; return w }, outcome: Denied, state: nothingChanged, versions: "web=1",
		},
		"unreachable": {
			world: func() *world { w := newWorld(good("web")); w.planErr = errLost; return w }, outcome: Retry, state: nothingChanged, versions: "web=1",
		},
		"a bug": {
			world: func() *world { w := newWorld(good("web")); w.planErr = errors.New("what is this"); return w }, outcome: Internal, state: nothingChanged, versions: "web=1",
		},
		"failed": {
			world: func() *world { return newWorld(bad("web", stalls(5*time.Second))) }, outcome: RolloutFailed,
			state: "thing/web is back at the previous version (verified)", versions: "web=1", log: "write web, undo web",
		},
		"failed by a rule": {
			world:   func() *world { return newWorld(&thing{name: "web", kind: "Pod", existed: true, badImage: true}) },
			outcome: RolloutFailed, state: "pod/web is back", versions: "web=1", log: "write web, undo web",
		},
		"failed, nothing undone": {
			world: func() *world { return newWorld(bad("web", stalls(5*time.Second))) }, gate: func(g *Gate) { g.NeverUndo = true },
			outcome: NotUndone, state: "left in place, as asked", versions: "web=2", log: "write web",
		},
		"timeout": {
			world: func() *world { return newWorld(bad("web", never)) }, outcome: TimedOut, state: "verified", versions: "web=1", log: "write web, undo web",
		},
		"several, undone backwards": {
			world: func() *world { return newWorld(good("a"), good("b"), bad("c", stalls(time.Second))) }, names: "a b c",
			outcome: RolloutFailed, state: "c, thing/b, thing/a are back", versions: "a=1 b=1 c=1",
			log: "write a, write b, write c, undo c, undo b, undo a",
		},
		"created and removed": {
			world: func() *world { return newWorld(good("a"), created("b", stalls(time.Second))) }, names: "a b",
			outcome: RolloutFailed, state: "thing/b is removed again", versions: "a=1 b=0",
		},
		"superseded": {
			world: func() *world { return newWorld(bad("web", vanishes(5*time.Second))) }, outcome: Superseded, state: "was deleted", versions: "web=2", log: "write web",
		},
		"the undo never gets ready": {
			world: func() *world {
				return newWorld(&thing{name: "web", existed: true, behaves: map[int]behaviour{1: never, 2: stalls(time.Second)}})
			},
			outcome: UndoBroken, state: "(unverified)", versions: "web=1", log: "write web, undo web",
		},
		"the undo is refused": {
			world: func() *world {
				w := newWorld(bad("web", stalls(time.Second)))
				w.fault = on("undo web", fault{err: errRefused})
				return w
			},
			outcome: UndoBroken, state: "NOT restored (failed)", versions: "web=2",
		},
		"somebody else has changed a part": {
			world: func() *world {
				o := bad("web", stalls(time.Second))
				o.theirs = []patch.Kept{{Path: "spec.token", Manager: "rotator"}}
				return newWorld(o)
			},
			outcome: UndoBroken, state: "back but for what somebody else has changed", versions: "web=1",
		},
		"somebody else has scaled": {
			world: func() *world {
				o := bad("web", stalls(time.Second))
				o.theirs = []patch.Kept{{Path: "spec.replicas", Manager: "kubectl"}}
				return newWorld(o)
			},
			outcome: RolloutFailed, state: "verified", versions: "web=1",
		},
		"the first write is refused": {
			world:   func() *world { w := newWorld(good("web")); w.fault = on("write web", fault{err: errRefused}); return w },
			outcome: Denied, state: nothingChanged, versions: "web=1",
		},
		"the second write is refused": {
			world: func() *world {
				w := newWorld(good("a"), good("b"))
				w.fault = on("write b", fault{err: errRefused})
				return w
			},
			names: "a b", outcome: RolloutFailed, state: "thing/a is back", versions: "a=1 b=1", log: "write a, undo a",
		},
		"unchanged and already broken": {
			world: func() *world {
				old := &thing{name: "old", same: true, behaves: map[int]behaviour{1: stalls(0)}}
				return newWorld(old, good("web"))
			},
			names: "old web", outcome: Passed, state: "complete", versions: "old=1 web=2", log: "write web",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := c.world()
				g := gated(w)
				if c.gate != nil {
					c.gate(&g)
				}
				names := c.names
				if names == "" {
					names = "web"
				}
				report, _ := g.Run(t.Context(), w.manifests(strings.Fields(names)...))
				check(t, report, w, c.outcome, c.state, c.versions)
				if name == "failed by a rule" && codesOf(report) != "ImageNameInvalid" {
					t.Errorf("found %q", codesOf(report))
				}
				if c.log != "" && w.history() != c.log {
					t.Errorf("wrote %s, want %s", w.history(), c.log)
				}
			})
		})
	}
}

func check(t *testing.T, report Report, w *world, outcome Outcome, state, versions string) {
	t.Helper()
	if report.Exit.Code != outcome.Code() {
		t.Errorf("exit %d %s (%s), want %s", report.Exit.Code, report.Exit.Name, report.Exit.State, outcome)
	}
	if !strings.Contains(report.Exit.State, state) {
		t.Errorf("state %q, want %q in it", report.Exit.State, state)
	}
	if versions != "" && w.versions() != versions {
		t.Errorf("left %s, want %s", w.versions(), versions)
	}
}

// on makes one kind of write go wrong, every time.
func on(what string, f fault) func(int, string) fault {
	return func(_ int, now string) fault {
		if now == what {
			return f
		}
		return fault{}
	}
}

// interruptions sends signals to a run at given times.
type sending struct {
	at   time.Duration
	what syscall.Signal
}

// signalled runs a gate and sends it signals as the command does: the first one cancels, the others follow.
func signalled(t *testing.T, g Gate, objects []manifest.Object, signals ...sending) (Report, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	later := make(chan os.Signal, 8)
	g.Signals = later
	begun := time.Now()
	ended := make(chan struct{})
	go func() {
		for n, s := range signals {
			select {
			case <-time.After(time.Until(begun.Add(s.at))):
			case <-ended:
				return
			}
			if n == 0 {
				cancel(Cancelled{s.what})
			} else {
				later <- s.what
			}
		}
	}()
	report, _ := g.Run(ctx, objects)
	close(ended)
	return report, time.Since(begun)
}

// slow is a world in which every phase of a bad run takes its time: planning until 10 s, writing until 20 s, watching
// until 30 s (the rollout fails then), explaining until 40 s, undoing until 50 s, verifying until 60 s.
func slow() *world {
	w := newWorld(&thing{name: "web", existed: true, behaves: map[int]behaviour{1: becomesReady(10 * time.Second), 2: stalls(9 * time.Second)}})
	w.planTakes, w.writeTakes, w.readTakes, w.undoTakes = 10*time.Second, 10*time.Second, 10*time.Second, 10*time.Second
	return w
}

// TestSignals: each signal in each phase. The first one leads to the undo's writes within 5 s of the end of a write that
// was under way; none skips an undo that has not been written; a third ends everything at once.
func TestSignals(t *testing.T) {
	phases := []struct {
		name     string
		at       time.Duration
		versions string        // after one signal
		ended    time.Duration // at the latest
	}{
		{"planning", 5 * time.Second, "web=1", 6 * time.Second},
		{"writing", 15 * time.Second, "web=1", 31 * time.Second}, // the write is not cut, and the undo takes 10 s
		{"watching", 25 * time.Second, "web=1", 36 * time.Second},
		{"explaining", 35 * time.Second, "web=1", 46 * time.Second},
		{"undoing", 45 * time.Second, "web=1", 51 * time.Second},
		{"verifying", 55 * time.Second, "web=1", 56 * time.Second},
	}
	for _, p := range phases {
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			for count := 1; count <= 2; count++ {
				t.Run(fmt.Sprintf("%s/%v/%d", p.name, s, count), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := slow()
						sent := []sending{{p.at, s}, {p.at + 100*time.Millisecond, syscall.SIGTERM}}
						report, took := signalled(t, gated(w), w.manifests("web"), sent[:count]...)
						check(t, report, w, cancelledBy(s), "", p.versions)
						if took > p.ended {
							t.Errorf("it took %s, want at most %s", took, p.ended)
						}
					})
				})
			}
		}
		t.Run(p.name+"/three", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := slow()
				_, took := signalled(t, gated(w), w.manifests("web"), sending{p.at, syscall.SIGINT}, sending{p.at, syscall.SIGINT}, sending{p.at, syscall.SIGINT})
				if took > p.at+11*time.Second {
					t.Errorf("three signals at %s, and it took %s", p.at, took)
				}
			})
		})
	}
}

// TestLeaveOnCancel: a cancelled run leaves what it wrote when it was asked to.
func TestLeaveOnCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := slow()
		g := gated(w)
		g.LeaveOnCancel = true
		report, _ := signalled(t, g, w.manifests("web"), sending{25 * time.Second, syscall.SIGTERM})
		check(t, report, w, Terminated, "left in place, as asked", "web=2")
	})
}

// TestLostAnswers: an answer is lost at every write in turn, of the run and of its undo, carried out and not. The end is
// the same as without: everything is back, or, where nobody can know, it is said that it is not.
func TestLostAnswers(t *testing.T) {
	for _, done := range []bool{true, false} {
		for n := 1; n <= 6; n++ {
			t.Run(fmt.Sprintf("done=%v/%d", done, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(good("a"), created("b", never), bad("c", stalls(time.Second)))
					once := false
					w.fault = func(at int, _ string) fault {
						if at != n || once {
							return fault{}
						}
						once = true
						return fault{err: errLost, done: done}
					}
					report, err := gated(w).Run(t.Context(), w.manifests("a", "b", "c"))
					if w.versions() != "a=1 b=0 c=1" {
						t.Errorf("left %s (exit %+v, %v)", w.versions(), report.Exit, err)
					}
					if report.Exit.Code != RolloutFailed.Code() && (n > 1 || report.Exit.Code != Retry.Code()) {
						t.Errorf("exit %+v", report.Exit)
					}
				})
			})
		}
	}
}

// TestTimeouts: what happens when the time of each phase is up.
func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		world    func() *world
		outcome  Outcome
		versions string
	}{
		"planning": {func() *world { w := newWorld(good("web")); w.planTakes = time.Hour; return w }, Retry, "web=1"},
		"writing": {func() *world {
			w := newWorld(good("a"), good("b"), good("c"), good("d"))
			w.writeTakes = 19 * time.Second
			return w
		}, TimedOut, "a=1 b=1 c=1 d=1"},
		"watching":   {func() *world { return newWorld(bad("web", never)) }, TimedOut, "web=1"},
		"explaining": {func() *world { w := newWorld(bad("web", never)); w.readTakes = time.Hour; return w }, TimedOut, "web=1"},
		"undoing":    {func() *world { w := newWorld(bad("web", never)); w.undoTakes = time.Hour; return w }, UndoBroken, "web=2"},
		"verifying": {func() *world {
			return newWorld(&thing{name: "web", existed: true, behaves: map[int]behaviour{1: never, 2: never}})
		}, UndoBroken, "web=1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := c.world()
				names := []string{"web"}
				if name == "writing" {
					names = []string{"a", "b", "c", "d"}
				}
				report, _ := gated(w).Run(t.Context(), w.manifests(names...))
				check(t, report, w, c.outcome, "", c.versions)
			})
		})
	}
}
