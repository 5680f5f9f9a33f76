package gate

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// byJobs are stages of the first object, as many as the delivery has parts, and one of all; with none of them there is
// nothing to stage.
func byJobs(d Delivery, none bool) Planner {
	return Planner{Name: "by jobs", Stages: func(p patch.Plan) ([]Stage, error) {
		if none {
			return nil, nil
		}
		var all []Stage
		for n, part := range d.Parts {
			s := Stage{Name: "canary " + part.Canary.String(), Test: part.Test, Hold: part.Hold, Approval: part.Approval, Judge: true}
			if n == 0 {
				s.Writes = p.Writes
			}
			all = append(all, s)
		}
		return append(all, Stage{Name: "promote", Judge: true}), nil
	}}
}

// smoke is a delivery by so many parts that are tested by the same Jobs.
func (w *world) smoke(parts int, names ...string) Delivery {
	var d Delivery
	for n := range parts {
		d.Parts = append(d.Parts, Part{Canary: Share{Pods: int32(n + 1)}, Hold: 10 * time.Second, Test: &Test{Job: "smoke.yaml", Objects: w.manifests(names...)}})
	}
	return d
}

// TestStageTestedByJobs: the Jobs are written when all is where it should be, are waited for before the hold, and go when
// they have passed.
func TestStageTestedByJobs(t *testing.T) {
	soon, fails := becomesReady(2*time.Second), stalls(2*time.Second)
	for name, c := range map[string]struct {
		things   []*thing
		tests    string
		parts    int
		none     bool
		outcome  Outcome
		state    string
		log      string
		versions string
		stages   string
	}{
		"it passes": {
			things: []*thing{good("web"), job("smoke", soon, false)}, tests: "smoke", parts: 1, outcome: Passed, log: "write web, write smoke, remove smoke",
			versions: "smoke=0 web=2", stages: "canary 1; test of canary 1: hold; promote",
		},
		"it fails": {
			things: []*thing{good("web"), job("smoke", fails, false)}, tests: "smoke", parts: 1, outcome: RolloutFailed, log: "write web, write smoke, undo smoke, undo web",
			state: "job/smoke is removed again (verified)", versions: "smoke=0 web=1", stages: "canary 1; test of canary 1",
		},
		"the release breaks before it": {
			things: []*thing{bad("web", fails), job("smoke", soon, false)}, tests: "smoke", parts: 1, outcome: RolloutFailed, log: "write web, undo web",
			versions: "smoke=0 web=1", stages: "canary 1",
		},
		"one of an earlier run": {
			things: []*thing{good("web"), job("smoke", soon, true)}, tests: "smoke", parts: 1, outcome: Passed, log: "write web, remove smoke, write smoke, remove smoke",
			versions: "smoke=0 web=2", stages: "canary 1; test of canary 1: hold; promote",
		},
		"two of them": {
			things: []*thing{good("web"), job("smoke", soon, false), job("load", soon, false)}, tests: "smoke,load", parts: 1, outcome: Passed,
			log: "write web, write smoke, write load, remove smoke, remove load", versions: "load=0 smoke=0 web=2", stages: "canary 1; test of canary 1: hold; promote",
		},
		"the same one in two stages": {
			things: []*thing{good("web"), job("smoke", soon, false), job("smoke-2", fails, false)}, tests: "smoke", parts: 2, outcome: RolloutFailed,
			log: "write web, write smoke, remove smoke, write smoke-2, undo smoke-2, undo web", versions: "smoke-2=0 smoke=0 web=1",
			stages: "canary 1; test of canary 1: hold; canary 2; test of canary 2",
		},
		"nothing that could be tested": {
			things: []*thing{good("web"), job("smoke", fails, false)}, tests: "smoke", parts: 1, none: true, outcome: Passed, log: "write web", versions: "smoke=0 web=2",
		},
		"nothing to change": {
			things: []*thing{{name: "web", same: true}, job("smoke", fails, false)}, tests: "smoke", parts: 1, none: true, outcome: Passed,
			state: "healthy, nothing to change", versions: "smoke=0 web=1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.things...)
				g := gated(w)
				g.Delivery = w.smoke(c.parts, strings.Split(c.tests, ",")...)
				g.Planners = []Planner{byJobs(g.Delivery, c.none)}
				var stages []string
				g.Progress = func(e Event) {
					switch p, _ := e.Payload.(Step); {
					case p.Name == StepApply && p.Stage != "":
						stages = append(stages, p.Stage)
					case p.Name == StepHold:
						stages[len(stages)-1] += ": hold"
					}
				}
				report, err := g.Run(t.Context(), w.manifests("web"))
				check(t, report, w, c.outcome, c.state, c.versions)
				if w.history() != c.log {
					t.Errorf("wrote %s, want %s (%v)", w.history(), c.log, err)
				}
				if got := strings.Join(stages, "; "); got != c.stages {
					t.Errorf("stages %s, want %s", got, c.stages)
				}
				planned := slices.ContainsFunc(report.Changes, func(c Change) bool { return c.Object.Kind == "Job" })
				if planned != !c.none {
					t.Errorf("changes %v", report.Changes)
				}
			})
		})
	}
}

