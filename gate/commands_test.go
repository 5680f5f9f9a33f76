package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// targets are objects of the world as somebody else left them.
func (w *world) targets(names ...string) []rollout.Target {
	var targets []rollout.Target
	for _, name := range names {
		o := w.objects[name]
		targets = append(targets, rollout.Target{Ref: o.ref(), Applied: o.object(o.version), Since: o.at})
	}
	return targets
}

func TestPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"), created("new", never), &thing{name: "same", same: true})
		report, err := gated(w).Plan(t.Context(), w.manifests("web", "new", "same"))
		if err != nil {
			t.Fatal(err)
		}
		check(t, report, w, Passed, "1 to create, 1 to change, 1 as they are", "new=0 same=1 web=1")
		if w.history() != "" {
			t.Errorf("a plan wrote %s", w.history())
		}
	})
}

// What an undo would meet is said before anything is written.
func TestPlanTriesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		w.refusesBack = errors.New("policy no-latest: images need a tag")
		report, err := gated(w).Plan(t.Context(), w.manifests("web"))
		if err != nil {
			t.Fatal(err)
		}
		const want = "an undo could not bring it back: the API server would refuse what is there now: policy no-latest"
		if !strings.Contains(strings.Join(report.Notes, "\n"), want) {
			t.Errorf("no word of %q in %q", want, report.Notes)
		}
		if report, _ = gated(w).Run(t.Context(), w.manifests("web")); len(report.Notes) != 0 {
			t.Errorf("a run asks what only a plan is asked for: %q", report.Notes)
		}
	})
}

func TestPlanWithCriteria(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		report, err := judging(t, w, &answers{before: 30}).Plan(t.Context(), w.manifests("web"))
		if err == nil {
			t.Error("a criterion that is violated already is no error of a plan")
		}
		check(t, report, w, Refused, nothingChanged, "web=1")
	})
}

// TestWatch judges what somebody else has begun, and undoes nothing.
func TestWatch(t *testing.T) {
	for name, c := range map[string]struct {
		behaves behaviour
		outcome Outcome
	}{
		"good": {becomesReady(2 * time.Second), Passed}, "bad": {stalls(2 * time.Second), NotUndone}, "late": {never, NotUndone},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(&thing{name: "web", existed: true, behaves: map[int]behaviour{2: c.behaves}})
				w.objects["web"].version, w.objects["web"].at = 2, time.Now()
				report, err := gated(w).Watch(t.Context(), w.targets("web"))
				if err != nil {
					t.Fatal(err)
				}
				check(t, report, w, c.outcome, "", "web=2")
			})
		})
	}
}

func TestDiagnose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(&thing{name: "web", kind: "Pod", existed: true, badImage: true}, good("fine"))
		w.objects["web"].version = 2
		report, err := gated(w).Diagnose(t.Context(), w.targets("web", "fine"))
		if err != nil {
			t.Fatal(err)
		}
		check(t, report, w, Passed, "1 of 2 workloads is broken: pod/web (ImageNameInvalid)", "")
		report, _ = gated(w).Diagnose(t.Context(), w.targets("fine"))
		check(t, report, w, Passed, "thing/fine is in order", "")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(Cancelled{syscall.SIGINT})
		report, err = gated(w).Diagnose(ctx, w.targets("fine"))
		if err == nil {
			t.Error("no error says that it was interrupted")
		}
		check(t, report, w, Interrupted, nothingChanged, "")
	})
}

func TestAnalyze(t *testing.T) {
	for name, c := range map[string]struct {
		value   float64
		outcome Outcome
	}{"holds": {3, Passed}, "violated": {30, CriteriaFailed}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				g := judging(t, w, &answers{before: c.value})
				report, err := g.Analyze(t.Context(), w.targets("web"), 0)
				if err != nil {
					t.Fatal(err)
				}
				check(t, report, w, c.outcome, nothingChanged, "web=1")
			})
		})
	}
	t.Run("backtest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			report, err := judging(t, w, &answers{before: 3}).Analyze(t.Context(), w.targets("web"), time.Hour)
			if err != nil || len(report.Backtest) != 1 {
				t.Fatalf("%d replays, %v", len(report.Backtest), err)
			}
			check(t, report, w, Passed, nothingChanged, "web=1")
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			g := judging(t, w, &answers{before: 3})
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(5*time.Second, func() { cancel(Cancelled{syscall.SIGINT}) })
			report, _ := g.Analyze(ctx, w.targets("web"), 0)
			check(t, report, w, Interrupted, nothingChanged, "web=1")
		})
	})
	t.Run("about pods of nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(good("web"))
			g := judging(t, w, &answers{before: 3})
			g.Criteria[0].Scope = analysis.ScopeNew
			report, err := g.Analyze(t.Context(), nil, 0)
			if err == nil {
				t.Error("no error")
			}
			check(t, report, w, Invalid, nothingChanged, "")
		})
	})
}

