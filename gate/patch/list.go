package patch

import (
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// keyed is a list taken apart by the keys of its items. The API server tolerates several items with one key (two
// variables of one name); they stay together and are one value.
type keyed struct {
	order []fieldpath.PathElement // each key once, where its first item stands
	items fieldpath.PathElementMap
}

// byKey takes a list apart; an absent one is empty. It fails for items that have no key, which only a schema that
// does not fit can bring about.
func (k kind) byKey(l *schema.List, list any) (keyed, bool) {
	out := keyed{items: fieldpath.MakePathElementMap(0)}
	items, _ := list.([]any)
	for _, item := range items {
		key, ok := k.keyOf(l, item)
		if !ok {
			return keyed{}, false
		}
		if group, seen := out.items.Get(key); seen {
			out.items.Insert(key, append(group.([]any), item))
			continue
		}
		out.order = append(out.order, key)
		out.items.Insert(key, []any{item})
	}
	return out, true
}

func (k kind) keyOf(l *schema.List, item any) (fieldpath.PathElement, bool) {
	if len(l.Keys) == 0 {
		switch item.(type) {
		case nil, map[string]any, []any:
			return fieldpath.PathElement{}, false
		}
		return fieldpath.ValueElement(value.NewValueInterface(item)), true
	}
	fields, ok := item.(map[string]any)
	if !ok {
		return fieldpath.PathElement{}, false
	}
	var key value.FieldList
	for _, name := range l.Keys {
		v, ok := fields[name]
		if !ok {
			if v = k.defaultOf(l, name); v == nil {
				continue // as the API server does it: a key without this field is another key
			}
		}
		key = append(key, value.Field{Name: name, Value: value.NewValueInterface(v)})
	}
	key.Sort()
	return fieldpath.PathElement{Key: &key}, len(key) > 0
}

func (k kind) defaultOf(l *schema.List, name string) any {
	atom, ok := k.schema.Resolve(l.ElementType)
	if !ok || atom.Map == nil {
		return nil
	}
	f, _ := atom.Map.FindField(name)
	return f.Default
}

// at returns the items of one key: absent, one item, or several as one value.
func (l keyed) at(key fieldpath.PathElement) (v any, several bool) {
	group, ok := l.items.Get(key)
	if !ok {
		return absent{}, false
	}
	if items := group.([]any); len(items) > 1 {
		return items, true
	}
	return group.([]any)[0], false
}

// keysOf returns each key of several lists once.
func keysOf(lists ...keyed) []fieldpath.PathElement {
	var all []fieldpath.PathElement
	seen := fieldpath.MakePathElementSet(0)
	for _, l := range lists {
		for _, key := range l.order {
			if !seen.Has(key) {
				seen.Insert(key)
				all = append(all, key)
			}
		}
	}
	return all
}

// arrange puts keys into the order of before, unless somebody has changed the order since: then live's is kept. Keys
// that the leading list does not have come after the one that they follow in the other.
func arrange(before, written, live keyed, in fieldpath.PathElementSet) []fieldpath.PathElement {
	was, wrote, is := only(before.order, in), only(written.order, in), only(live.order, in)
	out, other := was, is
	if !sameOrder(wrote, is) || sameOrder(was, wrote) {
		out, other = is, was
	}
	for i, key := range other {
		if index(out, key) >= 0 {
			continue
		}
		place := 0
		for j := i - 1; j >= 0; j-- {
			if p := index(out, other[j]); p >= 0 {
				place = p + 1
				break
			}
		}
		out = slices.Insert(out, place, key)
	}
	return out
}

func only(keys []fieldpath.PathElement, in fieldpath.PathElementSet) []fieldpath.PathElement {
	return slices.DeleteFunc(slices.Clone(keys), func(key fieldpath.PathElement) bool { return !in.Has(key) })
}

// sameOrder compares the order of the keys that both have.
func sameOrder(a, b []fieldpath.PathElement) bool {
	last := -1
	for _, key := range a {
		i := index(b, key)
		if i < 0 {
			continue
		}
		if i < last {
			return false
		}
		last = i
	}
	return true
}

func index(keys []fieldpath.PathElement, key fieldpath.PathElement) int {
	return slices.IndexFunc(keys, key.Equals)
}
