package patch

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Extent says how much of what a run changed in an object goes back.
type Extent string

// The extents.
const (
	All  Extent = "all"  // nothing was written by somebody else since
	Part Extent = "part" // some fields stay
	None Extent = "none" // everything that this run changed is somebody else's now: it is superseded
)

// Inverse is what undoes a write without undoing anybody else's.
type Inverse struct {
	// Object is to be written: live, with the fields that this run changed and nobody changed since as they were
	// before. Its resource version and managed fields are those of live.
	Object *unstructured.Unstructured
	// Changes says that Object differs from live, so that there is something to write.
	Changes bool
	Extent  Extent
	// Kept are the fields that this run changed and that stay as they are, sorted by path.
	Kept []Kept
	// Already are the fields that this run changed and that somebody has put back before us, sorted by path.
	Already []Kept

	write   Write
	manager string // of the undo
	kind    kind
	changed paths // by this run
	foreign paths // by others, between our write and live
	raced   paths // by others, between before and our write
	stays   paths // kept
}

// Invert computes the inverse of a write to an object that existed before. live is the object now; it must be the
// same object, not one of the same name that was created later. undoManager is the field manager that writes the
// undo: what it has written is the work of an earlier try. types knows the fields of kinds that CRDs define, and may
// be nil.
//
// A field is this run's if before and written differ in it, unless written says that another manager wrote it in the
// meantime. It goes back if live still is as written. What only the server sets is never this run's.
func Invert(w Write, live *unstructured.Unstructured, undoManager string, types Types) (*Inverse, error) {
	switch {
	case w.Origin() == nil || w.Written == nil || live == nil:
		return nil, fmt.Errorf("undoing the write of %s: an inverse needs the object before, as written and now", w.Ref)
	case w.Written.GetUID() != live.GetUID():
		return nil, fmt.Errorf("undoing the write of %s: it was deleted and created again since", w.Ref)
	}
	inv := &Inverse{write: w, manager: undoManager, kind: kindOf(types, live)}
	t := three{content(w.Origin()), content(w.Written), content(live)}

	inv.changed = noPaths()
	inv.kind.compare(nil, t.before, t.written, inv.changed)
	if inv.raced = inv.findRaced(); !inv.raced.empty() {
		t.before = inv.kind.overlay(inv.raced, t.before, t.written)
		inv.changed = noPaths()
		inv.kind.compare(nil, t.before, t.written, inv.changed)
	}
	inv.foreign = noPaths()
	inv.kind.compare(nil, t.written, t.live, inv.foreign)

	result, keeps := inv.kind.goBack(t)
	inv.Object = withServerFields(result, live)
	inv.Changes = !equal(result, t.live)
	inv.stays = noPaths()
	for _, k := range keeps {
		inv.stays.addWhole(k.at)
	}
	inv.sum(live, keeps, result, t)
	return inv, nil
}

// goBack merges until the result needs no other field to stay.
func (k kind) goBack(t three) (result map[string]any, keeps []kept) {
	hold := noPaths()
	for {
		m := &merge{hold: hold}
		result, _ = m.field(k, nil, t).(map[string]any)
		more := false
		for _, ask := range m.checks {
			for _, at := range ask() {
				if !hold.has(at) {
					hold.addWhole(at)
					more = true
				}
			}
		}
		if !more {
			return result, m.kept
		}
	}
}

// overlay is before with those fields taken from written that somebody else wrote before us.
func (k kind) overlay(others paths, before, written any) any {
	m := &merge{hold: others}
	return m.field(k, nil, three{before, written, written})
}

// sum fills in what is told of the result.
func (inv *Inverse) sum(live *unstructured.Unstructured, keeps []kept, result map[string]any, t three) {
	who := since(inv.write.Written, live)
	others := who.without(inv.manager)
	for _, k := range keeps {
		inv.Kept = append(inv.Kept, others.kept(k.at, k.with))
	}
	slices.SortFunc(inv.Kept, func(a, b Kept) int { return strings.Compare(a.Path, b.Path) })
	goes := noPaths() // what the write changes
	inv.kind.compare(nil, t.live, result, goes)
	back := !goes.empty()
	differs := noPaths()
	inv.kind.compare(nil, t.before, t.live, differs)
	for _, at := range inv.changed.top() {
		if differs.reaches(at) || inv.stays.reaches(at) || goes.reaches(at) {
			continue
		}
		if by := who.kept(at, at); by.Manager != inv.manager {
			inv.Already = append(inv.Already, by)
		} else {
			back = true // by an earlier try
		}
	}
	switch {
	case len(inv.Kept) == 0:
		inv.Extent = All
	case back:
		inv.Extent = Part
	default:
		inv.Extent = None
	}
}

// Changed lists the fields in which two states of an object differ, without what only the server sets. A field that
// is new or gone is listed without what is in it.
func Changed(before, after *unstructured.Unstructured, types Types) []string {
	of := after
	if of == nil {
		of = before
	}
	differ := noPaths()
	kindOf(types, of).compare(nil, content(before), content(after), differ)
	return texts(differ)
}

// Foreign lists what others have changed in an object since this run wrote it: for an object that this run created,
// what would be lost with it.
func Foreign(w Write, live *unstructured.Unstructured, types Types) []Kept {
	differ := noPaths()
	kindOf(types, live).compare(nil, content(w.Written), content(live), differ)
	who := since(w.Written, live)
	var all []Kept
	for _, at := range differ.top() {
		all = append(all, who.kept(at, at))
	}
	return all
}

func texts(p paths) []string {
	var all []string
	for _, at := range p.top() {
		all = append(all, Text(at))
	}
	return all
}
