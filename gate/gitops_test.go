package gate

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func byFlux(u *unstructured.Unstructured, _ int) {
	u.SetLabels(map[string]string{"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "apps"})
}

func byArgo(u *unstructured.Unstructured, _ int) {
	u.SetLabels(map[string]string{"argocd.argoproj.io/instance": "shop"})
}

// TestGitOps: what a GitOps tool keeps is not written, unless it is asked for.
func TestGitOps(t *testing.T) {
	kept := func(o *thing, dress func(*unstructured.Unstructured, int)) *thing { o.dress = dress; return o }
	owner := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "shop"}}}
	byFlux(owner, 0)
	made := func(o rollout.Object) (*unstructured.Unstructured, error) {
		if o.GetName() == "web" {
			return owner, nil
		}
		return nil, nil
	}
	for name, c := range map[string]struct {
		things       []*thing
		controllerOf func(rollout.Object) (*unstructured.Unstructured, error)
		mode         GitOpsMode
		outcome      Outcome
		cause, note  string
		findings     int
	}{
		"Flux": {
			things: []*thing{kept(good("web"), byFlux)}, outcome: Refused, findings: 1,
			cause: "thing/web belongs to Flux Kustomization apps/shop: it would put back what is written here, and fight the undo",
		},
		"several objects": {
			things: []*thing{kept(good("api"), byFlux), kept(good("web"), byFlux), good("free")}, outcome: Refused, findings: 1,
			cause: "thing/api belongs to Flux Kustomization apps/shop, and so does 1 more object: it would",
		},
		"two tools": {
			things: []*thing{kept(good("api"), byArgo), kept(good("web"), byFlux)}, outcome: Refused, findings: 2,
			cause: "thing/api belongs to Argo CD application shop: it would",
		},
		"a new object that is marked": {
			things: []*thing{kept(created("web", becomesReady(0)), byArgo)}, outcome: Refused, findings: 1, cause: "thing/web belongs to Argo CD application shop: it would",
		},
		"as it is": {things: []*thing{kept(&thing{name: "api", same: true}, byFlux), good("web")}, outcome: Passed},
		"asked for": {
			things: []*thing{kept(good("web"), byFlux)}, mode: GitOpsWarn, outcome: Passed,
			note: "thing/web belongs to Flux Kustomization apps/shop, which may put back what is written here, an undo included",
		},
		"by what has made it": {
			things: []*thing{good("web")}, controllerOf: made, outcome: Refused, findings: 1,
			cause: "thing/web belongs to widget/shop, and that to Flux Kustomization apps/shop: it would",
		},
		"by nobody knows whom": {
			things: []*thing{good("web")}, controllerOf: func(rollout.Object) (*unstructured.Unstructured, error) { return nil, errRefused }, outcome: Passed,
			note: "whether a GitOps tool keeps what has made thing/web is not known",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.things...)
				w.controllerOf = c.controllerOf
				var names []string
				for _, o := range c.things {
					names = append(names, o.name)
				}
				g := gated(w)
				g.GitOps = c.mode
				plan, _ := g.Plan(t.Context(), w.manifests(names...))
				if w.history() != "" {
					t.Errorf("a plan wrote %s", w.history())
				}
				before := w.versions()
				run, err := g.Run(t.Context(), w.manifests(names...))
				if (err != nil) != (c.outcome == Refused) {
					t.Errorf("error %v", err)
				}
				for _, r := range []Report{plan, run} {
					state := ""
					if c.outcome == Refused {
						state = nothingChanged
					}
					check(t, r, w, c.outcome, state, "")
					if len(r.Findings) != c.findings || c.findings > 0 && (r.Findings[0].Code != "OwnedByGitOps" || c.findings > 0 && r.Findings[0].File != "deploy.yaml" || !strings.HasPrefix(r.Findings[0].Cause, c.cause)) {
						t.Errorf("findings %+v", r.Findings)
					}
					if !strings.Contains(strings.Join(r.Notes, "\n"), c.note) {
						t.Errorf("notes %q, want %q", r.Notes, c.note)
					}
				}
				if c.outcome == Refused && (w.history() != "" || w.versions() != before) {
					t.Errorf("a refused run wrote %s", w.history())
				}
			})
		})
	}
}

