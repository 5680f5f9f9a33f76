package manifest

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// compare holds a value against the tree of what is written: every key and every text of the file is in the value, under
// its own name. Otherwise a value would be lost or renamed without a word: of two equal keys the last one wins; YAML 1.1
// reads the keys y, on and 0755 as true, true and 493; and in kubectl's reader a merge overwrites the keys above it.
func (d document) compare(n *yaml.Node, value any) error {
	if n.Kind == yaml.AliasNode {
		return nil // what it stands for is compared where it is written
	}
	if e := d.tag(n); e != nil {
		return e
	}
	switch value := value.(type) {
	case map[string]any:
		if n.Kind == yaml.MappingNode {
			return d.compareMapping(n, value)
		}
	case []any:
		if n.Kind != yaml.SequenceNode || len(n.Content) != len(value) {
			break
		}
		for i, item := range n.Content {
			if err := d.compare(item, value[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		if n.Kind == yaml.ScalarNode && n.Value == value {
			return nil
		}
	default:
		if n.Kind == yaml.ScalarNode {
			return nil
		}
	}
	return d.ambiguous(n)
}

func (d document) compareMapping(n *yaml.Node, value map[string]any) error {
	names := map[string]*yaml.Node{} // of the keys that are written out
	all := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Tag == mergeTag {
			if e := d.merge(n.Content[i+1], names, all); e != nil {
				return e
			}
			continue
		}
		name, e := d.keyName(key)
		if e != nil {
			return e
		}
		if first, again := names[name]; again {
			return d.problem(key, "", "key %q is already set at line %d; the first value would be lost", name, first.Line)
		}
		names[name] = key
		all[name] = true
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolveAlias(n.Content[i])
		if key.Tag == mergeTag {
			continue
		}
		inner, present := value[key.Value]
		if !present {
			return d.ambiguous(key)
		}
		if err := d.compare(n.Content[i+1], inner); err != nil {
			return err
		}
	}
	if len(value) != len(all) {
		return d.ambiguous(n)
	}
	return nil
}

const mergeTag = "!!merge"

// merge notes the keys that a merge brings. A key that is written above the merge would be overwritten by it.
func (d document) merge(from *yaml.Node, names map[string]*yaml.Node, all map[string]bool) *Error {
	from = resolveAlias(from)
	if from.Kind == yaml.SequenceNode {
		for _, item := range from.Content {
			if e := d.merge(item, names, all); e != nil {
				return e
			}
		}
		return nil
	}
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		if key.Tag == mergeTag {
			if e := d.merge(from.Content[i+1], names, all); e != nil {
				return e
			}
			continue
		}
		name, e := d.keyName(key)
		if e != nil {
			return e
		}
		if written, above := names[name]; above {
			return d.problem(written, "put the line with << first", "key %q is overwritten by a merge (<<) below it", name)
		}
		all[name] = true
	}
	return nil
}

// keyName is the name of a key in the value.
func (d document) keyName(n *yaml.Node) (string, *Error) {
	key := resolveAlias(n)
	if key.Kind != yaml.ScalarNode {
		return "", d.problem(n, strayHint(d.row(n.Line-d.line+1)), "a key must be a text, not a list or an object")
	}
	if e := d.tag(key); e != nil {
		return "", e
	}
	if key.Style == 0 && strings.Trim(key.Value, "\u00a0") != key.Value {
		return "", d.problem(n, spaceHint, "key %q begins or ends with a non-breaking space", key.Value)
	}
	if key.Style&^yaml.TaggedStyle != 0 || key.Tag == "!!str" && key.Style&yaml.TaggedStyle != 0 || !mayBeTyped(key.Value) {
		return key.Value, nil
	}
	typed, err := sigsyaml.YAMLToJSON([]byte(key.Value + ": 0\n"))
	if err != nil {
		return "", d.problem(n, quotesHint, "key %q cannot be a key: YAML does not read it as a text", key.Value)
	}
	var name map[string]any
	if err := json.Unmarshal(typed, &name); err != nil || len(name) != 1 {
		return "", d.ambiguous(n)
	}
	for name := range name {
		if name != key.Value {
			return "", d.problem(n, quotesHint, "key %s would become %q: YAML does not read it as a text", key.Value, name)
		}
	}
	return key.Value, nil
}

// mayBeTyped says whether YAML 1.1 may read a plain scalar as something else than a text: go.yaml.in/yaml/v2, resolve.go.
func mayBeTyped(s string) bool {
	return s == "" || strings.ContainsRune("0123456789+-.", rune(s[0])) || len(s) <= len("false") && strings.ContainsRune("yYnNtTfFoO~", rune(s[0]))
}

// tag refuses the tags that kubectl's reader passes over, or decodes to something that JSON cannot hold.
func (d document) tag(n *yaml.Node) *Error {
	if n.Style&yaml.TaggedStyle == 0 {
		return nil
	}
	switch n.Tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!":
		return nil
	}
	hint := "remove it"
	switch n.Tag {
	case "!!binary":
		hint = "write the base64 text without the tag"
	case "!vault":
		hint = "decrypt the value first"
	}
	return d.problem(n, hint, "the tag %s means nothing to Kubernetes", n.Tag)
}

// ambiguous is the error for text that two readers read in two ways.
func (d document) ambiguous(n *yaml.Node) *Error {
	what := "this"
	if n.Kind == yaml.ScalarNode {
		what = fmt.Sprintf("%.40q", n.Value)
	}
	return d.problem(n, "put it in quotes, or write it without anchors and merges", "%s can be read in more than one way", what)
}
