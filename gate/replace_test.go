package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// agents is a gate that gives a DaemonSet the new version in stages.
func agents(t *testing.T, f *fleet, text string) (Gate, *[]string) {
	g := gated(f.world)
	g.Cluster, g.Delivery = f, shares(t, text, 10*time.Second)
	var told []string
	g.Progress = func(e Event) {
		switch p := e.Payload.(type) {
		case Replaced:
			told = append(told, p.Pod+" on "+p.Node)
		case Trouble:
			told = append(told, "trouble: "+p.Text)
		}
	}
	return g, &told
}

var manifests = []manifest.Object{{Unstructured: agent("v2")}}

// TestReplacing: so many nodes get the new version in each stage and no more, those with the label first, also when the
// watch is behind; what is bad goes back without another deletion.
func TestReplacing(t *testing.T) {
	for name, c := range map[string]struct {
		nodes   int
		shares  string
		prepare func(*fleet)
		outcome Outcome
		left    string
		order   string // of the nodes
		most    int    // nodes at a time that were new, or about to be
		log     string
		told    string
	}{
		"one and three of five": {
			nodes: 5, shares: "1,3", outcome: Passed, left: "v1 0, v2 5, RollingUpdate", order: "n5 n1 n2", most: 3,
			log: "write OnDelete, write OnDelete, write RollingUpdate", told: "agent-5 on n5, agent-1 on n1, agent-2 on n2",
		},
		"a percentage": {
			nodes: 5, shares: "50%", outcome: Passed, left: "v1 0, v2 5, RollingUpdate", order: "n5 n1 n2", most: 3,
			log: "write OnDelete, write RollingUpdate", told: "agent-5 on n5, agent-1 on n1, agent-2 on n2",
		},
		"a bad one": {
			nodes: 5, shares: "2", prepare: func(f *fleet) { f.broken = true }, outcome: TimedOut, left: "v1 5, v2 0, RollingUpdate",
			order: "n5", most: 1, log: "write OnDelete, undo", told: "agent-5 on n5",
		},
		"the nodes are not known": {
			nodes: 5, shares: "1", prepare: func(f *fleet) { f.nodes[4].Labels, f.note = nil, "chosen by name" }, outcome: Passed,
			left: "v1 0, v2 5, RollingUpdate", order: "n1", most: 1, log: "write OnDelete, write RollingUpdate", told: "agent-1 on n1, note: chosen by name",
		},
		"as many at a time as the manifest lets": {
			nodes: 5, shares: "3", prepare: func(f *fleet) { f.atOnce, f.broken = "40%", true }, outcome: TimedOut,
			left: "v1 5, v2 0, RollingUpdate", order: "n5 n1", most: 2, log: "write OnDelete, undo", told: "agent-5 on n5, agent-1 on n1",
		},
		"it may not delete": {
			nodes: 5, shares: "1", prepare: func(f *fleet) { f.replaceErr = errors.New("no right") }, outcome: TimedOut,
			left: "v1 5, v2 0, RollingUpdate", log: "write OnDelete, undo", told: "trouble: no right",
		},
		"it may not read": {
			nodes: 5, shares: "1", prepare: func(f *fleet) { f.nextErr = errors.New("no answer") }, outcome: TimedOut,
			left: "v1 5, v2 0, RollingUpdate", log: "write OnDelete, undo", told: "trouble: no answer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(c.nodes)
				if c.prepare != nil {
					c.prepare(f)
				}
				g, told := agents(t, f, c.shares)
				report, _ := g.Run(t.Context(), manifests)
				check(t, report, f.world, c.outcome, "", "")
				for _, note := range report.Notes {
					*told = append(*told, "note: "+note)
				}
				if f.versions() != c.left || f.order() != c.order || f.most["OnDelete"] != c.most || f.history() != c.log || strings.Join(*told, ", ") != c.told {
					t.Errorf("left %s; deleted %q, at most %d new; wrote %s; told %s\n%s", f.versions(), f.order(), f.most["OnDelete"], f.history(), strings.Join(*told, ", "), lastFindings(report))
				}
			})
		})
	}
}

