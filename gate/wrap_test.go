package gate

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// wrapped is a gate over a made-up world in which commands change some objects.
func wrapped(w *world, names ...string) Gate {
	g := gated(w)
	g.RunCommand = w.deploys(2*time.Second, names...)
	return g
}

func commandOn(word string, names ...string) Command {
	c := Command{Argv: []string{word}}
	for _, name := range names {
		c.Workloads = append(c.Workloads, "thing/"+name)
	}
	return c
}

// TestWrap: every way for a run with a command to end.
func TestWrap(t *testing.T) {
	broken := func() *world { return newWorld(bad("web", stalls(5*time.Second))) }
	for name, c := range map[string]struct {
		world    func() *world
		names    string // of what the command is to change
		changes  string // what it changes; the same when empty
		command  string
		gate     func(*Gate)
		outcome  Outcome
		state    string // a part of the last line
		versions string
		log      string
		finding  string // the code of the first one
	}{
		"passed": {
			world: func() *world { return newWorld(good("web")) }, outcome: Passed, state: "thing/web is complete", versions: "web=2", log: "deploy web",
		},
		"nothing changes": {
			world: func() *world { return newWorld(good("web")) }, command: "idle", outcome: Passed, state: "healthy, nothing to change", versions: "web=1",
		},
		"a first release": {
			world: func() *world { return newWorld(created("web", becomesReady(time.Second))) }, outcome: Passed, state: "thing/web is complete", versions: "web=2",
			log: "deploy web",
		},
		"a bad first release": {
			world: func() *world { return newWorld(created("web", stalls(time.Second))) }, outcome: RolloutFailed, state: "thing/web is removed again", versions: "web=0",
			log: "deploy web, undo web",
		},
		"a bad one": {
			world: broken, outcome: RolloutFailed, state: "thing/web is back at the previous version (verified)", versions: "web=1", log: "deploy web, undo web",
		},
		"one of two": {
			world: func() *world { return newWorld(good("a"), bad("b", stalls(time.Second))) }, names: "a b", outcome: RolloutFailed,
			state: "thing/b, thing/a are back", versions: "a=1 b=1",
		},
		"late": {
			world: func() *world { return newWorld(bad("web", never)) }, outcome: TimedOut, state: "is back", versions: "web=1",
		},
		"it may stay": {
			world: broken, gate: func(g *Gate) { g.NeverUndo = true }, outcome: NotUndone, state: "left in place", versions: "web=2", log: "deploy web",
		},
		"it fails at once": {
			world: func() *world { return newWorld(good("web")) }, command: "fail", outcome: NotUndone, state: "changed nothing", versions: "web=1", finding: "CommandFailed",
		},
		"it fails late": {
			world: func() *world { return newWorld(bad("web", never)) }, command: "fail-late", outcome: RolloutFailed, state: "is back", versions: "web=1",
			log: "fail-late web, undo web", finding: "CommandFailed",
		},
		"it fails, and the cluster knows why": {
			world:   func() *world { return newWorld(&thing{name: "web", kind: "Pod", existed: true, badImage: true}) },
			command: "fail-late", outcome: RolloutFailed, state: "is back", versions: "web=1", finding: "ImageNameInvalid",
		},
		"it does not end": {
			world: broken, gate: func(g *Gate) { g.Timeout = time.Second }, outcome: NotUndone, state: "changed nothing", versions: "web=1", finding: "CommandFailed",
		},
		"it changes things and does not end": {
			world: broken, gate: func(g *Gate) {
				run := g.RunCommand
				g.Timeout = time.Second
				g.RunCommand = func(ctx context.Context, argv, env []string, line func(string)) (int, error) {
					return run(ctx, append(argv, "--stubborn"), env, line)
				}
			}, outcome: TimedOut, state: "is back", versions: "web=1", finding: "CommandFailed",
		},
		"a command takes it back": {
			world: broken, gate: func(g *Gate) { g.UndoCommand = []string{"rollback"} }, outcome: RolloutFailed,
			state: "thing/web is back at the previous version (verified)", versions: "web=1", log: "deploy web, rollback web",
		},
		"a command takes a first release back": {
			world: func() *world { return newWorld(created("web", stalls(time.Second))) }, gate: func(g *Gate) { g.UndoCommand = []string{"rollback"} },
			outcome: RolloutFailed, state: "is removed again", versions: "web=0", log: "deploy web, rollback web",
		},
		"a command takes nothing back": {
			world: broken, gate: func(g *Gate) { g.UndoCommand = []string{"idle"} }, outcome: UndoBroken,
			state: "thing/web differs in spec.version", versions: "web=2", log: "deploy web",
		},
		"the undo command fails": {
			world: broken, gate: func(g *Gate) { g.UndoCommand = []string{"fail"} }, outcome: UndoBroken,
			state: "this run has put the objects back itself: thing/web is back", versions: "web=1", log: "deploy web, undo web",
		},
		"what changed cannot be told": {
			world: broken, gate: func(g *Gate) {
				w := g.Cluster.(*world)
				run := g.RunCommand
				g.RunCommand = func(ctx context.Context, argv, env []string, line func(string)) (int, error) {
					w.compareErr = errors.New("what is this")
					return run(ctx, argv, env, line)
				}
			}, outcome: RolloutFailed, state: "is back", versions: "web=1", finding: "CommandFailed",
		},
		"no right to undo": {
			world: func() *world { w := broken(); w.cannotUndo = []string{"update things"}; return w }, outcome: Denied, state: nothingChanged, versions: "web=1",
		},
		"no right to undo, and no need": {
			world: func() *world { w := broken(); w.cannotUndo = []string{"update things"}; return w },
			gate:  func(g *Gate) { g.UndoCommand = []string{"rollback"} }, outcome: RolloutFailed, state: "is back", versions: "web=1",
		},
		"unreachable": {
			world: func() *world { w := broken(); w.planErr = errLost; return w }, outcome: Retry, state: nothingChanged, versions: "web=1",
		},
		"with stages": {
			world: broken, gate: func(g *Gate) { g.Delivery.Parts = []Part{{Canary: Share{Pods: 1}}} }, outcome: Invalid, state: nothingChanged, versions: "web=1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := c.world()
				if c.names == "" {
					c.names = "web"
				}
				if c.command == "" {
					c.command = "deploy"
				}
				names := strings.Fields(c.names)
				g := wrapped(w, names...)
				if c.gate != nil {
					c.gate(&g)
				}
				r, _ := g.Wrap(t.Context(), commandOn(c.command, names...))
				check(t, r, w, c.outcome, c.state, c.versions)
				if c.log != "" && w.history() != c.log {
					t.Errorf("written: %s, want %s", w.history(), c.log)
				}
				if c.finding != "" && (len(r.Findings) == 0 || r.Findings[0].Code != c.finding) {
					t.Errorf("findings %+v, want %s first", r.Findings, c.finding)
				}
			})
		})
	}
}

