package patch

import (
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
)

// merge goes back from written to before in what live has as it was written. It is a merge of three: written is the
// common ancestor, before and live are its two descendants, and where both differ from it live wins.
type merge struct {
	hold   paths // these stay as they are in live
	kept   []kept
	checks []check // what the result has to be asked, once it is there
}

// kept is a field that this run changed and that stays.
type kept struct {
	at fieldpath.Path
	// with is the field that somebody else wrote: the same, one in it, or one that it cannot be parted from.
	with fieldpath.Path
}

// three are the states of one field; each may be absent.
type three struct{ before, written, live any }

func (t three) get(name string) three {
	return three{get(t.before, name), get(t.written, name), get(t.live, name)}
}

// ours tells that this run changed the field.
func (t three) ours() bool { return !equal(t.before, t.written) }

// theirs tells that somebody else has given the field a value of their own since.
func (t three) theirs() bool { return !equal(t.live, t.written) && !equal(t.live, t.before) }

// field returns what a field has to be.
func (m *merge) field(k kind, at fieldpath.Path, t three) any {
	switch {
	case m.hold.has(at):
		return m.keep(at, at, t)
	case !t.ours() || equal(t.live, t.before):
		return t.live
	case equal(t.live, t.written) && !reaches(m.hold.all, at):
		return t.before
	}
	if fields, ok := k.mapping(t.before, t.written, t.live); ok && m.divisible(k, fields, t) {
		return m.mapping(k, fields, at, t)
	}
	if l, ok := k.listing(t.before, t.written, t.live); ok {
		if items, ok := m.listing(k, l, at, t); ok {
			return items
		}
	}
	return m.keep(at, at, t)
}

// divisible tells whether a map can be put together of parts of two states. Where one of them does not have it at
// all, only those can whose keys have nothing to do with each other: half a probe or half a container is none.
func (m *merge) divisible(k kind, fields *schema.Map, t three) bool {
	all := !isAbsent(t.before) && !isAbsent(t.written) && !isAbsent(t.live)
	return all || len(fields.Fields) == 0 || independent(k.name())
}

// keep leaves a field as it is in live, because of what somebody wrote at with.
func (m *merge) keep(at, with fieldpath.Path, t three) any {
	if t.ours() && !equal(t.live, t.before) {
		m.kept = append(m.kept, kept{at, with})
	}
	return t.live
}

func (m *merge) mapping(k kind, fields *schema.Map, at fieldpath.Path, t three) any {
	out := map[string]any{}
	for _, name := range keysOfMaps(t.before, t.written, t.live) {
		v := m.field(k.field(fields, name), into(at, fieldpath.FieldNameElement(name)), t.get(name))
		if !isAbsent(v) {
			out[name] = v
		}
	}
	m.couple(k.name(), fields, at, t, out)
	if c := checkOf(k.name()); c != nil {
		m.checks = append(m.checks, func() []fieldpath.Path { return c(at, out, t) })
	}
	if len(out) == 0 {
		return emptied(t, map[string]any{})
	}
	return out
}

// emptied is what becomes of a map or list of which nothing is left: what it was before, unless live knows better.
func emptied(t three, empty any) any {
	if isAbsent(t.live) || equal(t.live, empty) {
		return t.live
	}
	if isAbsent(t.before) {
		return t.before
	}
	return empty
}

// listing merges lists item by item. It fails where the items have no keys.
func (m *merge) listing(k kind, l *schema.List, at fieldpath.Path, t three) (any, bool) {
	before, ok1 := k.byKey(l, t.before)
	written, ok2 := k.byKey(l, t.written)
	live, ok3 := k.byKey(l, t.live)
	if !ok1 || !ok2 || !ok3 {
		return nil, false
	}
	items := fieldpath.MakePathElementMap(0)
	in := fieldpath.MakePathElementSet(0)
	for _, key := range keysOf(before, written, live) {
		b, severalB := before.at(key)
		w, severalW := written.at(key)
		l1, severalL := live.at(key)
		of, to, several := three{b, w, l1}, into(at, key), severalB || severalW || severalL
		var v any
		if several {
			v = m.several(to, of)
		} else {
			v = m.field(k.item(l), to, of)
		}
		if isAbsent(v) {
			continue
		}
		in.Insert(key)
		if _, isGroup := v.([]any); !isGroup {
			v = []any{v}
		}
		items.Insert(key, v)
	}
	out := []any{}
	for _, key := range arrange(before, written, live, in) {
		group, _ := items.Get(key)
		out = append(out, group.([]any)...)
	}
	if len(out) == 0 {
		return emptied(t, []any{}), true
	}
	return out, true
}

// several decides about items that share a key, as about one value.
func (m *merge) several(at fieldpath.Path, t three) any {
	switch {
	case m.hold.has(at):
		return m.keep(at, at, t)
	case !t.ours() || equal(t.live, t.before):
		return t.live
	case equal(t.live, t.written):
		return t.before
	}
	return m.keep(at, at, t)
}

// keptIn returns the field that somebody wrote and for which a part of the field was kept.
func (m *merge) keptIn(at fieldpath.Path) (fieldpath.Path, bool) {
	i := slices.IndexFunc(m.kept, func(k kept) bool { return within(k.at, at) })
	if i < 0 {
		return nil, false
	}
	return m.kept[i].with, true
}

// drop forgets what was kept in a field, because the field is kept now.
func (m *merge) drop(at fieldpath.Path) {
	m.kept = slices.DeleteFunc(m.kept, func(k kept) bool { return within(k.at, at) })
}
