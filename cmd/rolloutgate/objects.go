package main

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/readiness"
)

// objectRow is an entry of the config file's list of objects.
type objectRow struct {
	gate.ObjectRow
	criteria    []*yaml.Node          // the names of its criteria
	expressions map[string]*yaml.Node // by key
}

// readObjects reads the value of objects:.
func readObjects(file string, value *yaml.Node) ([]objectRow, error) {
	r := &tableReader{file: file, table: objectsKey}
	value = behindAlias(value)
	if value.Kind != yaml.SequenceNode || len(value.Content) == 0 {
		r.fault(value, "not a list of objects", "write one in a line, such as - {kind: Job, wait: false}")
		return nil, errors.Join(r.errs...)
	}
	var rows []objectRow
	for _, entry := range value.Content {
		rows = append(rows, r.object(behindAlias(entry)))
	}
	return rows, errors.Join(r.errs...)
}

// object reads an entry of the list.
func (r *tableReader) object(node *yaml.Node) objectRow {
	row := objectRow{ObjectRow: gate.ObjectRow{File: r.file, Line: node.Line}, expressions: map[string]*yaml.Node{}}
	said := 0 // what the entry wants of those that it matches
	option := func(read func(key, value *yaml.Node)) func(key, value *yaml.Node) {
		return func(key, value *yaml.Node) { said++; read(key, value) }
	}
	before := len(r.errs)
	there := r.mapping("an object", node, []tableField{
		{"kind", r.word(&row.Kind)},
		{"group", func(_, value *yaml.Node) {
			if value.Kind != yaml.ScalarNode {
				r.fault(value, "group: not a single value", "write the API group, such as apps; that of Services and ConfigMaps is \"\"")
			}
			group := value.Value
			row.Group = &group
		}},
		{"name", func(key, value *yaml.Node) {
			r.word(&row.Name)(key, value)
			if _, err := path.Match(row.Name, ""); err != nil {
				r.fault(value, fmt.Sprintf("name: %q is no pattern", row.Name), "write a name, or a part of one with *, such as web-*")
			}
		}},
		{"namespace", r.word(&row.Namespace)},
		{"wait", option(r.truth(&row.Wait))},
		{"timeout", option(func(_, value *yaml.Node) { row.Timeout = r.duration("timeout", value) })},
		{"undo", option(r.truth(&row.Undo))},
		{"criteria", option(func(_, value *yaml.Node) {
			row.Criteria = []string{}
			row.criteria = r.list("criteria", value)
			for _, name := range row.criteria {
				row.Criteria = append(row.Criteria, name.Value)
			}
		})},
		{"ready", option(r.expression(&row, &row.Readiness.Ready))},
		{"failed", option(r.expression(&row, &row.Readiness.Failed))},
		{"message", option(r.expression(&row, &row.Readiness.Message))},
	})
	switch {
	case !there || len(r.errs) > before:
	case row.Kind == "":
		r.fault(node, "an entry without a kind", "say which objects it is for, such as kind: Deployment")
	case said == 0:
		r.fault(node, "an entry that says nothing of its objects", "it needs one of wait, timeout, undo, criteria, ready and failed")
	case strings.Contains(row.Kind, "/"):
		r.fault(node, fmt.Sprintf("%q is no kind", row.Kind), "write kind and group apart: {kind: Deployment, group: apps}")
	}
	if len(row.expressions) > 0 && len(r.errs) == before {
		if _, err := readiness.Compile(row.Readiness, row.File); err != nil {
			r.errs = append(r.errs, row.wrong(err))
		}
	}
	return row
}

// expression reads one of those that say how far an object is.
func (r *tableReader) expression(row *objectRow, into *string) func(key, value *yaml.Node) {
	return func(key, value *yaml.Node) {
		r.word(into)(key, value)
		row.expressions[key.Value] = value
	}
}

// wrong is an error about an expression at its place in the file.
func (row objectRow) wrong(err error) error {
	text, hint, _ := strings.Cut(err.Error(), "\n  hint: ")
	at := &yaml.Node{Line: row.Line}
	var e *readiness.Error
	if errors.As(err, &e) && row.expressions[e.Key] != nil {
		at = row.expressions[e.Key]
	}
	return &analysis.SpecError{File: row.File, Line: at.Line, Column: at.Column, Text: "reading objects: " + text, Hint: hint}
}

func (r *tableReader) word(into *string) func(key, value *yaml.Node) {
	return func(key, value *yaml.Node) {
		if value.Kind != yaml.ScalarNode || isNull(value) || value.Value == "" {
			r.fault(value, key.Value+": not a single value", "write a value behind the colon, or remove the key")
			return
		}
		*into = value.Value
	}
}

func (r *tableReader) truth(into **bool) func(key, value *yaml.Node) {
	return func(key, value *yaml.Node) {
		if value.Kind != yaml.ScalarNode || value.Tag != "!!bool" {
			r.fault(value, fmt.Sprintf("%s: %q is not true or false", key.Value, value.Value), "write "+key.Value+": false")
			return
		}
		var is bool
		_ = value.Decode(&is) // it has the tag
		*into = &is
	}
}

// list reads a list of words.
func (r *tableReader) list(name string, value *yaml.Node) []*yaml.Node {
	if value.Kind != yaml.SequenceNode {
		r.fault(value, name+": not a list", "write a list, such as "+name+": [errors]; an empty one stands for none")
		return nil
	}
	var words []*yaml.Node
	for _, item := range value.Content {
		if item = behindAlias(item); item.Kind != yaml.ScalarNode || isNull(item) {
			r.fault(item, name+": not a single value", "write a name in each place of the list")
			continue
		}
		words = append(words, item)
	}
	return words
}

// rows are the entries as a gate takes them. The error is about criteria that there are not.
func (o *options) rows(criteria []analysis.Criterion) ([]gate.ObjectRow, error) {
	names := criteriaNames(criteria)
	var rows []gate.ObjectRow
	var errs []error
	for _, row := range o.objectRows {
		rows = append(rows, row.ObjectRow)
		for _, node := range row.criteria {
			if err := gate.UnknownCriterion(node.Value, names); err != nil {
				text, hint, _ := strings.Cut(err.Error(), "\n  hint: ")
				errs = append(errs, &analysis.SpecError{File: row.File, Line: node.Line, Column: node.Column, Text: "reading objects: " + text, Hint: hint})
			}
		}
	}
	return rows, errors.Join(errs...)
}

func criteriaNames(criteria []analysis.Criterion) []string {
	var names []string
	for _, c := range criteria {
		names = append(names, c.Name)
	}
	return names
}

// unmatched are remarks about entries that match none of the objects.
func unmatched(rows []gate.ObjectRow, objects []manifest.Object, namespace string) []string {
	var refs []manifest.Ref
	for _, object := range objects {
		ref := object.Ref()
		if ref.Namespace == "" {
			ref.Namespace = namespace
		}
		refs = append(refs, ref)
	}
	var notes []string
	for _, row := range gate.Unmatched(rows, refs) {
		notes = append(notes, fmt.Sprintf("%s:%d: this entry of objects matches none of the manifests", row.File, row.Line))
	}
	return notes
}