// TestGitOpsConflict: a conflict with the tool that keeps an object is told as that, any other one as it is.
func TestGitOpsConflict(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Group: "example.com", Resource: "things"}, "web", errors.New("Apply failed with 1 conflict"))
	for name, c := range map[string]struct {
		err   error
		kept  bool
		mode  GitOpsMode
		codes string
	}{
		"with the keeper":      {err: conflict, kept: true, codes: "OwnedByGitOps"},
		"with somebody else":   {err: conflict, codes: "FieldOwnershipConflict"},
		"after a warning":      {err: conflict, kept: true, mode: GitOpsWarn, codes: "FieldOwnershipConflict"},
		"refused in other way": {err: errors.New("the namespace is being terminated"), kept: true, codes: "ApplyRejected"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				if c.kept {
					w.objects["web"].dress = byFlux
				}
				objects := w.manifests("web")
				for _, o := range objects {
					o.SetNamespace("shop")
				}
				w.refusals = []patch.Refusal{{Object: objects[0], Err: c.err}}
				g := gated(w)
				g.GitOps = c.mode
				report, err := g.Run(t.Context(), objects)
				if err == nil || w.history() != "" {
					t.Errorf("error %v, wrote %q", err, w.history())
				}
				var codes []string
				for _, f := range report.Findings {
					codes = append(codes, f.Code)
				}
				if got := strings.Join(codes, " "); got != c.codes || report.Exit.Code == 0 {
					t.Errorf("exit %d, findings %s, want %s", report.Exit.Code, got, c.codes)
				}
			})
		})
	}
}

// TestWatchCommand: the command line that gates what a GitOps tool rolls out can be pasted.
func TestWatchCommand(t *testing.T) {
	deployment := func(name string, images ...string) *unstructured.Unstructured {
		var containers []any
		for _, image := range images {
			containers = append(containers, map[string]any{"name": "c", "image": image})
		}
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name, "namespace": "shop"},
			"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": containers}}}}}
	}
	ref := func(kind, namespace, name string) manifest.Ref {
		r := manifest.Ref{Kind: kind, Namespace: namespace, Name: name}
		if kind == "Deployment" {
			r.Group = "apps"
		}
		return r
	}
	web, api, config := ref("Deployment", "shop", "web"), ref("Deployment", "shop", "api"), ref("ConfigMap", "shop", "web")
	writes := []patch.Write{
		{Ref: web, Before: deployment("web", "web:v1", "proxy:v1"), After: deployment("web", "web:v2", "proxy:v1")},
		{Ref: api, After: deployment("api", "api:$(v 1)")},
		{Ref: config, After: deployment("web")},
	}
	for _, c := range []struct {
		objects []manifest.Ref
		want    string
	}{
		{[]manifest.Ref{web}, "rolloutgate watch deployment/web -n shop --for-image deployment/web=web:v2"},
		{[]manifest.Ref{web, api, config}, "rolloutgate watch deployment/web deployment/api -n shop --for-image 'deployment/api=api:$(v 1)' --for-image deployment/web=web:v2"},
		{[]manifest.Ref{web, ref("Deployment", "other", "web")}, "rolloutgate watch deployment/web -n shop --for-image deployment/web=web:v2"},
		{[]manifest.Ref{config}, ""},
	} {
		var kept []diagnosis.Kept
		for _, o := range c.objects {
			kept = append(kept, diagnosis.Kept{Object: o})
		}
		if got := watchCommand(kept, writes); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
	if got, want := quoted("it's"), `'it'\''s'`; got != want {
		t.Errorf("quoted %s, want %s", got, want)
	}
}
