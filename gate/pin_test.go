package gate

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

const (
	toOld = "pin apart to OLD, pin svc to OLD"
	toNew = "pin apart to NEW, pin svc to NEW"
)

// TestBlueGreenRuns: what a run writes, in which order, and what it leaves, whenever the new pods turn out to be bad.
func TestBlueGreenRuns(t *testing.T) {
	const before = "web=1 apart:80 svc:80"
	for name, c := range map[string]struct {
		breaks     string
		gate       func(*Gate)
		storefront func(*storefront)
		outcome    Outcome
		state      string
		log        string
		left       string
	}{
		"good": {
			outcome: Passed, state: "deployment/web is complete",
			log: toOld + ", web beside, " + toNew + ", web, undo apart, undo svc", left: "web=2 apart:80 svc:80",
		},
		"a Service of the same release": {
			storefront: func(f *storefront) { f.changed = []string{"svc"} }, outcome: Passed,
			log: toOld + ", web beside, " + toNew + ", web, undo apart, svc", left: "web=2 apart:80 svc:81",
		},
		"bad in the preview": {
			breaks: "beside", outcome: RolloutFailed, state: "are back at the previous version (verified)",
			log: toOld + ", web beside, undo web, undo svc, undo apart", left: before,
		},
		"bad in the switch": {
			breaks: "switch", outcome: RolloutFailed, state: "are back at the previous version (verified)",
			log: toOld + ", web beside, " + toNew + ", " + toOld + ", undo web, undo svc, undo apart", left: before,
		},
		"bad in the switch, a Service of the same release": {
			breaks: "switch", storefront: func(f *storefront) { f.changed = []string{"svc"} }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", " + toOld + ", undo web, undo svc, undo apart", left: before,
		},
		"bad in the promotion": { // there are no old pods behind a pin any more
			breaks: "promote", outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", web, undo svc, undo apart, undo web", left: before,
		},
		"bad at the end": {
			breaks: "unpin", outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", web, undo apart, undo svc, undo web", left: before,
		},
		"bad at the end, a Service of the same release": {
			breaks: "unpin", storefront: func(f *storefront) { f.changed = []string{"svc"} }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", web, undo apart, svc, undo svc, undo web", left: before,
		},
		"nothing is undone": {
			breaks: "switch", gate: func(g *Gate) { g.NeverUndo = true }, outcome: NotUndone,
			log: toOld + ", web beside, " + toNew, left: "web=2 beside apart:80@NEW svc:80@NEW",
		},
		"new pods nobody makes": {
			storefront: func(f *storefront) { f.unmade = true }, outcome: RolloutFailed,
			log: toOld + ", web beside, undo web, undo svc, undo apart", left: before,
		},
		"no answer at the switch": {
			storefront: func(f *storefront) { f.troubled("web beside", errRefused, 20*time.Second) }, outcome: RolloutFailed, log: toOld + ", web beside, undo svc, undo apart, undo web", left: before,
		},
		"a Service that cannot be written": {
			storefront: func(f *storefront) { f.fault = on("pin svc to NEW", fault{err: errRefused}) }, outcome: RolloutFailed,
			log: toOld + ", web beside, pin apart to NEW, pin apart to OLD, undo web, undo apart, undo svc", left: before,
		},
		"a Service whose answer is lost": {
			storefront: func(f *storefront) { f.fault = on("pin svc to NEW", fault{err: errLost, done: true}) }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", pin apart to OLD, undo svc, undo web, undo apart", left: before,
		},
		"a Service that cannot be given back to the old pods": { // its new pods must not go before it is back
			breaks: "switch", storefront: func(f *storefront) { f.fault = again("pin svc to OLD", fault{err: errRefused}) }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", pin apart to OLD, undo apart, undo svc, undo web", left: before,
		},
		"a moment of trouble at the switch": {
			storefront: func(f *storefront) { f.troubled("web beside", errLost, 8*time.Second) }, outcome: Passed,
			log: toOld + ", web beside, " + toNew + ", web, undo apart, undo svc", left: "web=2 apart:80 svc:80",
		},
		"a Service that cannot be unpinned": {
			storefront: func(f *storefront) { f.fault = once("undo apart", fault{err: errRefused}) }, outcome: RolloutFailed,
			log: toOld + ", web beside, " + toNew + ", web, undo svc, undo apart, undo web", left: before,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newStorefront("svc", "apart apart")
				f.breaks = c.breaks
				if c.storefront != nil {
					c.storefront(f)
				}
				g, b := f.gate(t, previewed(0))
				if c.gate != nil {
					c.gate(&g)
				}
				report, _ := g.Run(t.Context(), f.release())
				check(t, report, f.world, c.outcome, c.state, "")
				if f.history() != c.log || f.left() != c.left {
					t.Errorf("wrote %s\nwant  %s\nleft %s, want %s", f.history(), c.log, f.left(), c.left)
				}
				if len(b.leases) != 0 || len(f.outages) > 0 {
					t.Errorf("on record %s, Services without pods: %s", b.states(), f.outages)
				}
			})
		})
	}
}

