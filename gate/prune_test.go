package gate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/prune"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// pruner is a gate of a set.
func pruner(b *books) Gate {
	g := kept(b)
	g.Prune.Set = "shop"
	return g
}

// whole is one whose manifests are all of the set, however few.
func whole(b *books) Gate {
	g := pruner(b)
	g.Prune.Most = true
	return g
}

// release is a world in which a run of the set has passed with all of these objects.
func release(t *testing.T, things ...*thing) (*world, *books, []string) {
	t.Helper()
	w := newWorld(things...)
	b := newBooks(w)
	var names []string
	for _, o := range things {
		names = append(names, o.name)
	}
	r, err := pruner(b).Run(t.Context(), w.manifests(names...))
	if err != nil || r.Exit.Code != 0 {
		t.Fatalf("the release before: exit %d %v", r.Exit.Code, err)
	}
	time.Sleep(time.Minute)
	w.log, w.count, b.log = nil, 0, nil
	return w, b, names
}

func config(name string) *thing { return &thing{name: name, kind: "ConfigMap", existed: true} }

// TestPrune: what the last run of the set had and this one has not is deleted in the end, the last one first.
func TestPrune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), config("older"), good("web"), good("worker"))
		var steps []string
		g := whole(b)
		g.Progress = func(e Event) {
			if s, ok := e.Payload.(Step); ok {
				steps = append(steps, string(s.Name))
			}
		}
		r, err := g.Run(t.Context(), w.without(all, "old", "older", "worker"))
		if err != nil || r.Exit.Code != 0 {
			t.Fatalf("exit %d %v", r.Exit.Code, err)
		}
		if got := w.history(); got != "write web, prune worker, prune older, prune old" {
			t.Errorf("it wrote %s", got)
		}
		if want := "thing/web is complete; thing/worker, configmap/older, configmap/old are pruned"; r.Exit.State != want {
			t.Errorf("state %q, want %q", r.Exit.State, want)
		}
		if got := strings.Join(steps, " "); got != "plan apply watch prune watch hold" {
			t.Errorf("steps %s", got)
		}
		if got := len(r.Changes); got != 4 || r.Changes[3].Action != "pruned" || r.Changes[3].Diff == "" {
			t.Errorf("changes %v", r.Changes)
		}
		if got := b.states(); got != "passed passed; 0 leases" {
			t.Errorf("on record: %s", got)
		}
		// The next run has nothing to delete, and there is nothing to write down.
		w.log = nil
		if r, err = whole(b).Run(t.Context(), w.without(all, "old", "older", "worker")); err != nil || r.Exit.Code != 0 || w.history() != "write web" {
			t.Errorf("again: exit %d %v, wrote %s", r.Exit.Code, err, w.history())
		}
	})
}

// TestPruneIsOnRecord: the record says what will be deleted before the first write, and that it begins before the first
// deletion.
func TestPruneIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), good("web"))
		var at []string
		w.onWrite = func(_ int, what string) {
			summaries, err := b.Records(context.Background(), "shop")
			if err != nil {
				panic(err)
			}
			r, err := b.LoadRecord(context.Background(), "shop", summaries[0].ID)
			if err != nil || len(r.Prunes) != 1 || r.Set.Name != "shop" {
				panic(err)
			}
			at = append(at, what+map[bool]string{true: " pruning"}[r.Pruning])
		}
		if r, err := pruner(b).Run(t.Context(), w.without(all, "old")); err != nil || r.Exit.Code != 0 {
			t.Fatalf("exit %d %v", r.Exit.Code, err)
		}
		if got := strings.Join(at, ", "); got != "write web, prune old pruning" {
			t.Errorf("on record: %s", got)
		}
	})
}

// TestPruneOnlyWhatPassed: a bad release deletes nothing.
func TestPruneOnlyWhatPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), good("web"))
		w.objects["web"].behaves[2] = stalls(time.Second)
		r, _ := pruner(b).Run(t.Context(), w.without(all, "old"))
		if got := w.history(); r.Exit.Code != RolloutFailed.Code() && r.Exit.Code != UndoBroken.Code() || strings.Contains(got, "prune") {
			t.Errorf("exit %d, wrote %s", r.Exit.Code, got)
		}
	})
}