func lastFindings(r Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Code)
	}
	return fmt.Sprint(all, r.Exit)
}

// TestReplacingEnds: a run that was cancelled, or whose lease is another's by now, deletes nothing more.
func TestReplacingEnds(t *testing.T) {
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(5)
			g, _ := agents(t, f, "3")
			report, _ := signalled(t, g, manifests, sending{500 * time.Millisecond, syscall.SIGTERM})
			if report.Exit.Code != Terminated.Code() || f.order() != "n5" {
				t.Errorf("%+v, deleted %s", report.Exit, f.order())
			}
			time.Sleep(time.Minute)
			if f.versions() != "v1 5, v2 0, RollingUpdate" {
				t.Errorf("left %s", f.versions())
			}
		})
	})
	t.Run("taken over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(5)
			f.atOnce = "50%" // so that there would be a next one at once
			b := newBooks(f.world)
			g, _ := agents(t, f, "3")
			k := kept(b)
			k.Cluster, k.Delivery = g.Cluster, g.Delivery
			f.onReplace = func(int) {
				b.mu.Lock()
				for _, l := range b.leases {
					l.Holder = "another"
					b.put(l)
				}
				b.mu.Unlock()
				time.Sleep(2 * record.Renew) // the other one is found out meanwhile
			}
			report, _ := k.Run(t.Context(), manifests)
			if report.Exit.Code != Superseded.Code() || f.order() != "n5" {
				t.Errorf("%+v, deleted %s", report.Exit, f.order())
			}
		})
	})
}

// basedOn is a fleet that an unfinished run has written to.
type basedOn struct {
	*fleet
	before *unstructured.Unstructured
}

func (b basedOn) Plan(ctx context.Context, objects []manifest.Object) (patch.Plan, error) {
	p, err := b.fleet.Plan(ctx, objects)
	p.Writes[0].Base = &patch.Base{Object: b.before}
	return p, err
}

// TestReplacingResumed: a run that goes on where another one died counts what is there.
func TestReplacingResumed(t *testing.T) {
	for already, want := range []string{"n5 n1 n2", "n1 n2", "n2", ""} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(5)
			spec := agent("v2").Object["spec"].(map[string]any)
			spec["updateStrategy"] = map[string]any{"type": "OnDelete"}
			before := f.live
			f.apply(spec, "before")
			for _, node := range []string{"n5", "n1", "n2"}[:already] {
				for _, p := range f.pods {
					if p.Spec.NodeName == node {
						if err := f.Replace(t.Context(), p); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			f.deleted = nil
			g, _ := agents(t, f, "3")
			g.Cluster = basedOn{f, before}
			report, _ := g.Run(t.Context(), manifests)
			check(t, report, f.world, Passed, "", "")
			if f.order() != want || f.most["OnDelete"] != 3 {
				t.Errorf("after %d: deleted %q, at most %d new", already, f.order(), f.most["OnDelete"])
			}
		})
	}
}

// TestUnavailable: the manifest says how many nodes may be without a pod.
func TestUnavailable(t *testing.T) {
	rolling := func(fields map[string]any) map[string]any {
		return map[string]any{"type": "RollingUpdate", "rollingUpdate": fields}
	}
	for name, c := range map[string]struct {
		strategy map[string]any
		want     int32
	}{
		"nothing":           {nil, 1},
		"no number":         {rolling(map[string]any{"maxSurge": "10%"}), 1},
		"a number":          {rolling(map[string]any{"maxUnavailable": int64(3)}), 3},
		"rounded up":        {rolling(map[string]any{"maxUnavailable": "11%"}), 2},
		"none, for a surge": {rolling(map[string]any{"maxUnavailable": int64(0), "maxSurge": int64(2)}), 1},
		"no share":          {rolling(map[string]any{"maxUnavailable": "many"}), 1},
	} {
		w := onNodes(10, c.strategy)
		w.Object = manifest.Object{Unstructured: w.Sent}
		if got := unavailable(w); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := unavailable(patch.Write{}); got != 1 {
		t.Errorf("without a manifest: %d", got)
	}
}
