package record

import (
	"cmp"
	"slices"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// Set is what a run prunes by: it takes the place of the last run of the same set in the same namespace.
type Set struct {
	Name string `json:"name,omitempty"`
	// Protected are protected kinds that it deletes as well, and Most says that it deletes however little of the set is left.
	Protected []string `json:"protected,omitempty"`
	Most      bool     `json:"most,omitempty"`
}

// Members are the objects of the set after the run, in the order of writing: those of its manifests, and those that earlier
// runs have left and that could not be deleted yet. Written is each as the run has left it; it is nil where its data is not
// on record.
func (r Record) Members() []patch.Write {
	var all []patch.Write
	for _, s := range r.Stages {
		for _, w := range s.Writes {
			i := slices.IndexFunc(all, func(o patch.Write) bool { return o.Ref == w.Ref })
			restarts := r.Restart && w.Added && w.Pin == nil && w.Split == nil // of an object that the manifests have
			switch {
			case i >= 0 && w.Written != nil:
				all[i].Written = w.Written
			case i >= 0, w.Hook, w.OfRun, w.Test > 0, w.Added && !restarts, w.Sent == nil && !r.WithoutSecrets:
			default:
				m := patch.Write{Ref: w.Ref, Resource: w.Resource, Action: patch.Unchanged, Source: w.Source, Manager: cmp.Or(r.Manager, w.Manager), At: w.At, Written: w.Written}
				if m.Written == nil { // it was not written, or nobody knows
					m.Written = w.Before
				}
				if !w.Added {
					m.Sent = w.Sent
				}
				all = append(all, m)
			}
		}
	}
	for _, o := range r.Leftovers {
		if !slices.ContainsFunc(all, func(w patch.Write) bool { return w.Ref == o.Ref }) {
			all = append(all, o)
		}
	}
	return all
}

// Has tells whether an object is one of the run's manifests.
func (r Record) Has(ref manifest.Ref) bool {
	return slices.ContainsFunc(r.Members(), func(w patch.Write) bool { return w.Ref == ref })
}

// Stays tells whether what a run has written is there, whatever it was judged to be.
func (s State) Stays() bool { return s == Passed || s == Left }

// LastOf is the number of the run whose objects a further run of a set takes the place of, in a list with the newest first;
// -1 when there is none.
func LastOf(set string, all []Summary) int {
	return slices.IndexFunc(all, func(s Summary) bool { return s.Set == set && s.State.Stays() })
}
