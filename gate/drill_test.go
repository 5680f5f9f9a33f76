package gate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/drill"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// workshop is a world in which one workload is copied. The copy becomes ready; what a variant does is up to the test.
type workshop struct {
	*world
	copied, variant behaviour
	left            []*unstructured.Unstructured // by earlier drills
	removed         []string
	removeErr       error
}

func newWorkshop(copied, variant behaviour) *workshop {
	return &workshop{world: newWorld(created("drill-web", nil)), copied: copied, variant: variant}
}

func (w *workshop) Write(ctx context.Context, write *patch.Write) error {
	t := w.objects[write.Ref.Name]
	original, _, _ := unstructured.NestedSlice(live("Deployment").Object, "spec", "template", "spec", "containers")
	now, _, _ := unstructured.NestedSlice(write.Object.Object, "spec", "template", "spec", "containers")
	if mustJSON(original) != mustJSON(now) {
		t.behaves[2] = w.variant
		return w.world.Write(ctx, write)
	}
	t.behaves[1] = w.copied
	err := w.step(ctx, w.writeTakes, "copy", func() { t.version, t.at, t.existed = 1, time.Now(), true })
	write.At, write.Written = time.Now(), t.object(1)
	return err
}

func (w *workshop) Copies(context.Context, *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	return w.left, nil
}

func (w *workshop) RemoveCopy(ctx context.Context, u *unstructured.Unstructured) error {
	w.removed = append(w.removed, u.GetName())
	if t := w.objects[u.GetName()]; t != nil {
		t.version, t.existed = 0, false
	}
	return errors.Join(ctx.Err(), w.removeErr)
}

func mustJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// live is the workload that is copied.
func live(kind string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": kind, "metadata": map[string]any{"name": "web", "namespace": "shop"},
		"spec": map[string]any{"replicas": int64(3), "template": map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": "app", "image": "registry.example.com/app:v1"}},
		}}},
	}}
}

// leftBy is a copy that another drill has made.
func leftBy(name string, h drill.Holder) *unstructured.Unstructured {
	original := live("Deployment")
	original.SetName(strings.TrimPrefix(name, "drill-"))
	copied, err := drill.Of(original, h)
	if err != nil {
		panic(err)
	}
	return copied.Object
}

func drilling(w *workshop, faults ...string) Drill {
	found, err := drill.Find(faults)
	if err != nil {
		panic(err)
	}
	return Drill{
		Workshop: w, Live: live("Deployment"), Faults: found, Options: drill.Options{Timeout: time.Minute},
		Ends: time.Now().Add(time.Hour),
	}
}

