package patch

import (
	"bytes"
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// owner identifies an entry of managedFields, as the API server does it.
type owner struct {
	Manager     string
	Operation   metav1.ManagedFieldsOperationType
	APIVersion  string
	Subresource string
}

func ownerOf(e metav1.ManagedFieldsEntry) owner {
	o := owner{e.Manager, e.Operation, e.APIVersion, e.Subresource}
	if e.Operation == metav1.ManagedFieldsOperationApply {
		o.APIVersion = "" // an applier has one entry, whatever version it applies
	}
	return o
}

// entry is one entry with its fields read.
type entry struct {
	metav1.ManagedFieldsEntry
	set *fieldpath.Set
}

type entries []entry

// entriesOf reads the managed fields of an object. Fields that cannot be read are nobody's.
func entriesOf(u *unstructured.Unstructured) entries {
	var all entries
	for _, e := range u.GetManagedFields() {
		set := fieldpath.NewSet()
		if e.FieldsV1 != nil {
			if err := set.FromJSON(bytes.NewReader(e.FieldsV1.GetRawBytes())); err != nil {
				set = fieldpath.NewSet()
			}
		}
		all = append(all, entry{e, set})
	}
	return all
}

// of returns the entry of an owner; without one it is empty.
func (all entries) of(o owner) entry {
	if i := slices.IndexFunc(all, func(e entry) bool { return ownerOf(e.ManagedFieldsEntry) == o }); i >= 0 {
		return all[i]
	}
	return entry{set: fieldpath.NewSet()}
}

// owns tells whether an entry has the field, something in it, or, for a field that is one value, what it is in.
func (e entry) owns(at fieldpath.Path) bool { return e.set.Has(at) || reaches(e.set, at) }

func sameTime(a, b entry) bool {
	return a.Time == nil && b.Time == nil || a.Time != nil && b.Time != nil && a.Time.Equal(b.Time)
}

// writers finds out who wrote a field between two states of an object.
type writers struct{ then, now entries }

func since(then, now *unstructured.Unstructured) writers {
	return writers{entriesOf(then), entriesOf(now)}
}

// without leaves a manager out.
func (w writers) without(manager string) writers {
	return writers{w.then, slices.DeleteFunc(slices.Clone(w.now), func(e entry) bool { return e.Manager == manager })}
}

// kept describes a field by who wrote another. The newest owner who got the field or has written since is the writer.
// A field that is gone has no owner: then it is the newest of those who have written anything.
func (w writers) kept(at, with fieldpath.Path) Kept {
	out := Kept{Path: Text(at)}
	best := -1
	for _, e := range w.now {
		then := w.then.of(ownerOf(e.ManagedFieldsEntry))
		wrote := !sameTime(e, then)
		rank := 0
		switch {
		case e.owns(with) && !then.owns(with):
			rank = 3
		case e.owns(with) && wrote:
			rank = 2
		case wrote && e.Subresource != "status":
			rank = 1
		default:
			continue
		}
		newer := e.Time != nil && e.Time.After(out.Time)
		if rank > best || rank == best && newer {
			best, out.Manager = rank, e.Manager
			if e.Time != nil {
				out.Time = e.Time.Time
			}
		}
	}
	return out
}

// annotationsOfServer are the paths of the annotations that the control plane keeps, and that there are any.
var annotationsOfServer = func() *fieldpath.Set {
	set := fieldpath.NewSet(fieldpath.MakePathOrDie("metadata", "annotations"))
	for _, name := range serverAnnotations {
		set.Insert(fieldpath.MakePathOrDie("metadata", "annotations", name))
	}
	return set
}()

// findRaced returns those of the changed fields that another manager wrote between the snapshot and this run's write:
// they are that manager's in written, it got them or wrote since, and they are not this run's.
func (inv *Inverse) findRaced() paths {
	if inv.write.Command {
		return inv.write.byOthers(inv.changed, inv.write.Origin())
	}
	raced := noPaths()
	if inv.write.Manager == "" {
		return raced
	}
	before, written := entriesOf(inv.write.Origin()), entriesOf(inv.write.Written)
	for i := range written {
		written[i].set = written[i].set.Difference(annotationsOfServer) // which say nothing about the others beside them
	}
	for at := range inv.changed.all.All() {
		ours, theirs := false, false
		for _, e := range written {
			switch {
			case !e.owns(at):
			case e.Manager == inv.write.Manager || e.Manager == firstApply:
				ours = true
			default:
				then := before.of(ownerOf(e.ManagedFieldsEntry))
				theirs = theirs || !sameTime(e, then) || !then.owns(at)
			}
		}
		if theirs && !ours {
			raced.addWhole(at)
		}
	}
	return raced
}

// firstApply is the manager to which the API server gives all fields of an object that had no owners before it was
// first applied.
const firstApply = "before-first-apply"

// Owners returns the managed fields that should stand after Object was written. now is the object as it is then,
// perhaps with more written by others.
//
// A field that went back has its old owners again. One that somebody wrote since is theirs. Of all others, this run's
// ownership is what it was before, and those who lost theirs to this run have it again. An entry that comes out as it
// was is returned unchanged, time included: where nobody else wrote, all but those of subresources are those of
// before. Entries of status are those of now.
//
// Where nothing is to stand, the answer is one empty entry: the API server takes an empty list for no change.
func (inv *Inverse) Owners(now *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	after := noPaths()
	inv.kind.compare(nil, content(inv.Object), content(now), after)
	b, w, n := entriesOf(inv.write.Origin()), entriesOf(inv.write.Written), entriesOf(now)
	undoing := fieldpath.NewSet()
	for _, e := range n {
		if e.Manager == inv.manager && e.Subresource == "" {
			undoing = undoing.Union(e.set)
		}
	}
	// whose tells which state decides about the owners of a field.
	whose := func(at fieldpath.Path, leaf bool) state {
		has := paths.has
		if leaf {
			has = paths.reaches // an owner may know less of the type than we do, and own a list whole
		}
		changed, foreign := has(inv.changed, at), has(inv.foreign, at)
		switch {
		case has(after, at), has(inv.stays, at), has(inv.raced, at):
			return nowDecides
		case changed && (!foreign || undoing.Has(at) || !leaf && reaches(undoing, at)):
			return beforeDecides
		case foreign:
			return nowDecides
		}
		return runReturns
	}
	var out []metav1.ManagedFieldsEntry
	for _, o := range ownersIn(b, n) {
		if o.Manager == inv.manager {
			continue
		}
		if e, ok := inv.owner(o, b.of(o), w.of(o), n.of(o), whose); ok {
			out = append(out, e)
		}
	}
	if len(out) == 0 && len(n) > 0 {
		return []metav1.ManagedFieldsEntry{{}}
	}
	return out
}

// state is the state of an object that decides about the owners of a field.
type state int

const (
	beforeDecides state = iota
	nowDecides
	runReturns // now, without what this run took and with what it took away
)

func (inv *Inverse) owner(o owner, b, w, n entry, whose func(at fieldpath.Path, leaf bool) state) (metav1.ManagedFieldsEntry, bool) {
	if o.Subresource == "status" {
		return n.ManagedFieldsEntry, n.Manager != ""
	}
	ours := o.Manager == inv.write.Manager || o.Manager == firstApply
	if inv.write.Command {
		ours = wroteMeanwhile(b, w)
	}
	set := fieldpath.NewSet()
	all := b.set.Union(n.set)
	for at := range all.All() {
		was, wrote, is := b.set.Has(at), w.set.Has(at), n.set.Has(at)
		var owns bool
		switch decides := whose(at, !reaches(all, at)); {
		case decides == beforeDecides:
			owns = was
		case decides == nowDecides:
			owns = is
		case ours && was != wrote && is == wrote:
			owns = was
		default: // a run only takes from others, it never gives
			owns = is || was && !wrote
		}
		if owns {
			set.Insert(at.Copy())
		}
	}
	if set.Empty() {
		return metav1.ManagedFieldsEntry{}, false
	}
	untouched := n.Manager == "" || sameTime(n, w) // by its owner, since this run wrote
	switch {
	case b.Manager != "" && untouched && set.Equals(b.set):
		return b.ManagedFieldsEntry, true
	case n.Manager != "" && set.Equals(n.set) && (!untouched || b.Manager == ""):
		return n.ManagedFieldsEntry, true
	}
	e := n.ManagedFieldsEntry
	if b.Manager != "" && untouched {
		e = b.ManagedFieldsEntry
	}
	raw, err := set.ToJSON()
	if err != nil {
		return n.ManagedFieldsEntry, n.Manager != ""
	}
	e.FieldsV1 = &metav1.FieldsV1{}
	e.FieldsV1.SetRawBytes(raw)
	return e, true
}

// ownersIn lists the owners in the order of the first, then those that only the second has.
func ownersIn(all ...entries) []owner {
	var out []owner
	for _, es := range all {
		for _, e := range es {
			if o := ownerOf(e.ManagedFieldsEntry); !slices.Contains(out, o) {
				out = append(out, o)
			}
		}
	}
	return out
}

// SameOwners compares managed fields, whatever their order.
func SameOwners(a, b []metav1.ManagedFieldsEntry) bool {
	if len(a) != len(b) {
		return false
	}
	for _, e := range a {
		text := encodeEntry(e)
		if !slices.ContainsFunc(b, func(o metav1.ManagedFieldsEntry) bool { return bytes.Equal(text, encodeEntry(o)) }) {
			return false
		}
	}
	return true
}

func encodeEntry(e metav1.ManagedFieldsEntry) []byte {
	text, err := json.Marshal(e)
	if err != nil {
		return nil
	}
	return text
}

// Release takes a field away from what a manager has applied. Nobody may own it then: it stays as it is, until
// somebody writes it.
func Release(all []metav1.ManagedFieldsEntry, manager string, names ...any) []metav1.ManagedFieldsEntry {
	at := fieldpath.MakePathOrDie(names...)
	out := slices.Clone(all)
	for i, e := range out {
		if e.Manager != manager || e.Operation != metav1.ManagedFieldsOperationApply || e.Subresource != "" || e.FieldsV1 == nil {
			continue
		}
		set := fieldpath.NewSet()
		if set.FromJSON(bytes.NewReader(e.FieldsV1.GetRawBytes())) != nil || !set.Has(at) {
			continue
		}
		raw, err := set.Difference(fieldpath.NewSet(at)).ToJSON()
		if err != nil {
			continue
		}
		out[i].FieldsV1 = &metav1.FieldsV1{}
		out[i].FieldsV1.SetRawBytes(raw)
	}
	return out
}
