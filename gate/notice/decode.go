package notice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// decoder reads nodes and collects mistakes, so that one look shows all of them. No mistake repeats a value: a secret may
// stand in the wrong place.
type decoder struct {
	file string
	errs []error
}

func (d *decoder) fault(at *yaml.Node, text, hint string) {
	d.errs = append(d.errs, &analysis.SpecError{File: d.file, Line: at.Line, Column: at.Column, Text: text, Hint: hint})
}

// field is one key of a mapping and what reads its value.
type field struct {
	name string
	read func(path string, value *yaml.Node)
}

// mapping hands each value of a mapping to the reader of its key, and returns the keys that were there.
func (d *decoder) mapping(path string, node *yaml.Node, fields []field) []string {
	node = resolve(node)
	var names, present []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	known := "known keys are " + strings.Join(names, ", ")
	if node.Kind != yaml.MappingNode {
		d.fault(node, "reading "+path+": not a mapping", "write it as lines of 'key: value'; "+known)
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], resolve(node.Content[i+1])
		n := slices.Index(names, key.Value)
		switch {
		case n < 0:
			hint := known
			if near := analysis.Closest(key.Value, names); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			d.fault(key, fmt.Sprintf("reading %s: unknown key %q", path, key.Value), hint)
		case slices.Contains(present, key.Value):
			d.fault(key, fmt.Sprintf("reading %s: the key %q is there twice", path, key.Value), "remove one of them")
		default:
			fields[n].read(path+"."+key.Value, value)
		}
		present = append(present, key.Value)
	}
	return present
}

// text reads a value as it stands.
func (d *decoder) text(into *string) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		if value.Kind != yaml.ScalarNode || value.Tag == "!!null" || value.Value == "" {
			d.fault(value, "reading "+path+": not a single value", "write a value behind the colon, or remove the key")
			return
		}
		*into = value.Value
	}
}

// texts reads a list of values, or a single one.
func (d *decoder) texts(into *[]string) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		items := value.Content
		if value.Kind == yaml.ScalarNode {
			items = []*yaml.Node{value}
		}
		if value.Kind == yaml.MappingNode || len(items) == 0 {
			d.fault(value, "reading "+path+": not a list", "write it as [a, b]")
			return
		}
		*into = make([]string, len(items))
		for i, item := range items {
			d.text(&(*into)[i])(fmt.Sprintf("%s[%d]", path, i), resolve(item))
		}
	}
}

func (d *decoder) port(into *int) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		n, err := strconv.Atoi(value.Value)
		if err != nil || n < 1 || n > 65535 {
			d.fault(value, "reading "+path+": not a port", "write a number from 1 to 65535")
		}
		*into = n
	}
}

// word reads one of several words.
func (d *decoder) word(into *string, words ...string) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		d.text(into)(path, value)
		d.oneOf(path, value, *into, words)
	}
}

func (d *decoder) oneOf(path string, at *yaml.Node, value string, words []string) {
	if value == "" || slices.Contains(words, value) {
		return
	}
	hint := "it is one of " + strings.Join(words, ", ")
	if near := analysis.Closest(value, words); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.fault(at, fmt.Sprintf("reading %s: unknown word", path), hint)
}

// named reads where a secret is: the keys nameEnv and nameFile.
func (d *decoder) named(name string, into *named) []field {
	return []field{{name + "Env", d.text(&into.env)}, {name + "File", d.text(&into.file)}}
}

// resolve follows an alias to its anchor.
func resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode && node.Alias != nil {
		node = node.Alias
	}
	return node
}

// exactlyOne demands one of some keys. That none is there is not said where the mapping has another mistake, such as a letter
// that is missing in the key: there were so many before it was read.
func (d *decoder) exactlyOne(before int, path string, node *yaml.Node, present []string, keys ...string) {
	if len(d.errs) == before && !slices.ContainsFunc(keys, func(key string) bool { return slices.Contains(present, key) }) {
		d.fault(node, "reading "+path+": it says nowhere where the address is", "set "+keys[0]+" or "+keys[1])
	}
	d.atMostOne(path, node, present, keys...)
}

func (d *decoder) atMostOne(path string, node *yaml.Node, present []string, keys ...string) {
	both := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !slices.Contains(present, key) })
	if len(both) > 1 {
		d.fault(node, "reading "+path+": "+strings.Join(both, " and ")+" exclude each other", "keep one of them")
	}
}
