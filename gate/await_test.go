package gate

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// versioned is an object whose image says its version, and that goes by a behaviour when its new version comes.
func versioned(name string, b behaviour) *thing {
	return &thing{name: name, existed: true, behaves: map[int]behaviour{2: b}, dress: func(u *unstructured.Unstructured, version int) {
		containers := []any{map[string]any{"name": "app", "image": fmt.Sprintf("%s:v%d", name, version)}}
		unstructured.SetNestedSlice(u.Object, containers, "spec", "template", "spec", "containers")
	}}
}

// syncs lets somebody else write the new version after some time.
func (w *world) syncs(name string, after time.Duration) {
	time.AfterFunc(after, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.objects[name].version, w.objects[name].at = 2, time.Now()
	})
}

// awaiting are targets whose new version is waited for.
func (w *world) awaiting(names ...string) []rollout.Target {
	targets := w.targets(names...)
	for i := range targets {
		targets[i].Awaited = []string{names[i] + ":v2"}
		if w.objects[names[i]].version == 0 {
			targets[i].Applied = nil
		}
	}
	return targets
}

// TestAwait: what was there before says nothing of the version that is to come.
func TestAwait(t *testing.T) {
	for name, c := range map[string]struct {
		things  []*thing
		syncs   map[string]time.Duration
		outcome Outcome
		state   string
		code    string
		took    time.Duration // at the latest
	}{
		"it comes": {
			things: []*thing{versioned("web", becomesReady(3*time.Second))}, syncs: map[string]time.Duration{"web": 20 * time.Second},
			outcome: Passed, state: "thing/web is complete", took: 30 * time.Second,
		},
		"it is there": {
			things: []*thing{versioned("web", becomesReady(3*time.Second))}, syncs: map[string]time.Duration{"web": 0},
			outcome: Passed, state: "thing/web is complete", took: 10 * time.Second,
		},
		"it appears": {
			things: []*thing{{name: "web", behaves: versioned("web", becomesReady(time.Second)).behaves, dress: versioned("web", nil).dress}}, syncs: map[string]time.Duration{"web": 20 * time.Second},
			outcome: Passed, state: "thing/web is complete", took: 30 * time.Second,
		},
		"it comes and is bad": {
			things: []*thing{versioned("web", stalls(2*time.Second))}, syncs: map[string]time.Duration{"web": 20 * time.Second}, outcome: NotUndone, took: 30 * time.Second,
		},
		"it does not come": {
			things: []*thing{versioned("web", nil)}, outcome: Inconclusive, code: "AwaitedImageMissing",
			state: "nothing was judged: the version to wait for has not come to thing/web", took: time.Minute,
		},
		"it does not appear": {
			things: []*thing{{name: "web"}}, outcome: Inconclusive, code: "AwaitedImageMissing", took: time.Minute,
		},
		"only one of two comes": {
			things: []*thing{versioned("web", becomesReady(time.Second)), versioned("api", nil)}, syncs: map[string]time.Duration{"web": 5 * time.Second},
			outcome: Inconclusive, code: "AwaitedImageMissing", state: "has not come to thing/api", took: time.Minute,
		},
		"only one of two comes, and is bad": {
			things: []*thing{versioned("web", stalls(2*time.Second)), versioned("api", nil)}, syncs: map[string]time.Duration{"web": 5 * time.Second},
			outcome: NotUndone, took: 15 * time.Second,
		},
		"only one of two comes, and is late": {
			things: []*thing{versioned("web", never), versioned("api", nil)}, syncs: map[string]time.Duration{"web": 5 * time.Second},
			outcome: NotUndone, code: "AwaitedImageMissing", took: time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.things...)
				var names []string
				for _, o := range c.things {
					names = append(names, o.name)
				}
				targets := w.awaiting(names...)
				for name, after := range c.syncs {
					w.syncs(name, after)
				}
				began := time.Now()
				report, err := gated(w).Watch(t.Context(), targets)
				if err != nil {
					t.Fatal(err)
				}
				check(t, report, w, c.outcome, c.state, "")
				if took := time.Since(began); took > c.took+coalesce {
					t.Errorf("it took %s, want at most %s", took, c.took)
				}
				codes := ""
				for _, f := range report.Findings {
					codes += f.Code + " "
				}
				if !strings.Contains(codes, c.code) {
					t.Errorf("findings %s, want %s", codes, c.code)
				}
				if w.history() != "" {
					t.Errorf("a watch wrote %s", w.history())
				}
			})
		})
	}
}

