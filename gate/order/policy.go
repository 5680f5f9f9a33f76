package order

import (
	"slices"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// policy is a value of a tool's delete policy.
type policy struct {
	name string
	does deletion
}

type deletion int

const (
	keep deletion = iota
	replace
	deleteOnSuccess
	deleteOnFailure
)

// setPolicies reads when a hook is deleted. As in Argo CD, the annotations of both tools count (gitops-engine,
// pkg/sync/hook/delete_policy.go); without any, both delete an older one before they make the hook anew.
func (p *placed) setPolicies() error {
	written := ""
	for _, t := range tools {
		value, _, err := annotation(p.Object.Object, t.policy)
		if err != nil {
			return err
		}
		for _, name := range t.list(value) {
			i := slices.IndexFunc(t.policies, func(one policy) bool { return one.name == name })
			if i < 0 {
				return fail(p.Object.Object, t.policy, known(t.policies, func(one policy) string { return one.name }),
					"names the policy %q, which %s does not have", wording.Quote(name), t.name)
			}
			p.set(t.policies[i].does)
			written = t.policy
		}
	}
	if written == "" {
		p.Replace = true
	}
	if holdsOthers(p.Object.Object) {
		if written != "" && (p.Replace || p.DeleteOnSuccess || p.DeleteOnFailure) {
			p.note(written + " is not followed: what the object holds would be deleted with it")
		}
		p.Replace, p.DeleteOnSuccess, p.DeleteOnFailure = false, false, false
	}
	p.Replace = p.Replace && p.GetName() != "" // under a generated name there is no older one
	return nil
}

func (p *placed) set(d deletion) {
	switch d {
	case replace:
		p.Replace = true
	case deleteOnSuccess:
		p.DeleteOnSuccess = true
	case deleteOnFailure:
		p.DeleteOnFailure = true
	}
}

// note adds to what people are told of an object, without touching the slice of the one that was given.
func (p *placed) note(text string) { p.Notes = slices.Concat(p.Notes, []string{text}) }

// holdsOthers is true of the kinds that are never deleted as hooks, because data that no undo brings back goes with them.
// Helm spares only the first.
func holdsOthers(o manifest.Object) bool {
	return slices.Contains([]string{
		"CustomResourceDefinition.apiextensions.k8s.io", "Namespace", "PersistentVolume", "PersistentVolumeClaim",
	}, o.Ref().GroupKind().String())
}

// helmWaits is true of the kinds that Helm waits for when it has made a hook (helm.sh/docs/topics/charts_hooks).
func helmWaits(o manifest.Object) bool {
	return slices.Contains([]string{"Job.batch", "Pod"}, o.Ref().GroupKind().String())
}
