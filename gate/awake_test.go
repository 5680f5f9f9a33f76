package gate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestAwake: what a process has slept through it has had no time for.
func TestAwake(t *testing.T) {
	late := errors.New("too late")
	for name, c := range map[string]struct {
		sleeps []time.Duration // whatever the context says, one a try
		tries  int
		err    error
	}{
		"done":            {[]time.Duration{0}, 1, nil},
		"a slow server":   {[]time.Duration{31 * time.Second}, 1, late},
		"stopped once":    {[]time.Duration{2 * time.Minute, time.Second}, 2, nil},
		"stopped, slower": {[]time.Duration{2 * time.Minute, 31 * time.Second}, 2, late},
	} {
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			err := awake(t.Context(), 30*time.Second, func(ctx context.Context) error {
				time.Sleep(c.sleeps[tries])
				tries++
				if ctx.Err() != nil {
					return late
				}
				return nil
			})
			if tries != c.tries || !errors.Is(err, c.err) {
				t.Errorf("%s: %d tries, %v", name, tries, err)
			}
		})
	}
}

// TestSleepsInUndo: a process that was stopped during its undo takes the rest back when it goes on.
func TestSleepsInUndo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(bad("a", stalls(time.Second)), bad("b", stalls(time.Second)))
		g := gated(w)
		g.UndoTimeout = time.Minute
		w.onWrite = func(n int, _ string) {
			if n == 3 { // the first undo
				time.Sleep(2 * time.Minute)
			}
		}
		report, _ := g.Run(t.Context(), w.manifests("a", "b"))
		check(t, report, w, RolloutFailed, "", "")
		if w.versions() != "a=1 b=1" || report.Undo.Result != UndoVerified {
			t.Errorf("%s, undo %s", w.versions(), report.Undo.Result)
		}
	})
}
