package gate

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// TestOwnNamespace: a run that makes its own namespace takes its lease there, and goes on record there, as soon as it can.
func TestOwnNamespace(t *testing.T) {
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop")
	for name, c := range map[string]struct {
		things []*thing
		fault  func(what string) error // when the namespace is there
		code   Outcome
		want   string // on record
		log    string
	}{
		"good": {[]*thing{{name: "shop", kind: "Namespace"}, created("web", becomesReady(time.Second))}, nil, Passed,
			"passed; 0 leases", "take lease, save running, save passed"},
		"bad": {[]*thing{{name: "shop", kind: "Namespace"}, created("web", stalls(time.Second))}, nil, RolloutFailed,
			"undone; 0 leases", "take lease, save running, save undone"},
		"no right to leases there": {[]*thing{{name: "shop", kind: "Namespace"}, created("web", becomesReady(time.Second))},
			func(what string) error { return map[string]error{"take lease": errRefused}[what] }, Passed, "passed; 0 leases", "take lease, save running, save passed"},
		"no answer there": {[]*thing{{name: "shop", kind: "Namespace"}, created("web", becomesReady(time.Second))},
			func(what string) error { return map[string]error{"take lease": errLost}[what] }, RolloutFailed, "; 0 leases", "take lease"},
		"nobody makes it": {[]*thing{{name: "web", existed: true, behaves: map[int]behaviour{2: becomesReady(time.Second)}}}, nil, Refused, "; 0 leases", "take lease"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.things...)
				b := newBooks(w)
				b.fault = func(what string) error {
					if shop := w.objects["shop"]; shop == nil || shop.version != 2 {
						return map[string]error{"take lease": missing, "save running": missing}[what]
					}
					if c.fault != nil {
						return c.fault(what)
					}
					return nil
				}
				var names []string
				for _, o := range c.things {
					names = append(names, o.name)
				}
				r, err := kept(b).Run(t.Context(), w.manifests(names...))
				if r.Exit.Code != c.code.Code() {
					t.Errorf("exit %d %q %v", r.Exit.Code, r.Exit.State, err)
				}
				b.fault = nil
				if got := strings.TrimSpace(b.states()); got != strings.TrimSpace(c.want) {
					t.Errorf("on record: %s, want %s", got, c.want)
				}
				var said []string
				for _, what := range b.log {
					if strings.HasPrefix(what, "save") || what == "take lease" && (len(said) == 0 || said[len(said)-1] != what) {
						said = append(said, what)
					}
				}
				if got := strings.Join(said, ", "); got != c.log {
					t.Errorf("it asked for %s, want %s", got, c.log)
				}
			})
		})
	}
}

// TestRecordElsewhere: a dead run whose record cannot be had holds nobody up, and what that means is said.
func TestRecordElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		dies  func(b *books)
		notes string
	}{
		"in a file of another job": {func(b *books) {
			b.dies("DEAD", 1, "web")
			b.records = map[string][][]byte{}
			for key, l := range b.leases {
				l.Kept = string(KeepInFile)
				b.leases[key] = l
			}
		}, "run DEAD did not come to its end, and it is not on record here"},
		"nobody may read it": {func(b *books) {
			b.dies("DEAD", 1, "web")
			b.fault = func(what string) error { return map[string]error{"load": errRefused}[what] }
		}, "run DEAD did not come to its end, and it is not on record here for this account"},
		"it had not begun": {func(b *books) {
			b.dies("DEAD", 0, "web")
			b.records = map[string][][]byte{}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				b := newBooks(w)
				c.dies(b)
				r, err := kept(b).Run(t.Context(), w.manifests("web"))
				if r.Exit.Code != 0 || err != nil || len(b.leases) != 0 {
					t.Errorf("exit %d %v, %d leases", r.Exit.Code, err, len(b.leases))
				}
				if got := strings.Join(r.Notes, "\n"); !strings.HasPrefix(got, c.notes) || (got == "") != (c.notes == "") {
					t.Errorf("notes %q, want %q", got, c.notes)
				}
			})
		})
	}
}