// TestPruneWithOptions: the look after a prune waits for nothing that the run did not wait for, and a time of its own counts from
// there: a good release is not undone for that.
func TestPruneWithOptions(t *testing.T) {
	for name, c := range map[string]struct {
		rows   []ObjectRow
		slow   behaviour
		judged bool
	}{
		"not waited for":    {[]ObjectRow{{Kind: "Thing", Name: "slow", Wait: is(false)}}, never, false},
		"a time of its own": {[]ObjectRow{{Kind: "Thing", Name: "slow", Timeout: 10 * time.Second}}, becomesReady(5 * time.Second), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b, all := release(t, config("old"), good("web"), good("slow"))
				w.objects["slow"].behaves[2] = c.slow
				w.firstAnswer = 5 * time.Millisecond
				g := whole(b)
				g.Objects = c.rows
				if c.judged {
					j := judging(t, w, &answers{before: 1, after: 1})
					g.Criteria, g.Querier, g.Timing, g.Timeout = j.Criteria, j.Querier, j.Timing, j.Timeout
				}
				r, err := g.Run(t.Context(), w.without(all, "old"))
				if err != nil || r.Exit.Code != 0 {
					t.Fatalf("exit %d %s %v", r.Exit.Code, r.Exit.State, err)
				}
			})
		})
	}
}

// TestPruneKeeps: each of these leaves the object, and says why.
func TestPruneKeeps(t *testing.T) {
	for name, c := range map[string]struct {
		world func(w *world, g *Gate)
		note  string
	}{
		"an annotation of ours": {func(w *world, _ *Gate) {
			w.leftovers = func(l *prune.Leftover) { l.Live.SetAnnotations(map[string]string{prune.Annotation: "false"}) }
		}, "asks for that"},
		"applied since": {func(w *world, _ *Gate) {
			w.leftovers = func(l *prune.Leftover) { applied(l.Live, metav1.NewTime(appliedAt.Add(time.Hour))) }
		}, "was applied again by rolloutgate at 2026-11-01 13:00:00 UTC"},
		"still read": {func(w *world, _ *Gate) {
			w.readers = func(pods bool) []prune.Reader { return []prune.Reader{reader("Deployment", "other", "old")} }
		}, "configmap/old is not in the manifests any more and stays: it is still read by deployment/other"},
		"read by a pod that stays": {func(w *world, _ *Gate) {
			w.readers = func(pods bool) []prune.Reader {
				if pods {
					return []prune.Reader{reader("Pod", "web-0", "old")}
				}
				return nil
			}
		}, "configmap/old was not pruned: it is still read by pod/web-0"},
		"readers are not known": {func(w *world, _ *Gate) { w.readersErr = errRefused }, "whether pods still read it is not known"},
		"changed meanwhile": {func(w *world, _ *Gate) {
			w.fault = func(_ int, what string) fault {
				if what == "prune old" {
					return fault{err: &patch.StaleError{Ref: manifest.Ref{Kind: "ConfigMap", Name: "old"}, What: "was changed by somebody else"}}
				}
				return fault{}
			}
		}, "configmap/old was not pruned: configmap/old was changed by somebody else"},
		"no history": {func(_ *world, g *Gate) { g.History = 0 }, "nothing is pruned: no run stays on record (--history 0)"},
		"no record":  {func(_ *world, g *Gate) { g.Keep = KeepNothing }, "nothing is pruned: runs are not on record (--record none)"},
		"another set": {func(_ *world, g *Gate) { g.Prune.Set = "other" },
			"nothing is pruned: no run of the set other is on record in namespace shop"},
		"records are not to be listed": {func(_ *world, g *Gate) {
			g.Store.(*books).fault = func(what string) error { return map[string]error{"list records": errRefused}[what] }
		}, "nothing is pruned: this account may not list the runs on record"},
		"no room for a record": {func(_ *world, g *Gate) {
			g.Store.(*books).fault = func(what string) error { return map[string]error{"save running": errRefused}[what] }
		}, "nothing was pruned: the run is not on record"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b, all := release(t, config("old"), good("web"))
				g := pruner(b)
				c.world(w, &g)
				r, err := g.Run(t.Context(), w.without(all, "old"))
				if err != nil || r.Exit.Code != 0 || w.objects["old"].version == 0 {
					t.Errorf("exit %d %v, wrote %s", r.Exit.Code, err, w.history())
				}
				if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, c.note) {
					t.Errorf("notes:\n%s\nwant %s", notes, c.note)
				}
				if slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Action == "pruned" }) {
					t.Errorf("changes %v", r.Changes)
				}
			})
		})
	}
}

