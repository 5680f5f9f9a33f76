package gate

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// job is a Job of the world that ends as a behaviour says; ran says that there is one of an earlier run.
func job(name string, b behaviour, ran bool) *thing {
	return &thing{name: name, kind: "Job", existed: ran, behaves: map[int]behaviour{2: b}}
}

// released are the objects of a release, as NAME or NAME@HOOK[:POLICY], in their order.
func (w *world) released(names ...string) []manifest.Object {
	var all []manifest.Object
	for _, text := range names {
		name, hook, isHook := strings.Cut(text, "@")
		o := w.manifests(name)[0]
		if stage, staged := strings.CutPrefix(hook, "stage "); staged {
			o.SetAnnotations(map[string]string{"rolloutgate.dev/stage": stage})
		} else if isHook {
			hook, policy, _ := strings.Cut(hook, ":")
			annotations := map[string]string{"helm.sh/hook": hook}
			if policy != "" {
				annotations["helm.sh/hook-delete-policy"] = policy
			}
			o.SetAnnotations(annotations)
		}
		all = append(all, o)
	}
	return all
}

// TestHooks: what is written when, and what becomes of it.
func TestHooks(t *testing.T) {
	soon := becomesReady(2 * time.Second)
	fails := stalls(2 * time.Second)
	for name, c := range map[string]struct {
		things   []*thing
		objects  string // with commas
		gate     func(*Gate)
		world    func(*world)
		outcome  Outcome
		state    string
		log      string
		versions string
		note     string
	}{
		"a migration before": {
			things: []*thing{good("web"), job("migrate", soon, false)}, objects: "web,migrate@pre-upgrade",
			outcome: Passed, state: "thing/web, job/migrate are complete", log: "write migrate, write web", versions: "migrate=2 web=2",
		},
		"one of an earlier run": {
			things: []*thing{good("web"), job("migrate", soon, true)}, objects: "web,migrate@pre-upgrade",
			outcome: Passed, log: "remove migrate, write migrate, write web", versions: "migrate=2 web=2",
			note: "job/migrate: the one of an earlier run is deleted first, and an undo does not bring it back",
		},
		"one that stays and would not run": {
			things: []*thing{good("web"), job("migrate", soon, true)}, objects: "web,migrate@pre-upgrade:hook-succeeded",
			outcome: Refused, state: nothingChanged, versions: "migrate=1 web=1",
		},
		"a migration that fails": {
			things: []*thing{good("web"), job("migrate", fails, false)}, objects: "web,migrate@pre-upgrade",
			outcome: RolloutFailed, state: "job/migrate is removed again (verified)", log: "write migrate, undo migrate", versions: "migrate=0 web=1",
			note: "job/migrate has run: what it has done stays, an undo takes back objects only",
		},
		"a release that fails after it": {
			things: []*thing{bad("web", fails), job("migrate", soon, true)}, objects: "web,migrate@pre-upgrade",
			outcome: RolloutFailed, log: "remove migrate, write migrate, write web, undo web, undo migrate", versions: "migrate=0 web=1",
		},
		"deleted when it has succeeded": {
			things: []*thing{good("web"), job("migrate", soon, false)}, objects: "web,migrate@pre-upgrade:hook-succeeded",
			outcome: Passed, log: "write migrate, remove migrate, write web", versions: "migrate=0 web=2",
		},
		"deleted, and then the release fails": {
			things: []*thing{bad("web", fails), job("migrate", soon, false)}, objects: "web,migrate@pre-upgrade:hook-succeeded",
			outcome: RolloutFailed, state: "thing/web is back at the previous version (verified)", log: "write migrate, remove migrate, write web, undo web", versions: "migrate=0 web=1",
			note: "job/migrate has run: what it has done stays",
		},
		"one that cannot be deleted": {
			things: []*thing{good("web"), job("migrate", soon, false)}, objects: "web,migrate@pre-upgrade:hook-succeeded",
			world: func(w *world) { w.fault = on("remove migrate", fault{err: errRefused}) }, outcome: Passed,
			log: "write migrate, write web", versions: "migrate=2 web=2", note: "job/migrate has ended and could not be deleted: ",
		},
		"one that cannot be replaced": {
			things: []*thing{good("web"), job("migrate", soon, true)}, objects: "web,migrate@pre-upgrade",
			world: func(w *world) { w.fault = on("remove migrate", fault{err: errRefused}) }, outcome: Denied, state: nothingChanged,
			versions: "migrate=1 web=1",
		},
		"another one has its name by then": {
			things: []*thing{good("web"), job("first", soon, false), job("migrate", soon, true)}, objects: "web,first@pre-upgrade,migrate@pre-upgrade",
			world: func(w *world) {
				w.onWrite = func(_ int, what string) {
					if what == "write first" {
						w.objects["migrate"].made++
					}
				}
			},
			outcome: RolloutFailed, log: "write first, undo first", versions: "first=0 migrate=1 web=1",
		},
		"left when it fails and nothing is undone": {
			things: []*thing{good("web"), job("migrate", fails, false)}, objects: "web,migrate@pre-upgrade",
			gate: func(g *Gate) { g.NeverUndo = true }, outcome: NotUndone, log: "write migrate", versions: "migrate=2 web=1",
		},
		"deleted when it has failed": {
			things: []*thing{good("web"), job("migrate", fails, false)}, objects: "web,migrate@pre-upgrade:hook-failed",
			gate: func(g *Gate) { g.NeverUndo = true }, outcome: NotUndone, log: "write migrate, remove migrate", versions: "migrate=0 web=1",
		},
		"a first install": {
			things: []*thing{created("web", soon), job("make", soon, false), job("migrate", soon, false)}, objects: "web,make@pre-install,migrate@pre-upgrade",
			outcome: Passed, log: "write make, write web", note: "job/migrate (deploy.yaml:1): left out: it is a Helm hook (pre-upgrade), which runs at an upgrade",
		},
		"after the release": {
			things: []*thing{good("web"), job("warm", soon, false)}, objects: "warm@post-upgrade,web", outcome: Passed, log: "write web, write warm",
		},
		"a bad one after it": {
			things: []*thing{good("web"), job("warm", fails, false)}, objects: "warm@post-upgrade,web", outcome: RolloutFailed,
			log: "write web, write warm, undo warm, undo web", versions: "warm=0 web=1",
		},
		"stages of our own": {
			things: []*thing{good("a"), good("b"), good("c")}, objects: "a@stage 1,b@stage -1,c", outcome: Passed, log: "write b, write c, write a",
		},
		"nothing to change in two stages": {
			things: []*thing{{name: "a", same: true}, {name: "b", same: true}}, objects: "a,b@stage 1", outcome: Passed, state: "healthy, nothing to change",
			versions: "a=1 b=1",
		},
		"left in the middle": {
			things: []*thing{bad("web", fails), job("warm", soon, false)}, objects: "warm@post-upgrade,web", gate: func(g *Gate) { g.NeverUndo = true },
			outcome: NotUndone, log: "write web", note: "stage after: post-upgrade was not begun: it is no part of what was left",
		},
		"a test that nobody asked for": {
			things: []*thing{good("web"), job("test", fails, false)}, objects: "web,test@test", outcome: Passed, log: "write web",
		},
		"a test": {
			things: []*thing{good("web"), job("test", soon, false)}, objects: "test@test,web", gate: func(g *Gate) { g.Delivery.HelmTests = true },
			outcome: Passed, log: "write web, write test",
		},
		"a test that fails": {
			things: []*thing{good("web"), job("test", fails, false)}, objects: "test@test,web", gate: func(g *Gate) { g.Delivery.HelmTests = true },
			outcome: RolloutFailed, log: "write web, write test, undo test, undo web", versions: "test=0 web=1",
		},
		"a pod that is ready has not ended": {
			things: []*thing{good("web"), {name: "check", kind: "Pod", behaves: map[int]behaviour{}}}, objects: "check@test,web",
			gate: func(g *Gate) { g.Delivery.HelmTests = true }, outcome: TimedOut, log: "write web, write check, undo check, undo web",
		},
		"only hooks that do not run": {
			things: []*thing{job("test", soon, false)}, objects: "test@test", outcome: Invalid, state: nothingChanged,
		},
		"a circle": {
			things: []*thing{good("web"), good("db")}, objects: "web@nothing,db", outcome: Invalid, state: nothingChanged,
		},
		"removed by its time to live": {
			things: []*thing{bad("web", becomesReady(10*time.Second)), job("migrate", soon, false)}, objects: "web,migrate@pre-upgrade",
			world: func(w *world) {
				w.onWrite = func(_ int, what string) {
					if what == "write web" {
						w.objects["migrate"].gone = true
					}
				}
			},
			outcome: Passed, state: "thing/web, job/migrate are complete", log: "write migrate, write web",
		},
		"no answer about what is there": {
			things: []*thing{good("web"), job("migrate", soon, false)}, objects: "web,migrate@pre-upgrade",
			world: func(w *world) { w.existErr = errRefused }, outcome: Denied, state: nothingChanged,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.things...)
				g := gated(w)
				if c.gate != nil {
					c.gate(&g)
				}
				if c.world != nil {
					c.world(w)
				}
				report, err := g.Run(t.Context(), w.released(strings.Split(c.objects, ",")...))
				check(t, report, w, c.outcome, c.state, c.versions)
				if w.history() != c.log {
					t.Errorf("wrote %s, want %s", w.history(), c.log)
				}
				if c.note != "" && !slices.ContainsFunc(report.Notes, func(n string) bool { return strings.Contains(n, c.note) }) {
					t.Errorf("notes %q, want %q (%v)", report.Notes, c.note, err)
				}
			})
		})
	}
}