// TestAwaitWithCriteria: the criteria are asked about the version that comes, not about the one before it.
func TestAwaitWithCriteria(t *testing.T) {
	for name, c := range map[string]struct {
		answers answers
		outcome Outcome
	}{
		"they hold for the new version":    {answers{before: 30, after: 3}, Passed},
		"they do not":                      {answers{before: 3, after: 30}, NotUndone},
		"it does not come":                 {answers{before: 30, after: 30}, Inconclusive},
		"it does not come, and they would": {answers{before: 3, after: 3}, Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(versioned("web", becomesReady(3*time.Second)))
				g := judging(t, w, &c.answers)
				targets := w.awaiting("web")
				if c.outcome != Inconclusive {
					w.syncs("web", 40*time.Second)
				}
				report, err := g.Watch(t.Context(), targets)
				if err != nil {
					t.Fatal(err)
				}
				check(t, report, w, c.outcome, "", "")
			})
		})
	}
}

// TestAwaitIsCancelled: a signal ends the waiting at once.
func TestAwaitIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(versioned("web", nil))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(Cancelled{syscall.SIGTERM}) })
		began := time.Now()
		report, _ := gated(w).Watch(ctx, w.awaiting("web"))
		check(t, report, w, Terminated, "", "web=1")
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestAwaitTells: who waits for a long time is told what for.
func TestAwaitTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(versioned("web", nil))
		g := gated(w)
		g.Heartbeat = 10 * time.Second
		told := map[string]int{}
		g.Progress = func(e Event) {
			switch p := e.Payload.(type) {
			case Status:
				told[p.Message]++
			case Waiting:
				told[p.Workloads[0].Message+", still"]++
			}
		}
		if _, err := g.Watch(t.Context(), w.awaiting("web")); err != nil {
			t.Fatal(err)
		}
		const want = "waiting for web:v2; its pod template has web:v1"
		if told[want] != 1 || told[want+", still"] < 5 {
			t.Errorf("told %v", told)
		}
	})
}

// TestAwaitReadsAnnotations: the version that comes says itself how patient a watch is to be.
func TestAwaitReadsAnnotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(&thing{name: "web", kind: "Pod", badImage: true, behaves: map[int]behaviour{2: never}})
		pod := w.objects["web"]
		pod.annotations = map[string]string{NoFailFastAnnotation: "all"}
		targets := w.targets("web")
		targets[0].Applied, targets[0].Awaited = nil, []string{"registry.example.com/App:v2"}
		w.syncs("web", 5*time.Second)
		began := time.Now()
		report, err := gated(w).Watch(t.Context(), targets)
		if err != nil {
			t.Fatal(err)
		}
		check(t, report, w, NotUndone, "", "")
		if took := time.Since(began); took < time.Minute {
			t.Errorf("it failed early, after %s", took)
		}
	})
}

// TestWatchOfGitOps: a rollout that has not begun yet looks like one that is complete, which a watch says.
func TestWatchOfGitOps(t *testing.T) {
	const want = "it was complete when this watch began"
	for name, c := range map[string]struct {
		keeps func(*unstructured.Unstructured, int)
		going bool
		noted bool
	}{"nobody's": {}, "complete": {keeps: byFlux, noted: true}, "on its way": {keeps: byFlux, going: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				w.objects["web"].dress = c.keeps
				if c.going {
					w.objects["web"].version, w.objects["web"].at = 2, time.Now()
				}
				report, err := gated(w).Watch(t.Context(), w.targets("web"))
				if err != nil {
					t.Fatal(err)
				}
				check(t, report, w, Passed, "", "")
				if noted := strings.Contains(strings.Join(report.Notes, "\n"), want); noted != c.noted {
					t.Errorf("notes %q", report.Notes)
				}
			})
		})
	}
}