func reader(kind, name, reads string) prune.Reader {
	return prune.Reader{Object: manifest.Ref{Kind: kind, Namespace: "shop", Name: name}, Spec: corev1.PodSpec{Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: reads}},
	}}}}}
}

// TestPruneLater: what could not be deleted belongs to the set still, and goes when nothing is in the way any more.
func TestPruneLater(t *testing.T) {
	for name, block := range map[string]func(w *world){
		"when it was planned": func(w *world) {
			w.readers = func(bool) []prune.Reader { return []prune.Reader{reader("Deployment", "other", "old")} }
		},
		"when it was to be deleted": func(w *world) {
			w.fault = func(_ int, what string) fault { return map[string]fault{"prune old": {err: errRefused}}[what] }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b, all := release(t, config("old"), good("web"))
				block(w)
				for range 2 {
					if r, err := pruner(b).Run(t.Context(), w.without(all, "old")); err != nil || r.Exit.Code != 0 || w.objects["old"].version == 0 {
						t.Fatalf("exit %d %v, wrote %s", r.Exit.Code, err, w.history())
					}
				}
				w.readers, w.fault, w.log = nil, nil, nil
				if r, err := pruner(b).Run(t.Context(), w.without(all, "old")); err != nil || r.Exit.Code != 0 || w.history() != "write web, prune old" {
					t.Errorf("exit %d %v, wrote %s, notes %q", r.Exit.Code, err, w.history(), r.Notes)
				}
			})
		})
	}
}

// TestPruneWhole: manifests that look like a part of the set are refused before anything is changed.
func TestPruneWhole(t *testing.T) {
	for name, c := range map[string]struct {
		names  []string
		unread func(string) bool
		most   bool
		want   string // what is refused; empty: it is pruned
	}{
		"one of four":             {[]string{"web"}, nil, false, "they have 1 objects, and run"},
		"none of them":            {[]string{"new1", "new2", "new3", "new4"}, nil, false, "none of the 4 objects"},
		"a file that is there":    {[]string{"web", "a", "b"}, func(path string) bool { return path == "deploy.yaml" }, false, "deploy.yaml, from which run"},
		"although one of four":    {[]string{"web"}, nil, true, ""},
		"half of it":              {[]string{"web", "a"}, nil, false, ""},
		"the names have changed":  {[]string{"web", "new1", "new2", "new3"}, nil, false, ""},
		"all, and a file besides": {[]string{"web", "a", "b", "c"}, func(string) bool { return true }, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b, _ := release(t, config("a"), config("b"), config("c"), good("web"))
				for _, name := range []string{"new1", "new2", "new3", "new4"} {
					w.objects[name] = &thing{name: name, kind: "ConfigMap"}
				}
				g := pruner(b)
				g.Prune.Most, g.Prune.Unread = c.most, c.unread
				for i, command := range []func(Gate, context.Context, []manifest.Object) (Report, error){Gate.Plan, Gate.Run} {
					g.History = 3 * i // a plan keeps none
					r, err := command(g, t.Context(), w.manifests(c.names...))
					switch {
					case c.want == "" && (err != nil || r.Exit.Code != 0):
						t.Errorf("%s: exit %d %v", r.Run.Command, r.Exit.Code, err)
					case c.want != "" && (r.Exit.Code != Refused.Code() || err == nil || !strings.Contains(err.Error(), c.want) || w.history() != ""):
						t.Errorf("%s: exit %d %v, wrote %s", r.Run.Command, r.Exit.Code, err, w.history())
					}
				}
				if c.want == "" && len(c.names) < 4 && !strings.Contains(w.history(), "prune") {
					t.Errorf("wrote %s", w.history())
				}
			})
		})
	}
}

// TestPruneDenied: an account that could not delete, or not put back, does not begin.
func TestPruneDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), good("web"))
		w.lacksForPruning = []string{"delete configmaps"}
		r, err := pruner(b).Run(t.Context(), w.without(all, "old"))
		if r.Exit.Code != Denied.Code() || err == nil || w.history() != "" {
			t.Errorf("exit %d %v, wrote %s", r.Exit.Code, err, w.history())
		}
		r, err = pruner(b).Plan(t.Context(), w.without(all, "old"))
		if r.Exit.Code != 0 || err != nil || !strings.Contains(strings.Join(r.Notes, "\n"), "it cannot delete configmaps; run would refuse to begin") {
			t.Errorf("plan: exit %d %v %q", r.Exit.Code, err, r.Notes)
		}
	})
}