// TestReach: the way to a Prometheus in the cluster is looked for when it is needed, and ended when it is not.
func TestReach(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		outcome Outcome
	}{"found": {nil, Passed}, "not found": {errors.New("no such service"), Retry}, "denied": {errRefused, Denied}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				g := judging(t, w, &answers{before: 1, after: 1})
				querier, ended := g.Querier, 0
				g.Querier = nil
				g.Reach = func(context.Context) (analysis.Querier, string, func(), error) {
					return querier, "through a tunnel", func() { ended++ }, c.err
				}
				report, _ := g.Run(t.Context(), w.manifests("web"))
				check(t, report, w, c.outcome, "", "")
				if c.err == nil && (ended != 1 || !strings.Contains(strings.Join(report.Notes, "\n"), "through a tunnel")) {
					t.Errorf("ended %d times, notes %q", ended, report.Notes)
				}
			})
		})
	}
}

// TestOneMorePlanner: a planner is one value, and its stages are written, judged and taken back like any other's.
func TestOneMorePlanner(t *testing.T) {
	oneByOne := Planner{Name: "one by one", Stages: func(p patch.Plan) ([]Stage, error) {
		var stages []Stage
		for i, w := range p.Writes {
			stages = append(stages, Stage{Name: w.Ref.Name, Writes: []patch.Write{w}, Judge: i == len(p.Writes)-1})
		}
		return stages, nil
	}}
	for name, c := range map[string]struct {
		second  behaviour
		outcome Outcome
		log     string
	}{
		"good": {becomesReady(time.Second), Passed, "write a, write b, write c"},
		"bad":  {stalls(time.Second), RolloutFailed, "write a, write b, undo b, undo a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("a"), bad("b", c.second), good("c"))
				g := gated(w)
				g.Planners = []Planner{oneByOne}
				var waited time.Duration
				w.onWrite = func(n int, what string) {
					if what == "write b" {
						waited = time.Since(w.objects["a"].at)
					}
				}
				report, _ := g.Run(t.Context(), w.manifests("a", "b", "c"))
				check(t, report, w, c.outcome, "", "")
				if w.history() != c.log {
					t.Errorf("wrote %s, want %s", w.history(), c.log)
				}
				if waited < 3*time.Second {
					t.Errorf("the second stage began %s after the first, which was not complete", waited)
				}
			})
		})
	}
}

// TestStuck: pods that keep a StatefulSet from moving are freed, unless somebody asked to keep them.
func TestStuck(t *testing.T) {
	for _, keep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(&thing{name: "web", existed: true, behaves: map[int]behaviour{1: becomesReady(3 * time.Second), 2: stalls(time.Second)}})
			g := gated(w)
			g.KeepStuckPods = keep
			f := (&run{g: g, course: newCourse(t.Context(), nil), said: map[manifest.Ref]statusText{}}).stuckIn("old")
			if _, stuck := f.stuck(0, rollout.Workload{Live: w.objects["web"].object(1)}, f.states[0].status); stuck == keep {
				t.Errorf("keep %v, and freed %v", keep, stuck)
			}
			f.r.course.stop()
		})
	}
}

func (r *run) stuckIn(revision string) *follower {
	return &follower{r: r, states: []state{{status: rollout.Status{BlockedBy: revision}, busy: map[intentKind]bool{}}}}
}

// TestWaiting: silence is broken by words about what is awaited.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(bad("a", never), bad("b", never), bad("c", never), bad("d", never), bad("e", never))
		g := gated(w)
		g.Heartbeat = 10 * time.Second
		var heard []Waiting
		g.Progress = func(e Event) {
			if p, ok := e.Payload.(Waiting); ok {
				heard = append(heard, p)
			}
		}
		g.Run(t.Context(), w.manifests("a", "b", "c", "d", "e"))
		if len(heard) == 0 || len(heard[0].Workloads) != 3 || heard[0].More != 2 || heard[0].Since != 10*time.Second {
			t.Errorf("heard %+v", heard)
		}
	})
}

