package order

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// tool is one that runs objects at moments of its own.
type tool struct {
	name, a      string // a is its article
	hook, policy string // its annotations
	folds        bool   // capital letters in their values mean nothing
	moments      []moment
	policies     []policy
}

// moment is one at which a tool runs hooks.
type moment struct {
	name string
	// in says whether this run has the moment; phase is then where.
	in    func(Options) bool
	phase phase
	when  string // goes on after "which runs ", where a run has no such moment
}

func always(Options) bool      { return true }
func never(Options) bool       { return false }
func installs(o Options) bool  { return !o.Upgrade }
func upgrades(o Options) bool  { return o.Upgrade }
func withTests(o Options) bool { return o.Tests }

// helm: helm/helm, pkg/release/v1/util/manifest_sorter.go and pkg/action/hooks.go. Helm 2 had two more moments, and
// Helm leaves objects that have them out since.
var helm = tool{
	name: "Helm", a: "a", hook: "helm.sh/hook", policy: "helm.sh/hook-delete-policy", folds: true,
	moments: []moment{
		{"pre-install", installs, before, "at a first install"},
		{"pre-upgrade", upgrades, before, "at an upgrade"},
		{"post-install", installs, after, "at a first install"},
		{"post-upgrade", upgrades, after, "at an upgrade"},
		{"test", withTests, test, "with --helm-tests"},
		{"test-success", withTests, test, "with --helm-tests"},
		{"test-failure", never, test, "only in Helm 2"},
		{"crd-install", never, before, "only in Helm 2"},
		{"pre-delete", never, before, "when a release is deleted"},
		{"post-delete", never, after, "when a release is deleted"},
		{"pre-rollback", never, before, "at a rollback"},
		{"post-rollback", never, after, "at a rollback"},
	},
	policies: []policy{
		{"before-hook-creation", replace}, {"hook-succeeded", deleteOnSuccess}, {"hook-failed", deleteOnFailure},
	},
}

// argo: argo-cd.readthedocs.io/en/stable/user-guide/sync-waves, and argoproj/argo-cd, gitops-engine/pkg/sync/common/types.go.
var argo = tool{
	name: "Argo CD", a: "an", hook: "argocd.argoproj.io/hook", policy: "argocd.argoproj.io/hook-delete-policy",
	moments: []moment{
		{"PreSync", always, before, ""},
		{"Sync", always, main, ""},
		{"PostSync", always, after, ""},
		{"Skip", never, main, "in no sync"},
		{"SyncFail", never, after, "when a sync has failed"},
		{"PreDelete", never, before, "when an application is deleted"},
		{"PostDelete", never, after, "when an application is deleted"},
	},
	policies: []policy{
		{"BeforeHookCreation", replace}, {"HookSucceeded", deleteOnSuccess}, {"HookFailed", deleteOnFailure}, {"Never", keep},
	},
}

// tools are asked in this order: "If you define any Argo CD hooks, all Helm hooks will be ignored"
// (argo-cd.readthedocs.io/en/stable/user-guide/helm). In its code this holds for each object (gitops-engine,
// pkg/sync/hook/hook.go, Types).
var tools = []tool{argo, helm}

// hook is what an object's hook annotation says; the zero value is that of an object without one.
type hook struct {
	object manifest.Object
	tool   tool
	all    []moment
}

func (h hook) isHook() bool { return len(h.all) > 0 }

// hookOf reads the hook annotation. A moment that its tool does not know is an error: the tools leave such an object out
// without a word.
func hookOf(o manifest.Object) (hook, error) {
	empty := ""
	for _, t := range tools {
		value, found, err := annotation(o, t.hook)
		if err != nil {
			return hook{}, err
		}
		names := t.list(value)
		if len(names) == 0 {
			if found {
				empty = t.hook
			}
			continue
		}
		h := hook{object: o, tool: t}
		for _, name := range names {
			i := slices.IndexFunc(t.moments, func(m moment) bool { return m.name == name })
			if i < 0 {
				return hook{}, fail(o, t.hook, known(t.moments, func(m moment) string { return m.name }),
					"names the hook %q, which %s does not have", wording.Quote(name), t.name)
			}
			h.all = append(h.all, t.moments[i])
		}
		return h, nil
	}
	if empty != "" {
		return hook{}, fail(o, empty, "name a hook, or leave the annotation out", "is empty")
	}
	return hook{}, nil
}

// list is what an annotation of the tool has between its commas.
func (t tool) list(value string) []string {
	if t.folds {
		value = strings.ToLower(value)
	}
	return list(value)
}

// known is a hint with the names that there are.
func known[T any](all []T, name func(T) string) string {
	var names []string
	for _, one := range all {
		names = append(names, name(one))
	}
	return "there are " + strings.Join(names, ", ")
}

// moments are those of the hook that this run has, the first one first.
func (h hook) moments(o Options) []moment {
	var found []moment
	for _, m := range h.all {
		if m.in(o) {
			found = append(found, m)
		}
	}
	slices.SortStableFunc(found, func(a, b moment) int { return cmp.Compare(a.phase, b.phase) })
	return found
}

// why says when the hook runs, where this run has no moment for it.
func (h hook) why() string {
	var names, whens []string
	for _, m := range h.all {
		names = append(names, m.name)
		if !slices.Contains(whens, m.when) {
			whens = append(whens, m.when)
		}
	}
	return fmt.Sprintf("it is %s %s hook (%s), which runs %s", h.tool.a, h.tool.name, strings.Join(names, ", "), strings.Join(whens, " or "))
}

// once refuses a Job that runs before the deploy and again after it: an object is written once in a run. What does not run
// but serves, such as the ServiceAccount of hooks before and after, is written once and stays for both. A test that has
// just run after the deploy need not run again.
func (h hook) once(moments []moment) error {
	first := moments[0]
	for _, m := range moments[1:] {
		if m.phase == first.phase || m.phase == test && first.phase == after || !RunsOnce(h.object) {
			continue
		}
		return fail(h.object, h.tool.hook, "make two objects of it, each with a name and a hook of its own",
			"asks for %s and %s, but an object is written once in a run", first.name, m.name)
	}
	return nil
}
