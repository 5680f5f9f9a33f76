package patch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// paths is a set of fields. A field that is one value stands for all that is in it.
type paths struct {
	all   *fieldpath.Set
	whole *fieldpath.Set
}

func noPaths() paths { return paths{fieldpath.NewSet(), fieldpath.NewSet()} }

func (p paths) empty() bool { return p.all.Empty() }

// add adds a field without what is in it.
func (p paths) add(at fieldpath.Path) { p.all.Insert(at.Copy()) }

// addWhole adds a field with everything in it.
func (p paths) addWhole(at fieldpath.Path) {
	p.all.Insert(at.Copy())
	p.whole.Insert(at.Copy())
}

func (p paths) has(at fieldpath.Path) bool {
	if p.all.Has(at) {
		return true
	}
	for i := 1; i < len(at); i++ {
		if p.whole.Has(at[:i]) {
			return true
		}
	}
	return false
}

// reaches tells whether the field itself or one in it is in the set.
func (p paths) reaches(at fieldpath.Path) bool { return p.has(at) || reaches(p.all, at) }

// reaches tells whether a set has fields in the field.
func reaches(set *fieldpath.Set, at fieldpath.Path) bool {
	for _, e := range at {
		var ok bool
		if set, ok = set.Children.Get(e); !ok {
			return false
		}
	}
	return !set.Empty()
}

// top returns the outermost fields of the set, sorted.
func (p paths) top() []fieldpath.Path {
	var top []fieldpath.Path
	for at := range p.all.All() {
		if !p.inside(at) {
			top = append(top, at.Copy())
		}
	}
	slices.SortFunc(top, fieldpath.Path.Compare)
	return top
}

// inside tells whether a field is in one of the set.
func (p paths) inside(at fieldpath.Path) bool {
	for i := 1; i < len(at); i++ {
		if p.all.Has(at[:i]) {
			return true
		}
	}
	return false
}

// within tells whether a path is that of a field in another, or the same.
func within(at, outer fieldpath.Path) bool {
	return len(at) >= len(outer) && at[:len(outer)].Equals(outer)
}

// into is the path of something in the field.
func into(at fieldpath.Path, e fieldpath.PathElement) fieldpath.Path {
	return append(at[:len(at):len(at)], e)
}

// Text writes a path as findings have it: spec.template.spec.containers[name=app].image,
// metadata.labels[app.kubernetes.io/name]. manifest.Object.Locate reads it.
func Text(at fieldpath.Path) string {
	var b strings.Builder
	for i, e := range at {
		switch {
		case e.FieldName != nil && plainName(*e.FieldName):
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(*e.FieldName)
		case e.FieldName != nil:
			fmt.Fprintf(&b, "[%s]", quoted(*e.FieldName))
		case e.Key != nil:
			b.WriteByte('[')
			for j, f := range *e.Key {
				if j > 0 {
					b.WriteByte(',')
				}
				b.WriteString(f.Name + "=" + scalar(f.Value))
			}
			b.WriteByte(']')
		case e.Value != nil:
			fmt.Fprintf(&b, "[=%s]", scalar(*e.Value))
		case e.Index != nil:
			fmt.Fprintf(&b, "[%d]", *e.Index)
		}
	}
	return b.String()
}

// plainName tells a name that can stand after a dot.
func plainName(s string) bool { return s != "" && !strings.ContainsAny(s, `.[]\"'=,/ `) }

func scalar(v value.Value) string {
	if v.IsString() {
		return quoted(v.AsString())
	}
	return fmt.Sprint(v.Unstructured())
}

// quoted puts quotes around what would end or divide the brackets, or would be read as a number.
func quoted(s string) string {
	if _, err := strconv.Atoi(s); err != nil && s != "" && !strings.ContainsAny(s, `[]\"'=, `) {
		return s
	}
	text, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return string(text)
}
