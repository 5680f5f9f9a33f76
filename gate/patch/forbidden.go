package patch

import (
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// An apply does not remove what the API server has added by default, nor what others own: of a Deployment that becomes
// {type: Recreate}, rollingUpdate stays, and the API server then refuses what it has added itself.

// Forbidden removes from merged, the result of Apply, the field that the API server refuses, or, if that field is sent, the other structs
// beside it, the other values beside it, or what else is in it, as far as they are not sent and nobody but manager owns anything in them; with force, whoever owns them.
// path is as API servers write it: spec.template.spec.containers[0].livenessProbe.tcpSocket. It tells whether
// something was removed.
func Forbidden(merged, sent *unstructured.Unstructured, path, manager string, force bool, types Types) bool {
	owners := entriesOf(merged)
	may := func(at fieldpath.Path) bool {
		return force || !slices.ContainsFunc(owners, func(e entry) bool { return e.Manager != manager && e.owns(at) })
	}
	return forbidden(kindOf(types, merged), nil, merged.Object, sent.Object, steps(path), may)
}

func forbidden(k kind, at fieldpath.Path, merged, sent any, path []string, may func(fieldpath.Path) bool) bool {
	if len(path) == 0 {
		return false
	}
	if l, ok := k.listing(merged, absent{}); ok {
		items, _ := merged.([]any)
		n, err := strconv.Atoi(path[0])
		if err != nil || n < 0 || n >= len(items) {
			return false
		}
		key, ok := k.keyOf(l, items[n])
		ours, fits := k.byKey(l, sent)
		if !ok || !fits {
			return false
		}
		is, several := ours.at(key)
		return !several && forbidden(k.item(l), into(at, key), items[n], is, path[1:], may)
	}
	m, ok := k.mapping(merged, sent)
	has, isMap := merged.(map[string]any)
	if !ok || !isMap {
		return false
	}
	ours, _ := sent.(map[string]any)
	name := path[0]
	_, is := has[name]
	_, sends := ours[name]
	if is && sends && len(path) > 1 {
		return forbidden(k.field(m, name), into(at, fieldpath.FieldNameElement(name)), has[name], ours[name], path[1:], may)
	}
	if len(at) == 0 {
		return false // the object itself
	}
	remove := func(meant func(other string) bool) (removed bool) {
		for other := range has {
			if _, inSent := ours[other]; !inSent && meant(other) && may(into(at, fieldpath.FieldNameElement(other))) {
				delete(has, other)
				removed = true
			}
		}
		return removed
	}
	if !sends {
		return remove(func(other string) bool { return other == name })
	}
	if remove(func(other string) bool { _, isStruct := has[other].(map[string]any); return isStruct }) ||
		remove(func(string) bool { return true }) {
		return true
	}
	inner, isStruct := has[name].(map[string]any)
	if !isStruct {
		return false
	}
	for other := range inner { // two members of a union: valueFrom has a fieldRef and a secretKeyRef
		path = []string{name, other}
		if forbidden(k, at, merged, sent, path, may) {
			return true
		}
	}
	return false
}

// steps takes a path of a validation error apart.
func steps(path string) []string {
	path = strings.NewReplacer("[", ".", "]", "").Replace(path)
	return strings.Split(strings.TrimPrefix(path, "."), ".")
}