// TestResumeWithHooks: a hook that has run is not run again by who goes on with its run, and one that was begun is awaited.
func TestResumeWithHooks(t *testing.T) {
	for name, c := range map[string]struct {
		policy  string
		passed  bool // its stage
		begun   bool
		job     behaviour
		outcome Outcome
		log     string
	}{
		"it has run":                  {passed: true, begun: true, job: becomesReady(time.Second), outcome: Passed, log: "write web"},
		"it has run and is gone":      {policy: "hook-succeeded", passed: true, job: becomesReady(time.Second), outcome: Passed, log: "write web"},
		"it has run and is to go":     {policy: "hook-succeeded", passed: true, begun: true, job: becomesReady(time.Second), outcome: Passed, log: "remove migrate, write web"},
		"it was begun":                {begun: true, job: becomesReady(time.Second), outcome: Passed, log: "write web"},
		"it was begun, to be deleted": {policy: "hook-succeeded", begun: true, job: becomesReady(time.Second), outcome: Passed, log: "remove migrate, write web"},
		"it was begun, and fails":     {begun: true, job: stalls(time.Second), outcome: RolloutFailed, log: "undo migrate"},
		"it was not begun":            {job: becomesReady(time.Second), outcome: Passed, log: "write migrate, write web"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				migrate := "migrate@pre-upgrade"
				if c.policy != "" {
					migrate += ":" + c.policy
				}
				w := newWorld(good("web"), job("migrate", c.job, false))
				b := newBooks(w)
				b.diesWithHooks(t, c.passed, "web", migrate)
				if c.begun {
					w.objects["migrate"].version, w.objects["migrate"].at, w.objects["migrate"].made = 2, time.Now(), 1
				}
				r, err := kept(b).Resume(t.Context(), Which{})
				if err != nil || r.Exit.Code != c.outcome.Code() || w.history() != c.log {
					t.Errorf("exit %d %q %v, wrote %s, want %s", r.Exit.Code, r.Exit.State, err, w.history(), c.log)
				}
				if c.outcome == Passed && w.versions() != "migrate=2 web=2" && c.policy == "" {
					t.Errorf("left %s", w.versions())
				}
			})
		})
	}
}

