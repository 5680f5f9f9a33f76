package gate

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWrapOwnTime: the own time of an object begins when the command has ended, and may be longer than --timeout, which is
// that of the command and the watch together for all others.
func TestWrapOwnTime(t *testing.T) {
	for name, c := range map[string]struct {
		takes    time.Duration // the command
		web      behaviour     // beside db; nil: there is none
		db       behaviour
		own      string // of db, in its annotation
		rows     []ObjectRow
		outcome  Outcome
		min, max time.Duration // that the run takes
	}{
		"longer than --timeout": {takes: 2 * time.Second, web: becomesReady(time.Second), db: becomesReady(3 * time.Minute), own: "5m", outcome: Passed, min: 3 * time.Minute, max: 4 * time.Minute},
		"by the config file": {takes: 2 * time.Second, db: becomesReady(3 * time.Minute), rows: []ObjectRow{{Kind: "Thing", Name: "db", Timeout: 5 * time.Minute}},
			outcome: Passed, min: 3 * time.Minute, max: 4 * time.Minute},
		"not even that":                {takes: 2 * time.Second, db: never, own: "5m", outcome: TimedOut, min: 5 * time.Minute, max: 6 * time.Minute},
		"shorter than the command":     {takes: 30 * time.Second, db: becomesReady(10 * time.Second), own: "20s", outcome: Passed, min: 40 * time.Second, max: time.Minute},
		"shorter, and up":              {takes: 30 * time.Second, db: never, own: "20s", outcome: TimedOut, min: 50 * time.Second, max: 59 * time.Second},
		"shorter, and --timeout is up": {takes: 50 * time.Second, db: becomesReady(15 * time.Second), own: "20s", outcome: TimedOut, min: time.Minute, max: 64 * time.Second},
		"the others do not have it": {takes: 20 * time.Second, web: becomesReady(50 * time.Second), db: becomesReady(3 * time.Minute), own: "5m",
			outcome: TimedOut, min: time.Minute, max: 69 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, names, began := newWorld(bad("db", c.db)), []string{"db"}, time.Now()
				if c.web != nil {
					w, names = newWorld(bad("web", c.web), bad("db", c.db)), []string{"web", "db"}
				}
				if c.own != "" {
					w.objects["db"].notes = map[string]string{TimeoutAnnotation: c.own}
				}
				g := wrapped(w, names...)
				g.RunCommand, g.Objects = w.deploys(c.takes, names...), c.rows
				r, err := g.Wrap(t.Context(), commandOn("deploy", names...))
				check(t, r, w, c.outcome, "", "")
				if took := time.Since(began); err != nil || took < c.min || took > c.max {
					t.Errorf("%v, it took %s", err, took)
				}
				if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "thing/db has ") {
					t.Errorf("notes %s", notes)
				}
			})
		})
	}
}
