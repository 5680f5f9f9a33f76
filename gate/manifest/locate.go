package manifest

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Locate returns the line at which a field of the object is written. If the field is not there, exact is false and
// the line is that of the nearest thing around it that is, in the end the object itself. The line is 0 only if the
// object's own place is unknown.
//
// Paths look like spec.template.spec.containers[name=app].image; see parsePath for all that is understood. For an
// item of a list the line is where the item begins, for a field the line of its key. Aliases and merge keys are
// followed, so the line can be that of an anchor above. In an object from a kustomization the lines are those of the
// resource file that it was built from, which need not hold what a patch or a transformer added.
func (o Object) Locate(fieldPath string) (line int, exact bool) {
	line = o.Source.Line
	if o.node == nil {
		return line, false
	}
	steps, complete := parsePath(strings.TrimSpace(fieldPath))
	at := resolveAlias(o.node)
	for len(steps) > 0 {
		next, found, used := descend(at, steps)
		if next == nil {
			return line, false
		}
		line = found
		at = resolveAlias(next)
		steps = steps[used:]
	}
	return line, complete
}

// descend takes as many steps as one node needs: one, or more for a key with unescaped dots in it.
func descend(at *yaml.Node, steps []step) (next *yaml.Node, line, used int) {
	if at == nil {
		return nil, 0, 0
	}
	s := steps[0]
	switch at.Kind {
	case yaml.MappingNode:
		if !s.keyed && s.match == nil && !s.equal { // [0] in a map is the key "0"
			s.keyed = true
		}
		if !s.keyed {
			return nil, 0, 0
		}
		key := s.key
		for used = 1; ; used++ {
			if k, v := entry(at, key, maxMerges); v != nil {
				return v, k.Line, used
			}
			if !s.bare || used >= len(steps) || !steps[used].bare {
				return nil, 0, 0
			}
			key += "." + steps[used].key
		}
	case yaml.SequenceNode:
		if item := pick(at.Content, s); item != nil {
			return item, item.Line, 1
		}
	}
	return nil, 0, 0
}

// pick finds the item of a list that a step means.
func pick(items []*yaml.Node, s step) *yaml.Node {
	switch {
	case s.keyed:
		s.match = []field{{"name", s.key}}
	case s.match == nil && !s.equal:
		if s.index < len(items) {
			return items[s.index]
		}
		return nil
	}
	for _, item := range items {
		node := resolveAlias(item)
		if s.equal && node.Kind == yaml.ScalarNode && node.Value == s.value {
			return item
		}
		if s.match != nil && matches(node, s.match) {
			return item
		}
	}
	return nil
}

// matches says whether an item has the fields. A field that the manifest leaves to its default (the protocol of a
// port) does not speak against the item, as long as another one speaks for it.
func matches(item *yaml.Node, fields []field) bool {
	found := false
	for _, f := range fields {
		value := resolveAlias(child(item, f.key))
		if value == nil {
			continue
		}
		if value.Kind != yaml.ScalarNode || value.Value != f.value {
			return false
		}
		found = true
	}
	return found
}

// maxMerges bounds how deep merge keys are followed, since an anchor can contain itself.
const maxMerges = 16

// child is the value of a key of a mapping; nil if there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	_, value := entry(resolveAlias(n), key, maxMerges)
	return value
}

// entry finds a key of a mapping, or else of the mappings merged into it.
func entry(n *yaml.Node, key string, merges int) (k, v *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key && n.Content[i].Kind == yaml.ScalarNode {
			return n.Content[i], n.Content[i+1]
		}
	}
	if merges == 0 {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "<<" {
			continue
		}
		merged := resolveAlias(n.Content[i+1])
		sources := []*yaml.Node{merged}
		if merged != nil && merged.Kind == yaml.SequenceNode {
			sources = merged.Content
		}
		for _, source := range sources {
			if k, v := entry(resolveAlias(source), key, merges-1); v != nil {
				return k, v
			}
		}
	}
	return nil, nil
}

// resolveAlias is what an alias stands for, or the node itself.
func resolveAlias(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