// TestPlanWithJobs: a plan names the Jobs of tests, and counts them to none of the release.
func TestPlanWithJobs(t *testing.T) {
	w := newWorld(good("web"), job("smoke", never, false))
	g := gated(w)
	g.Delivery = w.smoke(1, "smoke")
	g.Planners = []Planner{byJobs(g.Delivery, false)}
	r, err := g.Plan(t.Context(), w.manifests("web"))
	if err != nil || r.Exit.State != "nothing was changed: 0 to create, 1 to change, 0 as they are" || w.history() != "" {
		t.Errorf("%q, %v, wrote %s", r.Exit.State, err, w.history())
	}
	want := "it goes out in 3 stages: canary 1; test of canary 1 (job/smoke), held for 10s; promote; they are held for 10s altogether"
	if !slices.Contains(r.Notes, want) {
		t.Errorf("notes %q", r.Notes)
	}
}

// TestResumeTestedByJobs: a test that was begun is awaited, and one that has passed is not begun again.
func TestResumeTestedByJobs(t *testing.T) {
	for name, c := range map[string]struct {
		passed  int // stages
		begun   bool
		job     behaviour
		outcome Outcome
		log     string
	}{
		"before it":              {passed: 1, job: becomesReady(time.Second), outcome: Passed, log: "write web, write smoke, remove smoke"},
		"in it":                  {passed: 1, begun: true, job: becomesReady(time.Second), outcome: Passed, log: "write web, remove smoke"},
		"in it, and it fails":    {passed: 1, begun: true, job: stalls(time.Second), outcome: RolloutFailed, log: "write web, undo smoke, undo web"},
		"after it":               {passed: 2, job: becomesReady(time.Second), outcome: Passed, log: "write web"},
		"after it, not yet gone": {passed: 2, begun: true, job: becomesReady(time.Second), outcome: Passed, log: "write web, remove smoke"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"), job("smoke", c.job, false))
				b := newBooks(w)
				g := kept(b)
				g.Delivery = w.smoke(1, "smoke")
				g.Planners = []Planner{byJobs(g.Delivery, false)}
				r := g.begin(t.Context(), "run")
				r.report.Run.ID = "DEAD"
				there, err := r.arrange(w.manifests("web"))
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
				r.stages = onRecord(stages)
				for n := range c.passed {
					r.stages[n].Passed = true
				}
				if err := b.SaveRecord(t.Context(), r.record(record.Running)); err != nil {
					t.Fatal(err)
				}
				r.course.stop()
				w.log = nil
				w.objects["web"].version, w.objects["web"].at = 2, time.Now().Add(-time.Minute)
				if c.begun {
					w.objects["smoke"].version, w.objects["smoke"].at, w.objects["smoke"].made = 2, time.Now(), 1
				}
				again := kept(b).begin(t.Context(), "resume")
				found, err := again.find(Which{})
				if err != nil {
					t.Fatal(err)
				}
				if err := again.goesOn(found); err != nil {
					t.Fatal(err)
				}
				again.g.Planners = []Planner{byJobs(again.g.Delivery, false)}
				report, err := again.carryOut(manifestsOf(found))
				if err != nil || report.Exit.Code != c.outcome.Code() || w.history() != c.log {
					t.Errorf("exit %d %q %v, wrote %s, want %s", report.Exit.Code, report.Exit.State, err, w.history(), c.log)
				}
			})
		})
	}
}

// TestNumbered: names stay names of Jobs.
func TestNumbered(t *testing.T) {
	for name, want := range map[string]string{
		"smoke":                         "smoke-2",
		strings.Repeat("a", 63):         strings.Repeat("a", 61) + "-2",
		strings.Repeat("a", 60) + "-bc": strings.Repeat("a", 60) + "-2",
	} {
		if got := numbered(name, 2); got != want {
			t.Errorf("%s becomes %s", name, got)
		}
	}
}

// TestJobsTwice: what waits for something else has stages of its own, and a Job is written once in a run.
func TestJobsTwice(t *testing.T) {
	w := newWorld(good("web"), good("db"), job("smoke", never, false))
	g := gated(w)
	g.Delivery = w.smoke(1, "smoke")
	g.Planners = []Planner{byJobs(g.Delivery, false)}
	r, err := g.Plan(t.Context(), w.released("web", "db@stage -1"))
	if r.Exit.Code != Refused.Code() || err == nil || !strings.Contains(err.Error(), "are tested by the same Jobs of smoke.yaml") {
		t.Errorf("exit %d, %v", r.Exit.Code, err)
	}
}

// TestTakenOverWithTest: what has tested a stage of a dead run says nothing about the run that takes it over.
func TestTakenOverWithTest(t *testing.T) {
	for name, c := range map[string]struct {
		web     behaviour
		outcome Outcome
		log     string
	}{
		"good": {becomesReady(time.Second), Passed, "write web"},
		"bad":  {stalls(time.Second), RolloutFailed, "write web, undo web, undo smoke"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(bad("web", c.web), job("smoke", stalls(time.Second), false))
				b := newBooks(w)
				b.dies("DEAD", 2, "web", "smoke")
				u, err := b.LoadRecord(t.Context(), "shop", "DEAD")
				if err != nil {
					t.Fatal(err)
				}
				for i := range u.Stages[0].Writes {
					if w := &u.Stages[0].Writes[i]; w.Ref.Name == "smoke" {
						w.Hook, w.Test = true, 1
					}
				}
				if err := b.SaveRecord(t.Context(), u); err != nil {
					t.Fatal(err)
				}
				r, err := kept(b).Run(t.Context(), w.manifests("web"))
				if r.Exit.Code != c.outcome.Code() || w.history() != c.log {
					t.Errorf("exit %d %q %v, wrote %s, want %s", r.Exit.Code, r.Exit.State, err, w.history(), c.log)
				}
			})
		})
	}
}