// TestWrapSignals: a signal ends the command, and what it has changed goes back.
func TestWrapSignals(t *testing.T) {
	for name, c := range map[string]struct {
		after    time.Duration
		stubborn bool
		versions string
		log      string
	}{
		"during the command":                 {time.Second, false, "web=1", ""},
		"during one that has changed things": {time.Second, true, "web=1", "deploy web, undo web"},
		"during the rollout":                 {4 * time.Second, false, "web=1", "deploy web, undo web"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(bad("web", never))
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(c.after, func() { cancel(Cancelled{syscall.SIGTERM}) })
				command := commandOn("deploy", "web")
				if c.stubborn {
					command.Argv = append(command.Argv, "--stubborn")
				}
				r, _ := wrapped(w, "web").Wrap(ctx, command)
				check(t, r, w, Terminated, "", c.versions)
				if w.history() != c.log {
					t.Errorf("written: %s, want %s", w.history(), c.log)
				}
			})
		})
	}
}

// TestWrapOnRecord: the run is on record before its command begins, and what the command has changed when it has ended.
func TestWrapOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		b := newBooks(w)
		g := kept(b)
		var during record.Record
		run := w.deploys(2*time.Second, "web")
		g.RunCommand = func(ctx context.Context, argv, env []string, line func(string)) (int, error) {
			during, _ = b.LoadRecord(ctx, "shop", strings.TrimPrefix(env[0], "ROLLOUTGATE_RUN="))
			return run(ctx, argv, env, line)
		}
		r, err := g.Wrap(t.Context(), commandOn("deploy", "web"))
		check(t, r, w, Passed, "", "web=2")
		if err != nil || during.Scope == nil || during.Scope.Found || len(during.Writes()) != 1 || during.Writes()[0].Before == nil {
			t.Errorf("%v, on record before the command: %+v", err, during)
		}
		after, err := b.LoadRecord(t.Context(), "shop", r.Run.ID)
		if err != nil || !after.Scope.Found || after.State != record.Passed || after.Writes()[0].Written == nil {
			t.Errorf("%v, on record after it: %+v", err, after)
		}
		r, err = kept(b).Undo(t.Context(), Which{})
		if err != nil || w.versions() != "web=1" {
			t.Errorf("%v, exit %d %s: %s", err, r.Exit.Code, r.Exit.State, w.versions())
		}
	})
}

