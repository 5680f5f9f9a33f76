// Package prune decides what an earlier release has left that may be deleted.
//
// Takes: objects that an earlier release of a set had and the present one has not, as they were then and as they are now.
// Returns: those that are deleted, in the order of deletion, and why the others stay. Never: talks to a cluster, or deletes.
package prune

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// Leftover is an object that an earlier release of the set had and this one has not.
type Leftover struct {
	// Was is its write, with the object as that release has left it in Written; nil when its data is not on record.
	Was patch.Write
	// Live is the object now; nil when it is gone.
	Live *unstructured.Unstructured
	// Theirs are the parts of it that somebody else has written since.
	Theirs []patch.Kept
	// Unknown is why it could not be read.
	Unknown error
}

// Facts are what else decides.
type Facts struct {
	// Protected are the kinds that are deleted although they are protected.
	Protected []schema.GroupKind
	// Namespaces are those of the run and of its objects.
	Namespaces []string
	// Written are the objects of this run by their UID: one may have moved to another group.
	Written map[types.UID]manifest.Ref
	// Elsewhere says which other run has an object.
	Elsewhere map[manifest.Ref]string
	// Readers are what runs pods, and Unlisted why they are not known, by namespace.
	Readers  []Reader
	Unlisted map[string]error
	// WithoutSecrets says that the data of Secrets does not go on record, so that none could be put back.
	WithoutSecrets bool
}

// Decision is what becomes of a leftover.
type Decision struct {
	Leftover
	// Why it stays; empty: it is deleted.
	Why string
	// Leaves says that it is no object of the set any more.
	Leaves bool
}

// Decide says what is deleted, in that order: what was written last goes first. What is gone is not in the answer.
func Decide(all []Leftover, f Facts) []Decision {
	all = slices.DeleteFunc(slices.Clone(all), func(l Leftover) bool { return l.Live == nil && l.Unknown == nil })
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b Leftover) int { return manifest.Compare(object(b), object(a)) })
	f.Readers = slices.Clone(f.Readers)
	var decided []Decision
	for _, l := range all {
		d := Decision{Leftover: l}
		for _, r := range rules {
			if d.Why = r.keeps(l, f); d.Why != "" {
				d.Leaves = r.leaves
				break
			}
		}
		if d.Why == "" { // it reads nothing any more when what it reads is asked about
			f.Readers = slices.DeleteFunc(f.Readers, func(r Reader) bool { return r.Object == l.Was.Ref })
		}
		decided = append(decided, d)
	}
	return decided
}

// object is a leftover as a manifest, for the order of kinds.
func object(l Leftover) manifest.Object {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: l.Was.Ref.Group, Kind: l.Was.Ref.Kind})
	return manifest.Object{Unstructured: u}
}
