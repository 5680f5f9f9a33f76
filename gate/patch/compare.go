package patch

import (
	"maps"
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// equal compares two values of an object, either of which may be absent. 1 and 1.0 are equal; null, empty and absent
// are not.
func equal(a, b any) bool {
	if isAbsent(a) || isAbsent(b) {
		return isAbsent(a) && isAbsent(b)
	}
	return value.Equals(value.NewValueInterface(a), value.NewValueInterface(b))
}

// compare adds to the set every field in which a and b differ. The order of a list that is merged by keys is no field.
func (k kind) compare(at fieldpath.Path, a, b any, differ paths) {
	if equal(a, b) {
		return
	}
	if isAbsent(a) || isAbsent(b) {
		if len(at) > 0 {
			differ.add(at)
		}
	}
	if m, ok := k.mapping(a, b); ok {
		for _, name := range keysOfMaps(a, b) {
			k.field(m, name).compare(into(at, fieldpath.FieldNameElement(name)), get(a, name), get(b, name), differ)
		}
		return
	}
	if l, ok := k.listing(a, b); ok {
		before, fits := k.byKey(l, a)
		after, fit := k.byKey(l, b)
		if fits && fit {
			for _, key := range keysOf(before, after) {
				x, severalX := before.at(key)
				y, severalY := after.at(key)
				switch to := into(at, key); {
				case !severalX && !severalY:
					k.item(l).compare(to, x, y, differ)
				case !equal(x, y):
					differ.addWhole(to)
				}
			}
			return
		}
	}
	differ.addWhole(at)
}

// get reads a key of a map that may be absent.
func get(m any, name string) any {
	if fields, ok := m.(map[string]any); ok {
		if v, ok := fields[name]; ok {
			return v
		}
	}
	return absent{}
}

// keysOfMaps returns the keys of all maps, sorted.
func keysOfMaps(all ...any) []string {
	names := map[string]bool{}
	for _, m := range all {
		fields, _ := m.(map[string]any)
		for name := range fields {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
