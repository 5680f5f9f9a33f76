package gate

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/readiness"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

func is(value bool) *bool { return &value }

// TestOptionsOf: what is said of an object, by its annotations and by the rows.
func TestOptionsOf(t *testing.T) {
	apps, core := "apps", ""
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	for name, c := range map[string]struct {
		rows        []ObjectRow
		annotations map[string]string
		want        record.Options
		err         string
	}{
		"nothing":                  {},
		"by kind":                  {rows: []ObjectRow{{Kind: "deployment", Wait: is(false)}}, want: record.Options{NoWait: true}},
		"another kind":             {rows: []ObjectRow{{Kind: "Job", Wait: is(false)}}},
		"by group":                 {rows: []ObjectRow{{Kind: "Deployment", Group: &apps, Undo: is(false)}}, want: record.Options{NoUndo: true}},
		"the core group":           {rows: []ObjectRow{{Kind: "Deployment", Group: &core, Undo: is(false)}}},
		"by name":                  {rows: []ObjectRow{{Kind: "Deployment", Name: "web", Timeout: time.Hour}}, want: record.Options{Timeout: time.Hour}},
		"by a part of the name":    {rows: []ObjectRow{{Kind: "Deployment", Name: "w*", Timeout: time.Hour}}, want: record.Options{Timeout: time.Hour}},
		"another name":             {rows: []ObjectRow{{Kind: "Deployment", Name: "we", Timeout: time.Hour}}},
		"another namespace":        {rows: []ObjectRow{{Kind: "Deployment", Namespace: "mall", Timeout: time.Hour}}},
		"no criteria":              {rows: []ObjectRow{{Kind: "Deployment", Criteria: []string{}}}, want: record.Options{Criteria: []string{}}},
		"the first row with it":    {rows: []ObjectRow{{Kind: "Deployment", Name: "web", Wait: is(true)}, {Kind: "Deployment", Wait: is(false), Timeout: time.Hour}}, want: record.Options{Timeout: time.Hour}},
		"its annotations":          {annotations: map[string]string{WaitAnnotation: "false", TimeoutAnnotation: "20m", UndoAnnotation: "false", CriteriaAnnotation: "errors, latency"}, want: record.Options{NoWait: true, Timeout: 20 * time.Minute, NoUndo: true, Criteria: []string{"errors", "latency"}}},
		"its annotation wins":      {rows: []ObjectRow{{Kind: "Deployment", Wait: is(false)}}, annotations: map[string]string{WaitAnnotation: "true"}},
		"judged by nobody":         {annotations: map[string]string{CriteriaAnnotation: ""}, want: record.Options{Criteria: []string{}}},
		"kapp's":                   {annotations: map[string]string{"kapp.k14s.io/disable-wait": ""}, want: record.Options{NoWait: true}},
		"Helm's":                   {annotations: map[string]string{"helm.sh/resource-policy": "keep"}, want: record.Options{KeepCreated: true}},
		"another policy of Helm's": {annotations: map[string]string{"helm.sh/resource-policy": "delete"}},
		"not a duration":           {annotations: map[string]string{TimeoutAnnotation: "soon"}, err: `annotation rolloutgate.dev/timeout: "soon" is not a duration such as 90s or 20m`},
		"not a truth":              {annotations: map[string]string{UndoAnnotation: "never"}, err: `annotation rolloutgate.dev/undo: "never" is not "true" or "false"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := optionsOf(c.rows, web, c.annotations)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("error %v, want %s", err, c.err)
				}
				return
			}
			c.want.Object = web
			if diff := cmp.Diff(c.want, got.Options); diff != "" || err != nil {
				t.Errorf("(-want +got): %v\n%s", err, diff)
			}
			if said := c.want.NoWait || c.want.NoUndo || c.want.KeepCreated || c.want.Timeout > 0 || c.want.Criteria != nil; got.Said() != said {
				t.Errorf("Said is %t", got.Said())
			}
		})
	}
}

// TestTreatedAlone: runs in which something is said of one object.
func TestTreatedAlone(t *testing.T) {
	of := func(name string, row ObjectRow) []ObjectRow {
		row.Kind, row.Name, row.File, row.Line = "Thing", name, "rolloutgate.yaml", 3
		return []ObjectRow{row}
	}
	for name, c := range map[string]struct {
		world    func() *world
		names    string
		rows     []ObjectRow
		outcome  Outcome
		state    string
		versions string
		note     string
		took     time.Duration // at least
	}{
		"not waited for": {
			world: func() *world { return newWorld(good("web"), bad("slow", never)) }, names: "slow web", rows: of("slow", ObjectRow{Wait: is(false)}),
			outcome: Passed, state: "thing/web is complete", versions: "slow=2 web=2", note: "thing/slow is not waited for: rolloutgate.yaml:3",
		},
		"none is waited for": {
			world: func() *world { return newWorld(bad("slow", never)) }, names: "slow", rows: of("*", ObjectRow{Wait: is(false)}),
			outcome: Passed, state: "everything is applied", versions: "slow=2",
		},
		"not waited for, and undone": {
			world: func() *world { return newWorld(bad("web", stalls(time.Second)), bad("slow", never)) }, names: "slow web", rows: of("slow", ObjectRow{Wait: is(false)}),
			outcome: RolloutFailed, state: "verified", versions: "slow=1 web=1",
		},
		"more time than all others": {
			world: func() *world { return newWorld(good("web"), bad("db", becomesReady(3*time.Minute))) }, names: "web db", rows: of("db", ObjectRow{Timeout: 5 * time.Minute}),
			outcome: Passed, state: "complete", versions: "db=2 web=2", note: "thing/db has 5m to be complete: timeout in rolloutgate.yaml:3", took: 3 * time.Minute,
		},
		"the others do not have it": {
			world: func() *world {
				return newWorld(bad("web", becomesReady(2*time.Minute)), bad("db", becomesReady(3*time.Minute)))
			}, names: "web db", rows: of("db", ObjectRow{Timeout: 5 * time.Minute}),
			outcome: TimedOut, state: "verified", versions: "db=1 web=1", took: time.Minute,
		},
		"not even that": {
			world: func() *world { return newWorld(good("web"), bad("db", never)) }, names: "web db", rows: of("db", ObjectRow{Timeout: 5 * time.Minute}),
			outcome: TimedOut, state: "verified", versions: "db=1 web=1", took: 5 * time.Minute,
		},
		"less time": {
			world: func() *world { return newWorld(good("web"), bad("db", becomesReady(50*time.Second))) }, names: "web db", rows: of("db", ObjectRow{Timeout: 10 * time.Second}),
			outcome: TimedOut, state: "verified", versions: "db=1 web=1", took: 10 * time.Second,
		},
		"its undo has that time, too": {
			world: func() *world {
				return newWorld(&thing{name: "db", existed: true, behaves: map[int]behaviour{1: becomesReady(3 * time.Minute), 2: stalls(time.Second)}})
			}, names: "db", rows: of("db", ObjectRow{Timeout: 5 * time.Minute}), outcome: RolloutFailed, state: "verified", versions: "db=1", took: 3 * time.Minute,
		},
		"left in an undo": {
			world: func() *world {
				return newWorld(bad("web", stalls(time.Second)), good("seen"), created("made", becomesReady(0)))
			}, names: "seen made web",
			rows:    append(of("seen", ObjectRow{Undo: is(false)}), of("made", ObjectRow{Undo: is(false)})...),
			outcome: RolloutFailed, state: "thing/web is back at the previous version; thing/made, thing/seen are left as this run wrote it, as asked (verified)", versions: "made=2 seen=2 web=1",
			note: "thing/seen stays as this run writes it, also in an undo: rolloutgate.yaml:3",
		},
		"all are left in an undo": {
			world: func() *world { return newWorld(bad("web", stalls(time.Second))) }, names: "web", rows: of("web", ObjectRow{Undo: is(false)}),
			outcome: NotUndone, state: "thing/web is left as this run wrote it, as asked (skipped)", versions: "web=2",
		},
		"matches nothing": {
			world: func() *world { return newWorld(good("web")) }, names: "web", rows: of("wbe", ObjectRow{Undo: is(false)}),
			outcome: Passed, versions: "web=2", note: "rolloutgate.yaml:3: this entry of objects matches none of the objects of this run",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, began := c.world(), time.Now()
				g := gated(w)
				g.Objects = c.rows
				r, err := g.Run(t.Context(), w.manifests(strings.Fields(c.names)...))
				check(t, r, w, c.outcome, c.state, c.versions)
				if !strings.Contains(strings.Join(r.Notes, "\n"), c.note) {
					t.Errorf("notes %q, want %q (%v)", r.Notes, c.note, err)
				}
				if took := time.Since(began); took < c.took {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// TestExpressions: runs of objects that expressions decide about.
func TestExpressions(t *testing.T) {
	for name, c := range map[string]struct {
		thing   *thing
		e       readiness.Expressions
		outcome Outcome
		code    string
		cause   string // a part
		notes   string
	}{
		"ready": {thing: bad("web", never), e: readiness.Expressions{Ready: `object.status.observedGeneration == 2`}, outcome: Passed,
			notes: "thing/web is judged by ready: object.status.observedGeneration == 2: rolloutgate.yaml:3"},
		"failed at once": {thing: bad("web", never), e: readiness.Expressions{Failed: `object.status.conditions.exists(c, c.message == "starting")`, Message: "object.status.conditions[0].message"},
			outcome: RolloutFailed, code: "CustomFailed", cause: "thing/web has failed: starting"},
		"never ready": {thing: good("web"), e: readiness.Expressions{Ready: `object.status.observedGeneration == 3`}, outcome: TimedOut, code: "CustomNotReady",
			cause: "waiting until object.status.observedGeneration == 3"},
		"what is not there": {thing: good("web"), e: readiness.Expressions{Ready: `object.status.phase == "Up"`}, outcome: TimedOut, code: "CustomNotReady",
			cause: `waiting until object.status.phase == "Up" (ready: no such key: phase)`},
		"only failed, and it is well": {thing: good("web"), e: readiness.Expressions{Failed: `object.status.observedGeneration == 3`}, outcome: Passed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.thing)
				g := gated(w)
				g.Objects = []ObjectRow{{Kind: "Thing", Readiness: c.e, File: "rolloutgate.yaml", Line: 3}}
				r, _ := g.Run(t.Context(), w.manifests("web"))
				if r.Exit.Code != c.outcome.Code() && r.Exit.Code != UndoBroken.Code() || c.outcome == Passed && r.Exit.Code != 0 {
					t.Errorf("%+v", r.Exit)
				}
				if c.code != "" && (len(r.Findings) == 0 || r.Findings[0].Code != c.code || !strings.Contains(r.Findings[0].Cause, c.cause)) {
					t.Errorf("%+v", r.Findings)
				}
				if !strings.Contains(strings.Join(r.Notes, "\n"), c.notes) {
					t.Errorf("notes %q", r.Notes)
				}
			})
		})
	}
}

// TestWrongExpression: it is an error with its place before anything is changed.
func TestWrongExpression(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		objects := w.manifests("web")
		objects[0].SetAnnotations(map[string]string{FailedAnnotation: `status.phase == "Error"`})
		r, err := gated(w).Run(t.Context(), objects)
		check(t, r, w, Invalid, nothingChanged, "web=1")
		if err == nil || !strings.HasPrefix(err.Error(), "deploy.yaml:1: annotation rolloutgate.dev/failed of thing/web: at character 1: there is no status") {
			t.Errorf("%v", err)
		}
	})
}

// TestTimeoutOfOneIsExplained: the finding is about the one whose time was up, and says which time that was.
func TestTimeoutOfOneIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(bad("web", becomesReady(50*time.Second)), bad("db", never))
		w.objects["db"].notes = map[string]string{TimeoutAnnotation: "20s"}
		r, _ := gated(w).Run(t.Context(), w.manifests("web", "db"))
		check(t, r, w, TimedOut, "verified", "db=1 web=1")
		if len(r.Findings) == 0 || r.Findings[0].Workload.Name != "db" {
			t.Errorf("the findings are %+v", r.Findings)
		}
	})
}

// TestKeptByHelm: what a run has created with Helm's policy is not removed again; what it has changed goes back.
func TestKeptByHelm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(created("data", becomesReady(0)), good("more"), bad("web", stalls(time.Second)))
		for _, name := range []string{"data", "more"} {
			w.objects[name].notes = map[string]string{"helm.sh/resource-policy": "keep"}
		}
		r, _ := gated(w).Run(t.Context(), w.manifests("data", "more", "web"))
		check(t, r, w, RolloutFailed, "thing/data is left as this run wrote it", "data=2 more=1 web=1")
	})
}

// TestOptionsOnRecord: whoever puts a killed run back knows what is to stay, and what is not waited for.
func TestOptionsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("seen"), &thing{name: "web", existed: true, behaves: map[int]behaviour{1: never, 2: becomesReady(time.Second)}})
		b := newBooks(w)
		g := kept(b)
		g.Objects = []ObjectRow{{Kind: "Thing", Name: "seen", Undo: is(false)}, {Kind: "Thing", Name: "web", Wait: is(false)}}
		if r, err := g.Run(t.Context(), w.manifests("seen", "web")); r.Exit.Code != 0 {
			t.Fatalf("%+v %v", r.Exit, err)
		}
		time.Sleep(time.Hour)
		r, err := kept(b).Undo(t.Context(), Which{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, r, w, Passed, "thing/web is back at the previous version; thing/seen is left as this run wrote it, as asked (verified)", "seen=2 web=1")
	})
}

// TestCancelledWithOptions: a signal while one has more time than all others.
func TestCancelledWithOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("seen"), bad("db", never))
		g := gated(w)
		g.Objects = []ObjectRow{{Kind: "Thing", Name: "db", Timeout: time.Hour}, {Kind: "Thing", Name: "seen", Undo: is(false)}}
		r, took := signalled(t, g, w.manifests("seen", "db"), sending{10 * time.Minute, syscall.SIGTERM})
		check(t, r, w, Terminated, "thing/db is back", "db=1 seen=2")
		if took > 11*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// TestCriteriaAfterOwnTime: the criteria have their time after the slowest object has had its own.
func TestCriteriaAfterOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"), bad("db", becomesReady(4*time.Minute+50*time.Second)))
		a := &answers{before: 1, after: 1}
		g := judging(t, w, a)
		g.Objects = []ObjectRow{{Kind: "Thing", Name: "db", Timeout: 5 * time.Minute}}
		r, err := g.Run(t.Context(), w.manifests("web", "db"))
		check(t, r, w, Passed, "complete", "db=2 web=2")
		if len(r.Criteria) != 1 || r.Criteria[0].Verdict != analysis.Pass {
			t.Errorf("%+v %v", r.Criteria, err)
		}
	})
}

// TestUnknownCriterion: an object that wants a criterion which there is not is an error at its line.
func TestUnknownCriterion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		g := judging(t, w, &answers{before: 1, after: 1})
		objects := w.manifests("web")
		objects[0].SetAnnotations(map[string]string{CriteriaAnnotation: "querry"})
		r, err := g.Run(t.Context(), objects)
		check(t, r, w, Invalid, nothingChanged, "web=1")
		if err == nil || !strings.Contains(err.Error(), `deploy.yaml:1: annotation rolloutgate.dev/criteria of thing/web: there is no criterion "querry"`) {
			t.Errorf("%v", err)
		}
	})
}