// diesWithHooks leaves the record of a run that was killed, and what its first stage says of itself.
func (b *books) diesWithHooks(t *testing.T, passed bool, objects ...string) {
	t.Helper()
	r := kept(b).begin(t.Context(), "run")
	r.report.Run.ID = "DEAD"
	there, err := r.arrange(b.w.released(objects...))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := b.w.Plan(t.Context(), there)
	if err != nil {
		t.Fatal(err)
	}
	stages, err := r.stagesOf(plan)
	if err != nil {
		t.Fatal(err)
	}
	r.stages = onRecord(stages)
	r.stages[0].Passed = passed
	if err := b.SaveRecord(t.Context(), r.record(record.Running)); err != nil {
		t.Fatal(err)
	}
	r.course.stop()
	b.w.log = nil
}

// TestTakenOverWithHooks: another run begins the hooks anew, and puts back what the dead one has left.
func TestTakenOverWithHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(bad("web", stalls(time.Second)), job("migrate", becomesReady(time.Second), false))
		b := newBooks(w)
		b.dies("DEAD", 2, "migrate", "web")
		r, err := kept(b).Run(t.Context(), w.released("web", "migrate@pre-upgrade"))
		if want := "remove migrate, write migrate, write web, undo web, undo migrate"; r.Exit.Code != RolloutFailed.Code() || w.history() != want {
			t.Errorf("exit %d %q %v, wrote %s, want %s", r.Exit.Code, r.Exit.State, err, w.history(), want)
		}
		if w.versions() != "migrate=0 web=1" {
			t.Errorf("left %s", w.versions())
		}
	})
}