// TestPruneOthers: two applications in one namespace do not delete each other's objects, and what another run has is kept.
func TestPruneOthers(t *testing.T) {
	for name, c := range map[string]struct {
		set, note string
		code      Outcome
	}{
		"another set has it": {"blog", "stays: the set blog has it, too", Passed},
		"a run of no set":    {"", "has it, too", Passed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b, all := release(t, config("old"), good("web"))
				other := pruner(b)
				other.Prune.Set = c.set
				if r, err := other.Run(t.Context(), w.manifests("old")); err != nil || r.Exit.Code != 0 {
					t.Fatalf("exit %d %v", r.Exit.Code, err)
				}
				w.log = nil
				r, err := pruner(b).Run(t.Context(), w.without(all, "old"))
				if err != nil || r.Exit.Code != 0 || w.history() != "write web" || !strings.Contains(strings.Join(r.Notes, "\n"), c.note) {
					t.Errorf("exit %d %v, wrote %s, notes %q", r.Exit.Code, err, w.history(), r.Notes)
				}
			})
		})
	}
}

// TestPruneBeforeTheSet: runs of the time before the set had a name do not keep what it does not have any more.
func TestPruneBeforeTheSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(config("old"), good("web"))
		b := newBooks(w)
		for _, set := range []string{"", "shop"} {
			g := pruner(b)
			g.Prune.Set = set
			if r, err := g.Run(t.Context(), w.manifests("old", "web")); err != nil || r.Exit.Code != 0 {
				t.Fatalf("exit %d %v", r.Exit.Code, err)
			}
			time.Sleep(time.Minute)
		}
		w.log = nil
		if r, err := pruner(b).Run(t.Context(), w.manifests("web")); err != nil || r.Exit.Code != 0 || w.history() != "write web, prune old" {
			t.Errorf("exit %d %v, wrote %s, notes %q", r.Exit.Code, err, w.history(), r.Notes)
		}
	})
}

// TestFirstOfSet: a run that changes nothing notes what belongs to its set, and is not what `undo` means by the last run.
func TestFirstOfSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(&thing{name: "old", kind: "ConfigMap", same: true}, &thing{name: "web", same: true})
		b := newBooks(w)
		if r, err := pruner(b).Run(t.Context(), w.manifests("old", "web")); err != nil || r.Exit.Code != 0 || b.states() != "passed; 0 leases" {
			t.Fatalf("exit %d %v, on record: %s", r.Exit.Code, err, b.states())
		}
		if r, err := kept(b).Undo(t.Context(), Which{}); r.Exit.Code != Refused.Code() || err == nil {
			t.Errorf("undo: exit %d %v", r.Exit.Code, err)
		}
		if r, err := pruner(b).Run(t.Context(), w.manifests("web")); err != nil || r.Exit.Code != 0 || w.history() != "prune old" {
			t.Errorf("exit %d %v, wrote %s, notes %q", r.Exit.Code, err, w.history(), r.Notes)
		}
	})
}

// TestSetsStayOnRecord: the last run of a set stays, however many runs others have.
func TestSetsStayOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), good("web"), good("blog"))
		for range 5 {
			g := whole(b)
			g.Prune.Set = "blog"
			if r, err := g.Run(t.Context(), w.manifests("blog")); err != nil || r.Exit.Code != 0 {
				t.Fatalf("exit %d %v", r.Exit.Code, err)
			}
			time.Sleep(time.Minute)
		}
		w.log = nil
		if r, err := whole(b).Run(t.Context(), w.without(all, "old", "blog")); err != nil || r.Exit.Code != 0 || w.history() != "write web, prune old" {
			t.Errorf("exit %d %v, wrote %s, notes %q", r.Exit.Code, err, w.history(), r.Notes)
		}
	})
}

