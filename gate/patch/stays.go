package patch

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Stays lists what will be in an object beside what is sent because another manager owns it: items of the lists and
// keys of the maps that are sent (variables, ports, labels, keys of a ConfigMap). after is the object as it will be,
// with its owners. Controllers of Kubernetes itself are left out, and annotations of the object, of which every tool
// has its own. ignore names managers to leave out as well.
func Stays(after, sent *unstructured.Unstructured, types Types, ignore ...string) []Kept {
	others := slices.DeleteFunc(entriesOf(after), func(e entry) bool {
		return e.Subresource != "" || slices.Contains(ignore, e.Manager) || slices.Contains(controlPlane, e.Manager)
	})
	if len(others) == 0 {
		return nil // as mostly, and the schemas of the built-in kinds take a third of a second to read
	}
	k := kindOf(types, after)
	seen := noPaths()
	var all []Kept
	for _, e := range others {
		for at := range e.set.Leaves().All() {
			extra := k.extra(nil, at, after.Object, sent.Object)
			if extra == nil || seen.has(extra) || ofTools(extra) {
				continue
			}
			seen.add(extra)
			stays := Kept{Path: Text(extra), Manager: e.Manager}
			if e.Time != nil {
				stays.Time = e.Time.Time
			}
			all = append(all, stays)
		}
	}
	slices.SortFunc(all, func(a, b Kept) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// controlPlane are the managers that Kubernetes' own components write with.
var controlPlane = []string{"kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver", "cloud-controller-manager"}

// ofTools are metadata that tools keep for themselves.
func ofTools(at fieldpath.Path) bool {
	text := Text(at)
	return strings.HasPrefix(text, "metadata.annotations") || strings.HasPrefix(text, "metadata.finalizers") ||
		strings.HasPrefix(text, "metadata.ownerReferences") || strings.HasSuffix(text, "[kubectl.kubernetes.io/restartedAt]")
}

// extra follows the path as far as both have it, and returns the path of the item or key that only after has; nil
// when there is none, or when what is missing is a field of a struct, of which nobody sends all.
func (k kind) extra(at, rest fieldpath.Path, after, sent any) fieldpath.Path {
	if len(rest) == 0 {
		return nil
	}
	e := rest[0]
	if m, ok := k.mapping(after, sent); ok && e.FieldName != nil {
		has, _ := after.(map[string]any)
		ours, _ := sent.(map[string]any)
		name := *e.FieldName
		is, sends := ours[name]
		if _, there := has[name]; !there {
			return nil
		}
		if sends {
			return k.field(m, name).extra(into(at, e), rest[1:], has[name], is)
		}
		if _, isStructField := m.FindField(name); isStructField || len(m.Fields) > 0 || ours == nil {
			return nil
		}
		return into(at, e)
	}
	if l, ok := k.listing(after, sent); ok {
		has, fits := k.byKey(l, after)
		ours, fit := k.byKey(l, sent)
		if !fits || !fit {
			return nil
		}
		there, _ := has.at(e)
		if _, gone := there.(absent); gone {
			return nil
		}
		is, several := ours.at(e)
		if _, missing := is.(absent); missing {
			return into(at, e)
		}
		if !several {
			return k.item(l).extra(into(at, e), rest[1:], there, is)
		}
	}
	return nil
}
