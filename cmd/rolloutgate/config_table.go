package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// tableReader reads a table of the config file, and collects what is wrong with it.
type tableReader struct {
	file, table string
	errs        []error
}

// tableField is a key of a mapping, and what reads its value.
type tableField struct {
	name string
	read func(key, value *yaml.Node)
}

func behindAlias(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		return node.Alias
	}
	return node
}

func (r *tableReader) fault(at *yaml.Node, text, hint string) {
	r.errs = append(r.errs, &analysis.SpecError{File: r.file, Line: at.Line, Column: at.Column, Text: "reading " + r.table + ": " + text, Hint: hint})
}

func (r *tableReader) duration(name string, value *yaml.Node) time.Duration {
	d, err := time.ParseDuration(value.Value)
	if value.Kind != yaml.ScalarNode || err != nil || d <= 0 {
		r.fault(value, fmt.Sprintf("%s: %q is not a duration", name, value.Value), "write a duration such as 30s or 10m")
		return 0
	}
	return d
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

// mapping hands each value to what reads it. It returns whether there was a mapping to read.
func (r *tableReader) mapping(what string, node *yaml.Node, fields []tableField) bool {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	node = behindAlias(node)
	if node.Kind != yaml.MappingNode {
		r.fault(node, what+" is not a mapping", "write it as lines of 'key: value'; known keys are "+strings.Join(names, ", "))
		return false
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		n := slices.Index(names, key.Value)
		switch {
		case n < 0:
			hint := "known keys are " + strings.Join(names, ", ")
			if near := analysis.Closest(key.Value, names); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			r.fault(key, fmt.Sprintf("unknown key %q in %s", key.Value, what), hint)
		case seen[key.Value]:
			r.fault(key, fmt.Sprintf("the key %q is there twice in %s", key.Value, what), "remove one of them")
		default:
			fields[n].read(key, behindAlias(node.Content[i+1]))
		}
		seen[key.Value] = true
	}
	return true
}