// TestUndoPruned: the undo of a passed run creates again what it has deleted, first of all.
func TestUndoPruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), good("web"), good("worker"))
		if r, err := whole(b).Run(t.Context(), w.without(all, "old", "worker")); err != nil || r.Exit.Code != 0 {
			t.Fatalf("exit %d %v", r.Exit.Code, err)
		}
		w.log = nil
		r, err := kept(b).Undo(t.Context(), Which{})
		if err != nil || r.Exit.Code != 0 || w.history() != "recreate old, recreate worker, undo web" {
			t.Errorf("exit %d %v, wrote %s", r.Exit.Code, err, w.history())
		}
		if want := "configmap/old, thing/worker are there again (verified)"; !strings.Contains(r.Exit.State, "configmap/old, thing/worker are there again") {
			t.Errorf("state %q, want %q", r.Exit.State, want)
		}
		if got := strings.Join(r.Notes, "\n"); !strings.Contains(got, "thing/worker was created again: it has another UID") {
			t.Errorf("notes %s", got)
		}
		// The run before it is the last of the set again.
		w.log = nil
		if r, err := whole(b).Run(t.Context(), w.without(all, "old")); err != nil || r.Exit.Code != 0 || !strings.HasSuffix(w.history(), "prune old") {
			t.Errorf("exit %d %v, wrote %s, notes %q", r.Exit.Code, err, w.history(), r.Notes)
		}
	})
}

// TestPruneBreaks: a workload that is not well any more after the deletion takes all of it back.
func TestPruneBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), good("web"))
		w.onWrite = func(_ int, what string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if what == "prune old" {
				w.objects["web"].behaves[2] = stalls(0)
			}
		}
		r, _ := pruner(b).Run(t.Context(), w.without(all, "old"))
		if r.Exit.Code != RolloutFailed.Code() || w.history() != "write web, prune old, recreate old, undo web" {
			t.Errorf("exit %d %s, wrote %s", r.Exit.Code, r.Exit.State, w.history())
		}
	})
}

// TestPruneSignal: a signal while objects are deleted takes everything back.
func TestPruneSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), config("older"), good("web"))
		ctx, cancel := context.WithCancelCause(t.Context())
		w.onWrite = func(_ int, what string) {
			if what == "prune older" {
				cancel(Cancelled{syscall.SIGTERM})
				time.Sleep(time.Second)
			}
		}
		r, _ := whole(b).Run(ctx, w.without(all, "old", "older"))
		if r.Exit.Code != Terminated.Code() || w.history() != "write web, prune older, recreate older, undo web" {
			t.Errorf("exit %d %s, wrote %s", r.Exit.Code, r.Exit.State, w.history())
		}
	})
}

// TestPruneHeld: a deletion that waits for a finalizer is told, and not waited for.
func TestPruneHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), good("web"))
		w.held = []string{"example.com/slow"}
		r, err := pruner(b).Run(t.Context(), w.without(all, "old"))
		if err != nil || r.Exit.Code != 0 || !strings.Contains(strings.Join(r.Notes, "\n"), "it waits for its finalizers example.com/slow") {
			t.Errorf("exit %d %v, notes %q", r.Exit.Code, err, r.Notes)
		}
	})
}

// TestPruneLost: of a deletion whose answer was lost the undo finds out.
func TestPruneLost(t *testing.T) {
	for _, done := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w, b, all := release(t, config("old"), config("older"), good("web"))
			w.fault = func(_ int, what string) fault {
				return map[string]fault{"prune older": {err: errLost, done: done}}[what]
			}
			r, err := whole(b).Run(t.Context(), w.without(all, "old", "older"))
			if err != nil || r.Exit.Code != 0 {
				t.Fatalf("exit %d %v", r.Exit.Code, err)
			}
			w.log = nil
			r, err = kept(b).Undo(t.Context(), Which{})
			want := map[bool]string{true: "recreate old, recreate older, undo web", false: "recreate old, undo web"}[done]
			if err != nil || r.Exit.Code != 0 || w.history() != want {
				t.Errorf("exit %d %v, wrote %s, want %s", r.Exit.Code, err, w.history(), want)
			}
		})
	}
}