// again makes every write of a kind but the first go wrong.
func again(what string, f fault) func(int, string) fault {
	seen := 0
	return func(_ int, now string) fault {
		if now == what {
			seen++
		}
		if now != what || seen == 1 {
			return fault{}
		}
		return f
	}
}

// once makes one kind of write go wrong the first time.
func once(what string, f fault) func(int, string) fault {
	over := false
	return func(_ int, now string) fault {
		if now != what || over {
			return fault{}
		}
		over = true
		return f
	}
}

// TestCannotPin: what no revision could tell apart is refused, with a hint, and only for stages that pin.
func TestCannotPin(t *testing.T) {
	for want, change := range map[string]func(*storefront){
		"the traffic of service/svc cannot be given to one revision of deployment/web": func(f *storefront) { f.shared = []string{"svc"} },
		"deployment/web is not complete: 2 of its pods are not of its present version": func(f *storefront) { f.others = 2 },
		"service/svc is pinned to one revision of deployment/web by a run that is not on record": func(f *storefront) {
			unstructured.SetNestedField(f.live["svc"].Object, "GONE", strings.Split(patch.PinPath, ".")...)
		},
	} {
		for d, refused := range map[string]bool{"blue-green": true, "drain": true, "plain": false} {
			synctest.Test(t, func(t *testing.T) {
				f := newStorefront("svc changed")
				change(f)
				g, _ := f.gate(t, map[string]Delivery{"blue-green": previewed(0), "drain": {Drain: true}}[d])
				for command, do := range map[string]func(context.Context, []manifest.Object) (Report, error){"plan": g.Plan, "run": g.Run} {
					report, err := do(t.Context(), f.release())
					switch {
					case !refused && report.Exit.Code != 0:
						t.Errorf("%s, %s: %+v %v", d, command, report.Exit, err)
					case refused && (report.Exit.Code != Refused.Code() || err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "hint:") || f.history() != ""):
						t.Errorf("%s, %s: %+v %v, wrote %s, want %s", d, command, report.Exit, err, f.history(), want)
					}
				}
			})
		}
	}
}

// TestPinThatWouldStay: who may pin a Service and not give it back does not begin.
func TestPinThatWouldStay(t *testing.T) {
	for name, d := range map[string]Delivery{"blue-green": previewed(0), "drain": {Drain: true}} {
		synctest.Test(t, func(t *testing.T) {
			f := newStorefront("svc", "apart apart")
			f.refusesBack = errRefused
			g, _ := f.gate(t, d)
			report, err := g.Run(t.Context(), f.release())
			if report.Exit.Code != Denied.Code() || err == nil || f.history() != "" {
				t.Errorf("%s: %+v %v, wrote %s", name, report.Exit, err, f.history())
			}
		})
	}
}

// TestForgottenPin: a plan says it, and the release gives the Service back.
func TestForgottenPin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStorefront("svc")
		unstructured.SetNestedField(f.live["svc"].Object, "GONE", strings.Split(patch.PinPath, ".")...)
		g, _ := f.gate(t, Delivery{})
		report, err := g.Plan(t.Context(), f.release())
		if err != nil || len(report.Notes) == 0 || !strings.HasPrefix(report.Notes[0], "service/svc sends traffic to the pods of revision GONE alone") {
			t.Errorf("%v, notes %q", err, report.Notes)
		}
		if report, err = g.Run(t.Context(), f.release()); report.Exit.Code != 0 || f.left() != "web=2 svc:80" {
			t.Errorf("%+v %v, left %s", report.Exit, err, f.left())
		}
	})
}

