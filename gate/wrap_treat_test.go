package gate

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/record"
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

// staying are a bad workload, a ConfigMap with undo: false, and one that the release creates with Helm's policy.
func staying() *world {
	w := newWorld(bad("web", stalls(time.Second)), &thing{name: "seen", kind: "ConfigMap", existed: true}, &thing{name: "data", kind: "ConfigMap"})
	w.objects["seen"].notes = map[string]string{UndoAnnotation: "false"}
	w.objects["data"].notes = map[string]string{"helm.sh/resource-policy": "keep"}
	return w
}

// TestWrapStays: what is to stay in an undo stays after a command as well, whether it has a rollout or not.
func TestWrapStays(t *testing.T) {
	for name, c := range map[string]struct {
		names    string // that the command changes
		takes    string // that the undo command takes back
		undo     []string
		outcome  Outcome
		state    string
		versions string
		log      string
		seen     string // what the report says of the ConfigMap with undo: false
	}{
		"the run takes it back": {names: "seen data web", outcome: RolloutFailed,
			state:    "thing/web is back at the previous version; configmap/data, configmap/seen are left as this run wrote it, as asked (verified)",
			versions: "data=2 seen=2 web=1", log: "deploy seen, deploy data, deploy web, undo web", seen: "kept"},
		"a command takes it back": {names: "seen data web", takes: "web", undo: []string{"rollback"}, outcome: RolloutFailed,
			state: "are left as this run wrote it, as asked (verified)", versions: "data=2 seen=2 web=1", log: "deploy seen, deploy data, deploy web, rollback web", seen: "kept"},
		"a command takes all back": {names: "seen web", takes: "seen web", undo: []string{"rollback"}, outcome: RolloutFailed,
			state: "thing/web, configmap/seen are back at the previous version (verified)", versions: "data=0 seen=1 web=1", seen: "restored"},
		"a command takes nothing back": {names: "seen web", undo: []string{"idle"}, outcome: UndoBroken,
			state: "not everything is as it was before: thing/web differs in spec.version", versions: "data=0 seen=2 web=2", seen: "kept"},
		"the undo command fails": {names: "seen data web", undo: []string{"fail"}, outcome: UndoBroken,
			state: "configmap/data, configmap/seen are left as this run wrote it", versions: "data=2 seen=2 web=1", seen: "kept"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := staying()
				g := wrapped(w)
				g.UndoCommand = c.undo
				g.RunCommand = func(ctx context.Context, argv, env []string, line func(string)) (int, error) {
					names := c.names
					if argv[0] == "rollback" {
						names = c.takes
					}
					return w.deploys(2*time.Second, strings.Fields(names)...)(ctx, argv, env, line)
				}
				r, _ := g.Wrap(t.Context(), commandOn("deploy", "seen", "data", "web"))
				check(t, r, w, c.outcome, c.state, c.versions)
				if c.log != "" && w.history() != c.log {
					t.Errorf("written: %s, want %s", w.history(), c.log)
				}
				for _, o := range r.Undo.Objects {
					if o.Object.Name == "seen" && (o.Action != c.seen || o.Result != "ok") {
						t.Errorf("of the ConfigMap: %s %s, want %s", o.Action, o.Result, c.seen)
					}
				}
			})
		})
	}
}

// TestWrapAllStays: a command that would take back only what is to stay is not asked.
func TestWrapAllStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(bad("web", stalls(time.Second)))
		w.objects["web"].notes = map[string]string{UndoAnnotation: "false"}
		g := wrapped(w, "web")
		g.UndoCommand = []string{"rollback"}
		r, _ := g.Wrap(t.Context(), commandOn("deploy", "web"))
		check(t, r, w, NotUndone, "thing/web is left as this run wrote it, as asked (skipped)", "web=2")
		if w.history() != "deploy web" {
			t.Errorf("written: %s", w.history())
		}
	})
}

// TestWrapStaysOnRecord: what is to stay is on record before the command, as far as it was known then, and after it.
func TestWrapStaysOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := staying()
		w.objects["web"].behaves[2] = becomesReady(time.Second)
		w.objects["seen"].notes, w.objects["seen"].dress = nil, func(u *unstructured.Unstructured, _ int) {
			u.SetAnnotations(map[string]string{UndoAnnotation: "false"})
		}
		b := newBooks(w)
		g := kept(b)
		var during record.Record
		g.RunCommand = func(ctx context.Context, argv, env []string, line func(string)) (int, error) {
			during, _ = b.LoadRecord(ctx, "shop", strings.TrimPrefix(env[0], "ROLLOUTGATE_RUN="))
			return w.deploys(2*time.Second, "seen", "data", "web")(ctx, argv, env, line)
		}
		if r, err := g.Wrap(t.Context(), commandOn("deploy", "seen", "data", "web")); err != nil || r.Exit.Code != 0 {
			t.Fatalf("%v, %+v", err, r.Exit)
		}
		if o := during.Options; len(o) != 1 || o[0].Object.Name != "seen" || !o[0].NoUndo {
			t.Errorf("on record before the command: %+v", o)
		}
		r, err := kept(b).Undo(t.Context(), Which{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, r, w, Passed, "are left as this run wrote it, as asked (verified)", "data=2 seen=2 web=1")
	})
}

// TestWrapAnew: what the command has written decides, and not what an object had said before.
func TestWrapAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(bad("web", stalls(time.Second)))
		w.objects["web"].dress = func(u *unstructured.Unstructured, version int) {
			if version == 1 {
				u.SetAnnotations(map[string]string{UndoAnnotation: "false", WaitAnnotation: "false"})
			}
		}
		r, _ := wrapped(w, "web").Wrap(t.Context(), commandOn("deploy", "web"))
		check(t, r, w, RolloutFailed, "thing/web is back at the previous version (verified)", "web=1")
	})
}

// TestWrapKilledStays: of what a killed command has created, its own annotations say whether it stays.
func TestWrapKilledStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := staying()
		b := newBooks(w)
		b.diesWithCommand("DEAD", "data")
		w.objects["data"].version, w.objects["data"].at = 2, time.Now()
		r, _ := kept(b).Undo(t.Context(), Which{})
		check(t, r, w, Passed, "configmap/data is left as this run wrote it", "data=2 seen=1 web=1")
	})
}
