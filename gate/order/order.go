// Package order says what waits for what: it splits the objects of a run into groups that are written one after the
// other, each when the one before it is complete.
//
// Takes: objects as they were read, and what sort of run this is. Returns: groups in the order of writing, and the
// objects that are no part of this run, each with the reason. Never: loses an object, puts one into two groups, changes
// what is sent of it, or looks at a cluster.
//
// The order comes from annotations: helm.sh/hook (helm.sh/docs/topics/charts_hooks), argocd.argoproj.io/hook and
// sync-wave (argo-cd.readthedocs.io/en/stable/user-guide/sync-waves), kapp.k14s.io/change-group and change-rule
// (carvel.dev/kapp/docs/latest/apply-ordering), and our own StageAnnotation, which wins. Objects without any are one
// group, as they would be without this package.
package order

import (
	"slices"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// StageAnnotation gives an object a stage, a whole number: a stage is written when all lower ones are complete. What has
// none is in stage 0. On a hook it decides when the hook runs; that it is a hook remains.
const StageAnnotation = "rolloutgate.dev/stage"

// Options say what sort of run this is.
type Options struct {
	// Upgrade: something of the release is in the cluster already. Helm's pre-upgrade and post-upgrade hooks run, and
	// without it pre-install and post-install.
	Upgrade bool
	// Tests: Helm's tests are a part of the run.
	Tests bool
}

// Order is what Split makes. Every object is in one group or left out.
type Order struct {
	Groups  []Group
	LeftOut []LeftOut // as given
	notes   []string  // what of the annotations is not followed
}

// Notes say what is not done as it is written, an object a line.
func (o Order) Notes() []string {
	var notes []string
	for _, l := range o.LeftOut {
		notes = append(notes, l.Object.Note("left out: "+l.Why))
	}
	return append(notes, o.notes...)
}

// NotEmpty is an error when all objects are left out: a run without any is never what was meant.
func (o Order) NotEmpty() error {
	if len(o.Groups) > 0 || len(o.LeftOut) == 0 {
		return nil
	}
	first := o.LeftOut[0]
	return failAt(first.Object, "", "", "there are only hooks, and none that this run has: %s is left out: %s", named(first.Object), first.Why)
}

// Objects are those of all groups, in the order of writing.
func (o Order) Objects() []Object {
	var all []Object
	for _, g := range o.Groups {
		all = append(all, g.Objects...)
	}
	return all
}

// DependsOnUpgrade tells whether it matters to an order of these objects whether something of the release is in the
// cluster already.
func DependsOnUpgrade(objects []manifest.Object) bool {
	return slices.ContainsFunc(objects, func(o manifest.Object) bool {
		_, found, _ := annotation(o, helm.hook)
		return found
	})
}

// Group is what is written at a time. The next one is begun when all of it is complete: Jobs and Pods have finished,
// workloads are rolled out.
type Group struct {
	Name    string   // short, for people, and unique: "before: pre-upgrade -5", "main", "wave 2", "main (2 of 3)"
	Objects []Object // in the order of writing
	Test    bool     // of Helm's tests, which are the last groups: nothing is changed any more
}

// Object is an object, and how it is treated as a hook.
type Object struct {
	manifest.Object
	// DeleteOnSuccess: it is deleted when group Until is complete. DeleteOnFailure: when it has failed itself. Its log
	// has to be read before.
	DeleteOnSuccess, DeleteOnFailure bool
	// Until is the index of the last group whose objects may need a hook: the last one of its phase, as in Helm.
	Until int
	read  int // how many of its notes are the reader's
}

// LeftOut is an object that this run does not write.
type LeftOut struct {
	Object manifest.Object
	Why    string // goes on after "left out: "
}

// Split puts objects into groups. Their namespaces should be filled in: Split refuses an object that is written twice.
// An annotation that is wrong or cannot be followed is a *manifest.Error with file and line. Without objects, or with
// none that this run writes, there are no groups.
func Split(objects []manifest.Object, o Options) (Order, error) {
	var order Order
	var all []placed
	for _, object := range objects {
		p, why, err := place(object, o)
		switch {
		case err != nil:
			return Order{}, err
		case why != "":
			order.LeftOut = append(order.LeftOut, LeftOut{Object: object, Why: why})
		case object.Wrong() != nil:
			return Order{}, object.Wrong()
		default:
			all = append(all, p)
		}
	}
	if err := unique(all); err != nil {
		return Order{}, err
	}
	bringForward(all)
	if err := setLevels(all); err != nil {
		return Order{}, err
	}
	order.Groups = groups(all)
	for _, o := range order.Objects() {
		for _, note := range o.Notes[o.read:] {
			order.notes = append(order.notes, o.Note(note))
		}
	}
	return order, nil
}

// unique refuses what would be written twice. Helm charts have such pairs: a ConfigMap as a hook, and again as what stays.
func unique(all []placed) error {
	var named []manifest.Object
	for _, p := range all {
		if p.GetName() != "" {
			named = append(named, p.Object.Object)
		}
	}
	return manifest.Unique(named)
}
