package gate

import (
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestWrapGitOps: no command is begun on workloads that a GitOps tool keeps, unless it is asked for.
func TestWrapGitOps(t *testing.T) {
	owner := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "shop"}}}
	byFlux(owner, 0)
	for name, c := range map[string]struct {
		of      string // what is kept
		owned   bool   // by what has made web
		mode    GitOpsMode
		undo    []string
		outcome Outcome
		cause   string
		note    string
	}{
		"a workload":          {of: "web", outcome: Refused, cause: "thing/web belongs to Flux Kustomization apps/shop: it would put back what is written here, and fight the undo"},
		"with an undo of it":  {of: "web", undo: []string{"rollback"}, outcome: Refused, cause: "thing/web belongs to Flux Kustomization apps/shop: it would"},
		"by what has made it": {owned: true, outcome: Refused, cause: "thing/web belongs to widget/shop, and that to Flux Kustomization apps/shop: it would"},
		"asked for": {of: "web", mode: GitOpsWarn, outcome: Passed,
			note: "thing/web belongs to Flux Kustomization apps/shop, which may put back what is written here, an undo included"},
		"what its pods read": {of: "config", outcome: Passed},
		"nothing":            {outcome: Passed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"), &thing{name: "config", kind: "ConfigMap", existed: true})
				if c.of != "" {
					w.objects[c.of].dress = byFlux
				}
				if c.owned {
					w.controllerOf = func(o rollout.Object) (*unstructured.Unstructured, error) {
						if o.GetName() == "web" {
							return owner, nil
						}
						return nil, nil
					}
				}
				b := newBooks(w)
				g := kept(b)
				g.RunCommand, g.GitOps, g.UndoCommand = w.deploys(0, "web"), c.mode, c.undo
				r, err := g.Wrap(t.Context(), commandOn("deploy", "web", "config"))
				if c.outcome == Refused {
					check(t, r, w, Refused, nothingChanged, "config=1 web=1")
					if err == nil || w.history() != "" || len(b.records) > 0 || len(b.leases) > 0 {
						t.Errorf("%v, written: %s, on record: %d, leases: %d", err, w.history(), len(b.records), len(b.leases))
					}
					if len(r.Findings) != 1 || r.Findings[0].Code != "OwnedByGitOps" || !strings.HasPrefix(r.Findings[0].Cause, c.cause) {
						t.Errorf("findings %+v", r.Findings)
					}
					return
				}
				check(t, r, w, c.outcome, "", "config=1 web=2")
				if notes := strings.Join(r.Notes, "\n"); err != nil || len(r.Findings) > 0 || !strings.Contains(notes, c.note) || c.note == "" && strings.Contains(notes, "Flux") {
					t.Errorf("%v, findings %+v, notes %s", err, r.Findings, notes)
				}
			})
		})
	}
}