func TestDrill(t *testing.T) {
	for name, c := range map[string]struct {
		copied, variant behaviour
		faults          string
		world           func(*workshop)
		change          func(*Gate, *Drill)
		outcome         Outcome
		state           string
		log             string // what was written
		why             string // of the first exercise that was not caught
		removed         string // copies, in their order
	}{
		"all caught": {
			variant: stalls(2 * time.Second), faults: "image crash", outcome: Passed, state: "2 faults caught and put back; deployment/drill-web was removed again",
			log: "copy, write drill-web, undo drill-web, write drill-web, undo drill-web", removed: "drill-web",
		},
		"at the end of the time": {variant: never, faults: "slow", outcome: Passed, log: "copy, write drill-web, undo drill-web", removed: "drill-web"},
		"not noticed": {
			variant: becomesReady(time.Second), faults: "image probe", outcome: RolloutFailed, state: "2 of 2 faults not caught: image, probe",
			why: "the rollout passed", log: "copy, write drill-web, copy, write drill-web, copy", removed: "drill-web drill-web drill-web",
		},
		"not put back": {
			variant: stalls(time.Second), faults: "crash", outcome: RolloutFailed, why: "it was noticed, but not put back: ",
			world:   func(w *workshop) { w.fault = on("undo drill-web", fault{err: errRefused}) },
			removed: "drill-web drill-web",
		},
		"errors without criteria": {variant: never, faults: "errors", outcome: RolloutFailed, why: "there are no criteria", log: "copy", removed: "drill-web"},
		"errors that nobody can make": {
			variant: never, faults: "errors", outcome: RolloutFailed, why: "not tried: nobody has said which variable", log: "copy", removed: "drill-web",
			change: func(g *Gate, _ *Drill) { g.Criteria = []analysis.Criterion{{Name: "errors"}} },
		},
		"a copy that does not come up": {
			copied: stalls(time.Second), variant: never, faults: "image", outcome: Inconclusive, state: "nothing was tried: the copy of deployment/web does not become complete",
			removed: "drill-web",
		},
		"no right to undo": {
			variant: never, faults: "image", world: func(w *workshop) { w.cannotUndo = []string{"delete deployments"} }, outcome: Denied, state: nothingChanged, removed: "drill-web",
		},
		"a copy that cannot be removed": {
			variant: stalls(time.Second), faults: "image", world: func(w *workshop) { w.removeErr = errRefused }, outcome: UndoBroken, state: "deployment/drill-web could not be removed",
			removed: "drill-web",
		},
		"what a killed drill has left": {
			variant: stalls(time.Second), faults: "image", outcome: Passed, removed: "drill-web drill-old drill-web",
			world: func(w *workshop) {
				w.left = []*unstructured.Unstructured{leftBy("drill-web", drill.Holder{Process: record.Process{Machine: "here", ID: 8}, Ends: time.Now().Add(time.Hour)}), leftBy("drill-old", drill.Holder{})}
			},
		},
		"beside the drill of another workload": {
			variant: stalls(time.Second), faults: "image", outcome: Passed, removed: "drill-web",
			world: func(w *workshop) {
				w.left = []*unstructured.Unstructured{leftBy("drill-other", drill.Holder{Process: record.Process{Machine: "there", ID: 8}, Ends: time.Now().Add(time.Hour)})}
			},
		},
		"while another drill is at work": {
			variant: stalls(time.Second), faults: "image", outcome: Retry, state: nothingChanged,
			world: func(w *workshop) {
				w.left = []*unstructured.Unstructured{leftBy("drill-web", drill.Holder{Process: record.Process{Machine: "there", ID: 8}, Ends: time.Now().Add(time.Hour)})}
			},
		},
		"without an undo": {variant: never, faults: "image", change: func(g *Gate, _ *Drill) { g.NeverUndo = true }, outcome: Invalid, state: nothingChanged},
		"of what runs on every node": {
			variant: never, faults: "image", change: func(_ *Gate, d *Drill) { d.Live = live("DaemonSet") }, outcome: Invalid, state: nothingChanged,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if c.copied == nil {
					c.copied = becomesReady(time.Second)
				}
				w := newWorkshop(c.copied, c.variant)
				if c.world != nil {
					c.world(w)
				}
				g, d := gated(w.world), drilling(w, strings.Fields(c.faults)...)
				g.Cluster, g.Here = w, record.Here{Self: record.Process{Machine: "here", ID: 7, Started: "70"}, Started: func(int) (string, bool) { return "70", true }}
				if c.change != nil {
					c.change(&g, &d)
				}
				report, err := g.Drill(t.Context(), d)
				check(t, report, w.world, c.outcome, c.state, "drill-web=0")
				if fails := slices.Contains([]Outcome{Invalid, Retry, Denied}, c.outcome); (err != nil) != fails {
					t.Errorf("error %v", err)
				}
				if c.log != "" && w.history() != c.log {
					t.Errorf("wrote %s, want %s", w.history(), c.log)
				}
				if got := strings.Join(w.removed, " "); got != c.removed {
					t.Errorf("removed %q, want %q", got, c.removed)
				}
				i := slices.IndexFunc(report.Drill, func(e Exercise) bool { return !e.Caught })
				if (i >= 0) != (c.why != "") || i >= 0 && !strings.HasPrefix(report.Drill[i].Why, c.why) {
					t.Errorf("exercises %+v, want %q", report.Drill, c.why)
				}
				for _, e := range report.Drill {
					if e.Caught && (e.Undo != UndoVerified || e.Noticed <= 0) {
						t.Errorf("exercise %+v", e)
					}
				}
			})
		})
	}
}

// TestDrillIsCancelled: a signal in any part of a drill leaves no copy behind.
func TestDrillIsCancelled(t *testing.T) {
	for _, after := range []time.Duration{0, 500 * time.Millisecond, 3 * time.Second, 40 * time.Second, 62 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorkshop(becomesReady(time.Second), never)
			g := gated(w.world)
			g.Cluster = w
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			time.AfterFunc(after, func() { cancel(Cancelled{syscall.SIGINT}) })
			report, _ := g.Drill(ctx, drilling(w, "image", "slow"))
			check(t, report, w.world, Interrupted, "", "drill-web=0")
			if len(w.removed) == 0 || w.removed[len(w.removed)-1] != "drill-web" {
				t.Errorf("after %s: removed %v", after, w.removed)
			}
		})
	}
}

// TestDrillJudges: with criteria, errors are caught by them.
func TestDrillJudges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(becomesReady(time.Second), becomesReady(time.Second))
		g := judging(t, w.world, &answers{before: 1, after: 30})
		g.Cluster = w
		w.objects["web"] = w.objects["drill-web"] // whose version the answers are about
		d := drilling(w, "errors")
		d.Options.ErrorsWith = "FAULT=errors"
		report, err := g.Drill(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		check(t, report, w.world, Passed, "1 fault caught and put back", "")
		if e := report.Drill[0]; e.Code != "CriterionBreached" || e.Exit != CriteriaFailed.Name() {
			t.Errorf("exercise %+v", e)
		}
	})
}