// TestRestarts: workloads that read a changed ConfigMap and would stay as they are become writes of their own.
func TestRestarts(t *testing.T) {
	deployment := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "shop"},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
			"name": "app", "envFrom": []any{map[string]any{"configMapRef": map[string]any{"name": "settings"}}},
		}}}}},
	}}
	settings := func(mode string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "settings", "namespace": "shop"}, "data": map[string]any{"mode": mode},
		}}
	}
	ref := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	p := patch.Plan{Writes: []patch.Write{
		{Ref: manifest.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "settings"}, Action: patch.Configured, Before: settings("old"), After: settings("new")},
		{Ref: ref, Action: patch.Unchanged, Before: deployment},
	}}
	changed := changedConfig(p)
	if len(changed) != 1 || fmt.Sprint(changed[0].Keys) != "[mode]" {
		t.Fatalf("changed %+v", changed)
	}
	got := restarts(p, changed, time.Date(2026, 11, 20, 17, 55, 0, 0, time.UTC)).Writes[1]
	if got.Action != patch.Configured || got.Manager != restartManager {
		t.Errorf("%s by %q", got.Action, got.Manager)
	}
	stamp, _, _ := unstructured.NestedString(got.Sent.Object, "spec", "template", "metadata", "annotations", restartedAt)
	if stamp != "2026-11-20T17:55:00Z" || len(got.Sent.Object["spec"].(map[string]any)) != 1 {
		t.Errorf("sent %v", got.Sent.Object)
	}
	other := restarts(patch.Plan{Writes: []patch.Write{{Ref: ref, Action: patch.Unchanged, Before: deployment}}}, nil, time.Now()).Writes[0]
	if other.Action != patch.Unchanged {
		t.Error("a workload was restarted although nothing that it reads was changed")
	}
}

// TestOutcomeOf: whose fault an error is, and whether to try again.
func TestOutcomeOf(t *testing.T) {
	things := schema.GroupResource{Resource: "things"}
	for name, c := range map[string]struct {
		err  error
		want Outcome
	}{
		"nothing":              {nil, Passed},
		"a bad manifest":       {fmt.Errorf("reading: %w", &manifest.Error{Path: "a.yaml", Line: 3, Msg: "what"}), Invalid},
		"a bad criterion":      {&analysis.SpecError{}, Invalid},
		"no right":             {apierrors.NewForbidden(things, "web", nil), Denied},
		"no credentials":       {apierrors.NewUnauthorized("who"), Denied},
		"too many requests":    {apierrors.NewTooManyRequests("later", 1), Retry},
		"a server error":       {apierrors.NewInternalError(errors.New("etcd")), Retry},
		"a conflict":           {apierrors.NewConflict(things, "web", nil), Refused},
		"an unknown kind":      {&meta.NoKindMatchError{}, Refused},
		"no connection":        {&url.Error{Op: "Get", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, Retry},
		"no answer":            {context.DeadlineExceeded, Retry},
		"no time":              {errTimeUp, Retry},
		"interrupted":          {Cancelled{syscall.SIGINT}, Interrupted},
		"hung up":              {Cancelled{syscall.SIGHUP}, Terminated},
		"a wrong query":        {&analysis.QueryError{Kind: analysis.Rejected}, Invalid},
		"a wrong password":     {&analysis.QueryError{Kind: analysis.Unauthorized}, Denied},
		"a broken server":      {&analysis.QueryError{Kind: analysis.Unreachable}, Retry},
		"something unforeseen": {errors.New("what"), Internal},
	} {
		if got := OutcomeOf(c.err); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestOutcomesAreAnInterface: codes and names are never changed, and everything has a meaning.
func TestOutcomesAreAnInterface(t *testing.T) {
	var got []string
	for _, o := range Outcomes() {
		got = append(got, fmt.Sprintf("%d %s", o.Code(), o))
		if o.Meaning() == "" {
			t.Errorf("%s has no meaning", o)
		}
	}
	want := "0 passed, 0 parked, 1 internal, 2 invalid, 3 refused, 10 failed, 11 timeout, 12 criteria, 13 inconclusive, 14 rejected, 15 called-off, 20 undo-failed, " +
		"21 not-undone, 30 superseded, 75 retry, 77 denied, 130 cancelled, 143 cancelled"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("the outcomes are\n%s\nwant\n%s", text, want)
	}
}
