package gate

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// fleetOf are things of which the last one does not become ready.
func fleetOf(n int) (w *world, names []string) {
	var things []*thing
	for i := range n {
		name := fmt.Sprintf("web-%03d", i)
		t := good(name)
		if i == n-1 {
			t = bad(name, stalls(5*time.Second))
		}
		things, names = append(things, t), append(names, name)
	}
	return newWorld(things...), names
}

// TestManyAreUndoneAtOnce: many objects of one kind go back several at a time, all of them, and few go back one by one in the
// reverse order of writing.
func TestManyAreUndoneAtOnce(t *testing.T) {
	for _, n := range []int{manyAlike - 1, 100} {
		synctest.Test(t, func(t *testing.T) {
			w, names := fleetOf(n)
			w.undoTakes = time.Second
			g := gated(w)
			g.UndoTimeout = time.Minute
			report, err := g.Run(context.Background(), w.manifests(names...))
			if err != nil || report.Exit.Name != RolloutFailed.Name() || report.Undo.Result != UndoVerified {
				t.Fatalf("%d: %v, %+v", n, err, report.Exit)
			}
			if got := strings.Count(w.versions(), "=1"); got != n {
				t.Errorf("%d: %d are back", n, got)
			}
			if len(report.Undo.Objects) != n || report.Undo.Objects[0].Object.Name != names[n-1] {
				t.Errorf("%d: the report has %d objects, %v first", n, len(report.Undo.Objects), report.Undo.Objects[0].Object)
			}
			began, ended := report.Marks.Undone, report.Run.Finished
			turns := (n + undoneAtOnce - 1) / undoneAtOnce
			if n < manyAlike {
				turns = n
			}
			if took := ended.Sub(began); took < time.Duration(turns)*time.Second || took > time.Duration(turns)*time.Second+5*time.Second {
				t.Errorf("%d: the undo took %s, want %d turns", n, took, turns)
			}
			if n < manyAlike && !strings.HasSuffix(w.history(), "undo web-001, undo web-000") {
				t.Errorf("%d: the order is %s", n, w.history())
			}
			if len(report.Exit.State) > 500 {
				t.Errorf("%d: the last line has %d characters: %s", n, len(report.Exit.State), report.Exit.State)
			}
		})
	}
}

// busyWorld is a cluster in which the first object always has news.
type busyWorld struct {
	*world
	looks *sync.Map // by the number of the target
}

func (b busyWorld) Watch(ctx context.Context, targets []rollout.Target) Watch {
	w := &busyWatch{fakeWatch: &fakeWatch{w: b.world, ctx: ctx, targets: targets}, looks: b.looks, changed: make(chan struct{}, 1)}
	go func() {
		for ctx.Err() == nil {
			wait(ctx, 50*time.Millisecond)
			w.news.Add(1)
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	}()
	return w
}

type busyWatch struct {
	*fakeWatch
	looks   *sync.Map
	news    atomic.Uint64
	changed chan struct{}
}

func (w *busyWatch) Changed() <-chan struct{} { return w.changed }

func (w *busyWatch) Arrivals(i int) uint64 {
	if i > 0 {
		return 1
	}
	return w.news.Load()
}

func (w *busyWatch) Workload(i int) rollout.Workload {
	n, _ := w.looks.LoadOrStore(i, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
	return w.fakeWatch.Workload(i)
}

// TestOnlyNewsIsLookedAt: while one of many workloads changes all the time, the others are looked at once a second.
func TestOnlyNewsIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var things []*thing
		var names []string
		for i := range 40 {
			things = append(things, &thing{name: fmt.Sprintf("web-%d", i), existed: true, behaves: map[int]behaviour{2: becomesReady(10 * time.Second)}})
			names = append(names, things[i].name)
		}
		w := busyWorld{newWorld(things...), &sync.Map{}}
		g := gated(w.world)
		g.Cluster = w
		report, err := g.Run(context.Background(), w.manifests(names...))
		if err != nil || report.Exit.Code != 0 {
			t.Fatalf("%v, %+v", err, report.Exit)
		}
		looks := func(i int) int64 {
			n, _ := w.looks.Load(i)
			return n.(*atomic.Int64).Load()
		}
		if n := looks(0); n < 100 {
			t.Errorf("the one that changes was looked at %d times", n)
		}
		for i := 1; i < 40; i++ {
			if n := looks(i); n < 5 || n > 30 { // a look asks for more than one thing
				t.Errorf("%s was looked at %d times", names[i], n)
			}
		}
	})
}