// TestPreviewService: it leads to the new pods before the users do, wherever it comes from.
func TestPreviewService(t *testing.T) {
	for name, c := range map[string]struct {
		storefront func() *storefront
		outcome    Outcome
		breaks     string
		log        string
		left       string
	}{
		"made by the release": {
			func() *storefront { f := newStorefront("svc"); f.creates = []string{"try"}; return f }, Passed, "",
			"pin svc to OLD, web beside, pin try to NEW, pin svc to NEW, web, undo svc, try", "web=2 svc:80 try:80",
		},
		"made by the release, and bad": {
			func() *storefront { f := newStorefront("svc"); f.creates = []string{"try"}; return f }, RolloutFailed, "switch",
			"pin svc to OLD, web beside, pin try to NEW, pin svc to NEW, pin svc to OLD, undo web, undo svc, undo try", "web=1 svc:80",
		},
		"there before": {
			func() *storefront { return newStorefront("svc", "try") }, Passed, "",
			"pin svc to OLD, web beside, pin try to NEW, pin svc to NEW, web, undo svc, undo try", "web=2 svc:80 try:80",
		},
		"of no manifest": {
			func() *storefront { return newStorefront("svc", "try apart") }, Passed, "",
			"pin svc to OLD, web beside, pin try to NEW, pin svc to NEW, web, undo svc, undo try", "web=2 svc:80 try:80",
		},
		"changed": {
			func() *storefront { return newStorefront("svc", "try changed") }, Passed, "",
			"pin svc to OLD, web beside, pin try to NEW, pin svc to NEW, web, undo svc, try", "web=2 svc:80 try:81",
		},
		"missing": {func() *storefront { return newStorefront("svc") }, Refused, "", "", "web=1 svc:80"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := c.storefront()
				f.breaks = c.breaks
				d := previewed(0)
				d.Parts[0].Preview.Service, d.Parts[0].Hold = "try", 5*time.Second
				g, _ := f.gate(t, d)
				report, err := g.Run(t.Context(), f.release())
				check(t, report, f.world, c.outcome, "", "")
				if f.history() != c.log || f.left() != c.left || len(f.outages) > 0 {
					t.Errorf("wrote %s\nwant  %s\nleft %s, want %s; %v", f.history(), c.log, f.left(), c.left, err)
				}
			})
		})
	}
}

// TestDrainRuns: both serve, then the new pods alone, then there are no others.
func TestDrainRuns(t *testing.T) {
	const before = "web=1 apart:80 svc:80"
	for name, c := range map[string]struct {
		services string
		breaks   string
		canary   string
		outcome  Outcome
		log      string
		left     string
	}{
		"good":                     {"svc", "", "", Passed, "web beside, " + toNew + ", web, undo apart, undo svc", "web=2 apart:80 svc:80"},
		"bad beside":               {"svc", "beside", "", RolloutFailed, "web beside, undo web", before},
		"bad alone":                {"svc", "switch", "", RolloutFailed, "web beside, " + toNew + ", " + toOld + ", undo web, undo svc, undo apart", before},
		"bad at the end":           {"svc", "unpin", "", RolloutFailed, "web beside, " + toNew + ", web, undo apart, undo svc, undo web", before},
		"a Service of the release": {"svc changed", "", "", Passed, "web beside, " + toNew + ", web, undo apart, svc", "web=2 apart:80 svc:81"},
		"after a canary":           {"svc changed", "", "1", Passed, "svc, web beside, web beside, " + toNew + ", web, undo apart, svc", "web=2 apart:80 svc:81"},
		"bad after a canary":       {"svc changed", "switch", "1", RolloutFailed, "svc, web beside, web beside, " + toNew + ", pin svc to OLD, pin apart to OLD, undo web, undo apart, undo svc", before},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newStorefront(c.services, "apart apart")
				f.breaks = c.breaks
				d := Delivery{}
				if c.canary != "" {
					d = shares(t, c.canary, 5*time.Second)
				}
				d.Drain = true
				g, b := f.gate(t, d)
				report, err := g.Run(t.Context(), f.release())
				check(t, report, f.world, c.outcome, "", "")
				if f.history() != c.log || f.left() != c.left || len(f.outages) > 0 || len(b.leases) > 0 {
					t.Errorf("wrote %s\nwant  %s\nleft %s, want %s; %v; %v", f.history(), c.log, f.left(), c.left, f.outages, err)
				}
			})
		})
	}
}

// TestTrafficThatHangs: an API server that answers nothing more ends a run within its limits.
func TestTrafficThatHangs(t *testing.T) {
	for name, hangs := range map[string]func(*storefront){
		"before the switch": func(f *storefront) { f.hangs = true },
		"at the end":        func(f *storefront) { f.undoTakes = time.Hour },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newStorefront("svc", "apart apart")
			hangs(f)
			g, _ := f.gate(t, previewed(0))
			began := time.Now()
			report, _ := g.Run(t.Context(), f.release())
			if took := time.Since(began); report.Exit.Code != UndoBroken.Code() || took > leadTime+5*g.UndoTimeout+time.Minute {
				t.Errorf("%s: exit %d %s after %s", name, report.Exit.Code, report.Exit.State, took)
			}
		})
	}
}