// TestWrapKilled: a run that dies with its command is put back, by undo, by the next run with a command, and by a run of manifests.
func TestWrapKilled(t *testing.T) {
	for name, c := range map[string]struct {
		changed bool // the command had come to it
		next    func(ctx context.Context, g Gate, w *world) (Report, error)
		outcome Outcome
		want    string
	}{
		"undo":                      {true, func(ctx context.Context, g Gate, _ *world) (Report, error) { return g.Undo(ctx, Which{}) }, Passed, "web=1"},
		"undo, nothing was changed": {false, func(ctx context.Context, g Gate, _ *world) (Report, error) { return g.Undo(ctx, Which{}) }, Passed, "web=1"},
		"resume":                    {true, func(ctx context.Context, g Gate, _ *world) (Report, error) { return g.Resume(ctx, Which{}) }, Refused, "web=2"},
		"a bad one again": {true, func(ctx context.Context, g Gate, _ *world) (Report, error) {
			return g.Wrap(ctx, commandOn("deploy", "web"))
		}, RolloutFailed, "web=1"},
		"manifests": {true, func(ctx context.Context, g Gate, w *world) (Report, error) {
			return g.Run(ctx, w.manifests("web"))
		}, RolloutFailed, "web=1"},
		"a command undoes it": {true, func(ctx context.Context, g Gate, _ *world) (Report, error) {
			g.UndoCommand = []string{"rollback"}
			return g.Undo(ctx, Which{})
		}, Passed, "web=1"},
		"a command has nothing to undo": {false, func(ctx context.Context, g Gate, _ *world) (Report, error) {
			g.UndoCommand = []string{"fail"}
			return g.Undo(ctx, Which{})
		}, Passed, "web=1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(bad("web", stalls(time.Second)))
				b := newBooks(w)
				b.diesWithCommand("DEAD", "web")
				if c.changed {
					w.objects["web"].version, w.objects["web"].at = 2, time.Now()
				}
				g := kept(b)
				g.RunCommand = w.deploys(2*time.Second, "web")
				r, _ := c.next(t.Context(), g, w)
				check(t, r, w, c.outcome, "", c.want)
			})
		})
	}
}

// TestWrapKilledLongAgo: the cluster is told until when the command of a dead run can have written. What came later is
// somebody else's.
func TestWrapKilledLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		b := newBooks(w)
		b.diesWithCommand("DEAD", "web")
		leases, err := b.Leases(t.Context(), "shop")
		if err != nil || len(leases) != 1 {
			t.Fatalf("%v, %v", leases, err)
		}
		w.objects["web"].version, w.objects["web"].at = 2, time.Now()
		time.Sleep(5 * time.Minute)
		r, _ := kept(b).Undo(t.Context(), Which{})
		check(t, r, w, Passed, "", "web=1")
		if want := leases[0].Renewed.Add(record.Validity); !w.until.Equal(want) {
			t.Errorf("until %s, want %s", w.until, want)
		}
	})
}

// TestUndoAfterUndoCommand: what a command has not taken back, the next undo does.
func TestUndoAfterUndoCommand(t *testing.T) {
	for _, killed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(bad("web", stalls(time.Second)))
			b := newBooks(w)
			g := kept(b)
			g.RunCommand, g.UndoCommand = w.deploys(2*time.Second, "web"), []string{"idle"}
			if killed {
				b.diesWithCommand("DEAD", "web")
				w.objects["web"].version, w.objects["web"].at = 2, time.Now()
				r, _ := g.Undo(t.Context(), Which{})
				check(t, r, w, UndoBroken, "differs in spec.version", "web=2")
			} else {
				r, _ := g.Wrap(t.Context(), commandOn("deploy", "web"))
				check(t, r, w, UndoBroken, "differs in spec.version", "web=2")
			}
			r, _ := kept(b).Undo(t.Context(), Which{})
			check(t, r, w, Passed, "web is back", "web=1")
		})
	}
}

// TestWatchUndoCommand: a command takes back what somebody else has begun.
func TestWatchUndoCommand(t *testing.T) {
	for name, c := range map[string]struct {
		behaves  behaviour
		command  string
		outcome  Outcome
		state    string
		versions string
	}{
		"good":                 {becomesReady(2 * time.Second), "rollback", Passed, "complete", "web=2"},
		"bad":                  {stalls(2 * time.Second), "rollback", RolloutFailed, "complete again after the undo command (verified)", "web=1"},
		"late":                 {never, "rollback", TimedOut, "(verified)", "web=1"},
		"it changes nothing":   {stalls(2 * time.Second), "idle", UndoBroken, "has not changed thing/web", "web=2"},
		"it fails":             {stalls(2 * time.Second), "fail", UndoBroken, "has failed", "web=2"},
		"it does not help yet": {stalls(2 * time.Second), "rollback", UndoBroken, "not complete after the undo command", "web=1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(&thing{name: "web", existed: true, behaves: map[int]behaviour{2: c.behaves}})
				w.objects["web"].version, w.objects["web"].at = 2, time.Now()
				if strings.Contains(c.state, "not complete") {
					w.objects["web"].behaves[1] = never
				}
				g := wrapped(w, "web")
				g.UndoCommand = []string{c.command}
				r, err := g.Watch(t.Context(), w.targets("web"))
				if err != nil {
					t.Fatal(err)
				}
				check(t, r, w, c.outcome, c.state, c.versions)
			})
		})
	}
}

func TestHelmRelease(t *testing.T) {
	for line, want := range map[string]string{
		"helm upgrade web ./chart": "web", "helm upgrade --install web ./chart": "web", "helm upgrade -i web . -n shop": "web",
		"helm -n shop install web ./chart": "web", "helm upgrade --values a.yaml web .": "RELEASE", "helm rollback web": "RELEASE",
	} {
		if got := helmRelease(strings.Fields(line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
