package prometheus

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// decoder reads nodes and collects mistakes, so that one run shows all of
// them. No mistake repeats a value: a secret may stand in the wrong place.
type decoder struct {
	file string
	errs []error
}

func (d *decoder) fault(at *yaml.Node, text, hint string) {
	d.errs = append(d.errs, &analysis.SpecError{File: d.file, Line: at.Line, Column: at.Column, Text: text, Hint: hint})
}

// field is one key of a mapping and what to do with its value.
type field struct {
	name string
	read func(path string, value *yaml.Node)

	// advice makes the key one that people expect and that is refused.
	advice string
}

// mapping hands each value of a mapping to the reader of its key, and returns
// the keys that were there.
func (d *decoder) mapping(path string, node *yaml.Node, fields []field) map[string]*yaml.Node {
	node = resolve(node)
	present := map[string]*yaml.Node{}
	if node.Kind != yaml.MappingNode {
		d.fault(node, "reading "+path+": not a mapping", "write it as lines of 'key: value'; known keys are "+strings.Join(knownKeys(fields), ", "))
		return present
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], resolve(node.Content[i+1])
		n := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		switch {
		case n < 0:
			hint := "known keys are " + strings.Join(knownKeys(fields), ", ")
			if near := analysis.Closest(key.Value, knownKeys(fields)); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			d.fault(key, fmt.Sprintf("reading %s: unknown key %q", path, key.Value), hint)
		case fields[n].advice != "":
			d.fault(key, fmt.Sprintf("reading %s: the key %q is not allowed", path, key.Value), fields[n].advice)
		case present[key.Value] != nil:
			d.fault(key, fmt.Sprintf("reading %s: the key %q is there twice", path, key.Value), "remove one of them")
		default:
			fields[n].read(path+"."+key.Value, value)
		}
		present[key.Value] = key
	}
	return present
}

func knownKeys(fields []field) []string {
	var names []string
	for _, f := range fields {
		if f.advice == "" {
			names = append(names, f.name)
		}
	}
	return names
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

// expandable reads a value that may hold ${env.NAME}.
func (d *decoder) expandable(into *string) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		d.text(into)(path, value)
		if _, err := expand(*into, func(string) string { return "x" }); err != nil {
			d.fault(value, "reading "+path+": "+err.Error(), "write ${env.NAME} for an environment variable")
		}
	}
}

func (d *decoder) texts(into *[]string, hint string) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		if value.Kind != yaml.SequenceNode || len(value.Content) == 0 {
			d.fault(value, "reading "+path+": not a list", hint)
			return
		}
		list := make([]string, len(value.Content))
		for i, item := range value.Content {
			d.text(&list[i])(fmt.Sprintf("%s[%d]", path, i), resolve(item))
		}
		*into = list
	}
}

func (d *decoder) table(into *map[string]string, check func(path string, key, value *yaml.Node)) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		var fields []field
		entries := map[string]*string{}
		if value.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(value.Content); i += 2 {
				key, entry := value.Content[i], resolve(value.Content[i+1])
				entries[key.Value] = new(string)
				fields = append(fields, field{name: key.Value, read: d.expandable(entries[key.Value])})
				check(path+"."+key.Value, key, entry)
			}
		}
		d.mapping(path, value, fields)
		*into = map[string]string{}
		for name, entry := range entries {
			(*into)[name] = *entry
		}
	}
}

// resolve follows a document to its content and an alias to its anchor.
func resolve(node *yaml.Node) *yaml.Node {
	for {
		switch {
		case node.Kind == yaml.DocumentNode && len(node.Content) == 1:
			node = node.Content[0]
		case node.Kind == yaml.AliasNode && node.Alias != nil:
			node = node.Alias
		default:
			return node
		}
	}
}

var (
	variable = regexp.MustCompile(`\$\{[^}]*\}?`)
	envName  = regexp.MustCompile(`^\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}$`)
)

// expand replaces each ${env.NAME}. An unset variable is an error, since an
// empty header or URL would only fail later and say less.
func expand(text string, getenv func(string) string) (string, error) {
	var failed error
	out := variable.ReplaceAllStringFunc(text, func(found string) string {
		name := envName.FindStringSubmatch(found)
		if name == nil {
			failed = fmt.Errorf("%q is not a variable", found)
			return ""
		}
		value := strings.TrimSpace(getenv(name[1]))
		if value == "" {
			failed = fmt.Errorf("the environment variable %s is not set", name[1])
		}
		return value
	})
	return out, failed
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