// TestOrderedStages: which of them the criteria judge, and what they are called.
func TestOrderedStages(t *testing.T) {
	for name, c := range map[string]struct {
		objects string
		canary  string
		want    string // the names, with a star where the criteria judge
	}{
		"one group":               {"web", "", "all*"},
		"one group, with canary":  {"web", "50%", "canary 50%* promote*"},
		"hooks around":            {"web,migrate@pre-upgrade,warm@post-upgrade", "", "before: pre-upgrade; main*; after: post-upgrade"},
		"waves":                   {"web,db@stage -1", "", "stage -1; main*"},
		"a canary in a wave":      {"web,db@stage -1", "50%", "stage -1: canary 50%*; stage -1: promote; main: canary 50%*; main: promote*"},
		"only hooks":              {"migrate@pre-install", "", "all*"},
		"only hooks, two of them": {"migrate@pre-install,warm@post-install", "", "before: pre-install; after: post-install*"},
		"a test":                  {"web,warm@test", "", "main*; test"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(good("web"), good("db"), job("migrate", never, false), job("warm", never, false))
			g := gated(w)
			g.Delivery.HelmTests = true
			g.Criteria = []analysis.Criterion{{Name: "errors"}}
			if c.canary != "" {
				g.Planners = []Planner{{Name: "few", Stages: func(p patch.Plan) ([]Stage, error) {
					if p.Writes[0].Hook {
						return nil, nil
					}
					return []Stage{{Name: "canary " + c.canary, Writes: p.Writes, Judge: true}, {Name: "promote", Judge: true}}, nil
				}}}
			}
			r := g.withDefaults().begin(t.Context(), "run")
			defer r.course.stop()
			there, err := r.arrange(w.released(strings.Split(c.objects, ",")...))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := w.Plan(t.Context(), there)
			if err != nil {
				t.Fatal(err)
			}
			stages, err := r.stagesOf(plan)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, s := range stages {
				if s.Judge {
					s.Name += "*"
				}
				names = append(names, s.Name)
			}
			separator := "; "
			if !strings.Contains(c.want, ";") {
				separator = " "
			}
			if got := strings.Join(names, separator); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestPlanInStages: a plan says in which stages it would go.
func TestPlanInStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"), job("migrate", never, true))
		report, err := gated(w).Plan(t.Context(), w.released("web", "migrate@pre-upgrade"))
		if want := "it goes out in 2 stages: before: pre-upgrade (job/migrate); main"; err != nil || !slices.Contains(report.Notes, want) || w.history() != "" {
			t.Errorf("notes %q, %v, wrote %s", report.Notes, err, w.history())
		}
		w.existErr = errLost
		if report, err = gated(w).Plan(t.Context(), w.released("web", "migrate@pre-upgrade")); err == nil || report.Exit.Code != Retry.Code() {
			t.Errorf("exit %d, %v", report.Exit.Code, err)
		}
	})
}

// TestGeneratedNames: a hook gets its name before it is written, so that its record tells it.
func TestGeneratedNames(t *testing.T) {
	o := newWorld(job("x", never, false)).manifests("x")[0]
	o.SetName("")
	o.SetGenerateName(strings.Repeat("migrate-", 10))
	given := o.Unstructured
	giveName(&o)
	if len(o.GetName()) != 63 || o.GetGenerateName() != "" || !strings.HasPrefix(o.GetName(), "migrate-migrate-") || given.GetName() != "" {
		t.Errorf("got %q of %q", o.GetName(), given.GetGenerateName())
	}
}