// TestPruneKilled: a run that was killed while it deleted is put back by undo, gone on with by resume, and taken over by the
// next run, whose undo goes back behind it.
func TestPruneKilled(t *testing.T) {
	for name, c := range map[string]struct {
		pruning bool // it had begun to delete
		next    func(b *books, w *world) (Report, error)
		want    string
	}{
		"undo":                           {true, func(b *books, _ *world) (Report, error) { return kept(b).Undo(context.Background(), Which{}) }, "recreate older, undo web"},
		"undo of one that had not begun": {false, func(b *books, _ *world) (Report, error) { return kept(b).Undo(context.Background(), Which{}) }, "undo web"},
		"resume":                         {true, func(b *books, _ *world) (Report, error) { return kept(b).Resume(context.Background(), Which{}) }, "write web, prune old"},
		"run": {true, func(b *books, w *world) (Report, error) {
			return whole(b).Run(context.Background(), w.manifests("web"))
		}, "write web, prune old"},
		"bad run": {true, func(b *books, w *world) (Report, error) {
			w.objects["web"].behaves[2] = stalls(time.Second)
			return whole(b).Run(context.Background(), w.manifests("web"))
		}, "write web, undo web, recreate older"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b, _ := release(t, config("old"), config("older"), good("web"))
				b.dies("DEAD", 1, "web")
				u, err := b.LoadRecord(t.Context(), "shop", "DEAD")
				u.Set, u.Pruning, u.Started = record.Set{Name: "shop", Most: true}, c.pruning, time.Now()
				for _, name := range []string{"older", "old"} {
					o := w.objects[name]
					u.Prunes = append(u.Prunes, patch.Write{Ref: o.ref(), Manager: "rolloutgate", Action: patch.Pruned, Before: o.object(2), At: time.Now()})
				}
				if err = errors.Join(err, b.SaveRecord(t.Context(), u)); err != nil {
					t.Fatal(err)
				}
				w.objects["older"].version = 0
				w.log = nil
				r, err := c.next(b, w)
				if got := w.history(); got != c.want || len(b.leases) > 0 {
					t.Errorf("exit %d %v %s, wrote %s, want %s; notes %q; %d leases", r.Exit.Code, err, r.Exit.State, got, c.want, r.Notes, len(b.leases))
				}
			})
		})
	}
}

// TestPruneKilledAgain: what a killed run has deleted comes back although the run that took it over was killed, too, before it
// deleted anything.
func TestPruneKilledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, _ := release(t, config("old"), good("web"))
		b.dies("DEAD", 1, "web")
		u, err := b.LoadRecord(t.Context(), "shop", "DEAD")
		o := w.objects["old"]
		gone := patch.Write{Ref: o.ref(), Manager: "rolloutgate", Action: patch.Pruned, Before: o.object(2), Written: o.object(2), At: time.Now()}
		u.Set, u.Carried, u.Started = record.Set{Name: "shop"}, []patch.Write{gone}, time.Now()
		if err = errors.Join(err, b.SaveRecord(t.Context(), u)); err != nil {
			t.Fatal(err)
		}
		o.version, w.log = 0, nil
		if r, err := kept(b).Undo(t.Context(), Which{}); err != nil || r.Exit.Code != 0 || w.history() != "undo web, recreate old" {
			t.Errorf("exit %d %v %s, wrote %s", r.Exit.Code, err, r.Exit.State, w.history())
		}
	})
}

// TestPruneParked: a parked run deletes nothing, and the one that goes on with it does, for the same set.
func TestPruneParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, config("old"), good("web"))
		g := pruner(b)
		g.Planners = []Planner{{Name: "twice", Stages: func(p patch.Plan) ([]Stage, error) {
			return []Stage{{Name: "first", Approval: &Approval{Park: true}}, {Name: "all", Writes: p.Writes, Judge: true}}, nil
		}}}
		r, err := g.Run(t.Context(), w.without(all, "old"))
		if err != nil || r.Exit.Name != Parked.Name() || strings.Contains(w.history(), "prune") {
			t.Fatalf("exit %d %s %v, wrote %s", r.Exit.Code, r.Exit.Name, err, w.history())
		}
		g.Prune = Prune{}
		if r, err = g.Resume(t.Context(), Which{}); err != nil || r.Exit.Code != 0 || w.history() != "write web, prune old" {
			t.Errorf("exit %d %v, wrote %s, notes %q", r.Exit.Code, err, w.history(), r.Notes)
		}
	})
}

// TestPruneFile: a record without the data of Secrets prunes none.
func TestPruneFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b, all := release(t, &thing{name: "token", kind: "Secret", existed: true}, config("old"), good("web"))
		g := whole(b)
		g.Keep = KeepInFile
		r, err := g.Run(t.Context(), w.without(all, "token", "old"))
		if err != nil || r.Exit.Code != 0 || w.history() != "write web, prune old" || !strings.Contains(strings.Join(r.Notes, "\n"), "the data of Secrets does not go on record here") {
			t.Errorf("exit %d %v, wrote %s, notes %q", r.Exit.Code, err, w.history(), r.Notes)
		}
	})
}