// TestResumeAsks: a run goes on only with the criteria that it was begun with.
func TestResumeAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		b := newBooks(w)
		b.dies("DEAD", 1, "web")
		u, err := b.LoadRecord(t.Context(), "shop", "DEAD")
		u.Criteria = []string{"errors"}
		if err = errors.Join(err, b.SaveRecord(t.Context(), u)); err != nil {
			t.Fatal(err)
		}
		r, err := kept(b).Resume(t.Context(), Which{})
		if r.Exit.Code != Invalid.Code() || err == nil || !strings.Contains(err.Error(), "criteria that are not given here: errors") {
			t.Errorf("exit %d %v", r.Exit.Code, err)
		}
	})
}

// TestNothingToUndo: what there is not on record is named, and the leases of the dead that left nothing go.
func TestNothingToUndo(t *testing.T) {
	for name, c := range map[string]struct {
		which Which
		want  string
	}{
		"an object": {Which{Objects: []manifest.Ref{{Kind: "Secret", Name: "login"}, {Kind: "Secret", Name: "token"}}},
			"there is no run on record in namespace shop that wrote secret/login and secret/token"},
		"a run": {Which{Run: "NOSUCH"}, "there is no run on record in namespace shop with the id NOSUCH"},
		"any":   {Which{}, "there is no run on record in namespace shop"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				b := newBooks(w)
				b.dies("DEAD", 0, "web")
				b.records = map[string][][]byte{}
				r, err := kept(b).Undo(t.Context(), c.which)
				if r.Exit.Code != Refused.Code() || err == nil || !strings.Contains(err.Error(), c.want) || len(b.leases) != 0 {
					t.Errorf("exit %d %v, %d leases", r.Exit.Code, err, len(b.leases))
				}
			})
		})
	}
}

// TestTakenForDead: a run that could not say for long that it lives, and was not taken over, says so.
func TestTakenForDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(bad("web", stalls(3*time.Minute)))
		b := newBooks(w)
		b.fault = func(what string) error { return map[string]error{"renew lease": errRefused}[what] }
		g := kept(b)
		g.Timeout = 10 * time.Minute
		r, _ := g.Run(t.Context(), w.manifests("web"))
		if r.Exit.Code != RolloutFailed.Code() || !strings.Contains(strings.Join(r.Notes, "\n"), "this run could not say that it goes on") {
			t.Errorf("exit %d, notes %q", r.Exit.Code, r.Notes)
		}
		if w.versions() != "web=1" {
			t.Errorf("it did not put back what it wrote: %s", w.versions())
		}
	})
}

// leased is a run that holds a lease, and has said so that long ago.
func leased(t *testing.T, b *books, ago time.Duration) (*run, record.Lease) {
	t.Helper()
	r := kept(b).begin(t.Context(), "run")
	lease, err := b.TakeLease(t.Context(), record.Lease{Run: "ME", Holder: "ME", Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	r.lock = &lock{store: b, self: "ME", renewed: time.Now().Add(-ago), leases: []record.Lease{lease}}
	return r, lease
}

// TestSleptThroughTheEnd: a run that was taken for dead in its last moment does not say that it has passed.
func TestSleptThroughTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(newWorld(good("web")))
		r, lease := leased(t, b, record.Validity)
		lease.Holder = "OTHER"
		b.put(lease)
		r.begins()
		r.exit(Passed, "")
		if report := r.end(); report.Exit.Code != Superseded.Code() || len(b.leases) != 1 {
			t.Errorf("exit %d %q, %d leases", report.Exit.Code, report.Exit.State, len(b.leases))
		}
	})
}

func TestLongest(t *testing.T) {
	g := Gate{Timeout: time.Minute, UndoTimeout: 30 * time.Second}
	if got := g.Longest(2); got != 5*90*time.Second+30*time.Second {
		t.Error(got)
	}
}

// TestSleptBetweenTries: a process that was taken for dead between two tries does not write its record any more.
func TestSleptBetweenTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBooks(newWorld(good("web")))
		r, lease := leased(t, b, 0)
		r.recorded = true
		b.fault = func(what string) error {
			if what != "save passed" {
				return nil
			}
			time.Sleep(time.Minute) // it was stopped, and meanwhile
			lease.Holder = "OTHER"
			b.put(lease)
			return errLost
		}
		r.writes = []patch.Write{{Action: patch.Configured}}
		r.exit(Passed, "")
		if r.close() || len(b.records) != 0 || r.course.yielded() == nil {
			t.Errorf("it has written %d records", len(b.records))
		}
		r.course.stop()
	})
}
