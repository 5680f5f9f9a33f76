package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	sigsyaml "sigs.k8s.io/yaml"
)

// decode returns the objects of one file, hooks included.
func decode(path string, data []byte) ([]Object, error) { return decodeAs(path, data, false) }

// decodeAs decodes a file whose objects are all hooks, or are what they say.
func decodeAs(path string, data []byte, hooks bool) ([]Object, error) {
	text, err := plainText(path, data)
	if err != nil {
		return nil, err
	}
	var objects []Object
	for _, piece := range split(path, text) {
		docs, isJSON := piece.splitJSON()
		if !isJSON {
			docs = []document{piece}
		}
		for _, doc := range docs {
			doc.hooks = hooks
			found, err := doc.objects(isJSON)
			if err != nil {
				return nil, err
			}
			objects = append(objects, found...)
		}
	}
	return objects, nil
}

// objects decodes one document. The values come from the reader that kubectl uses (YAML 1.1, so that "on" and "yes"
// mean there what they mean here); the tree of another reader supplies the lines, and proves that nothing was lost on
// the way: see compare.
func (d document) objects(isJSON bool) ([]Object, error) {
	root, value, err := d.parse(isJSON)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, nil
	}
	if err := d.compare(root, value); err != nil {
		return nil, err
	}
	content, ok := value.(map[string]any)
	if !ok {
		return nil, d.notAnObject(root, value)
	}
	return d.expand(content, root)
}

// parse reads a document twice: as a tree with lines, and as the value that kubectl would see.
func (d document) parse(isJSON bool) (root *yaml.Node, value any, err error) {
	asJSON := d.text
	if isJSON {
		root = d.jsonTree()
	} else {
		if e := d.unreadable(); e != nil {
			return nil, nil, e
		}
		if root, err = d.tree(); err != nil {
			return nil, nil, d.syntaxError(err)
		}
		if asJSON, err = sigsyaml.YAMLToJSON(d.text); err != nil {
			return nil, nil, d.conversionError(root, err)
		}
	}
	if err := utiljson.Unmarshal(asJSON, &value); err != nil {
		return nil, nil, d.problem(root, "", "reading it as JSON: %s", err)
	}
	return root, value, nil
}

// tree parses the document for its lines. It is an error when anything follows what the document begins with.
func (d document) tree() (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(d.text))
	var node, more yaml.Node
	if err := decoder.Decode(&node); err != nil {
		return nil, err
	}
	switch err := decoder.Decode(&more); {
	case err == nil:
		return nil, fmt.Errorf("yaml: line %d: something follows the end of the document", more.Line)
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	shift(&node, d.line-1)
	return node.Content[0], nil
}

// shift turns the lines of a document into lines of the file. Aliases are not followed: what they stand for is in
// the tree anyway.
func shift(n *yaml.Node, by int) {
	n.Line += by
	for _, child := range n.Content {
		shift(child, by)
	}
}

// notAnObject words what stands where an object is expected.
func (d document) notAnObject(root *yaml.Node, value any) *Error {
	hint := strayHint(text(value))
	if _, isList := value.([]any); isList {
		hint = `several objects are separated by "---", or are the items of a List: {apiVersion: v1, kind: List, items: […]}`
	}
	return d.problem(root, hint, "an object is expected here, with apiVersion, kind and metadata, not %s", describe(value))
}

// problem is an error at a node; without a node, at the document.
func (d document) problem(n *yaml.Node, hint, format string, args ...any) *Error {
	line := d.line
	if n != nil {
		line = n.Line
	}
	return &Error{Path: d.path, Line: line, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// describe names the shape of a value.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a text"
	case bool:
		return fmt.Sprintf("the boolean %v", v)
	case int64:
		return fmt.Sprintf("the number %d", v)
	default:
		return fmt.Sprintf("the number %v", v)
	}
}
