package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	sigsyaml "sigs.k8s.io/yaml"
)

// document is one YAML or JSON document of a file.
type document struct {
	path string
	text []byte
	line int // of the document's first line in the file, counted from 1
}

// decode returns the objects of one file.
func decode(path string, data []byte) ([]Object, error) {
	var objects []Object
	for _, doc := range split(path, data) {
		found, err := doc.objects()
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// split cuts a file into documents. JSON documents may follow one another without a separator, as kubectl allows.
func split(path string, data []byte) []document {
	if docs, ok := splitJSON(path, data); ok {
		return docs
	}
	var docs []document
	line, start, startLine := 1, 0, 1
	cut := func(end, next int) {
		if meaningful(data[start:end]) {
			docs = append(docs, document{path: path, text: data[start:end], line: startLine})
		}
		start, startLine = end, next
	}
	for at := 0; at < len(data); line++ {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		switch row := data[at:end]; {
		case isMarker(row, "---"):
			cut(at, line)
		case isMarker(row, "..."):
			cut(at, line)
			start, startLine = end, line+1
		}
		at = end
	}
	cut(len(data), line)
	return docs
}

// splitJSON cuts concatenated JSON. It reports false for everything else, broken JSON included: the YAML reader then
// says where it is broken.
func splitJSON(path string, data []byte) ([]document, bool) {
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, false
	}
	var docs []document
	decoder := json.NewDecoder(bytes.NewReader(data))
	at, line := 0, 1
	for decoder.More() {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return nil, false
		}
		end := int(decoder.InputOffset())
		docs = append(docs, document{path: path, text: data[at:end], line: line})
		line += bytes.Count(data[at:end], []byte("\n"))
		at = end
	}
	return docs, len(bytes.TrimSpace(data[at:])) == 0
}

// isMarker says whether a line is a document marker: "---" or "..." followed by nothing or by white space.
func isMarker(row []byte, marker string) bool {
	rest, found := bytes.CutPrefix(row, []byte(marker))
	return found && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n')
}

// meaningful says whether a piece holds more than comments, directives and the marker.
func meaningful(piece []byte) bool {
	for row := range bytes.Lines(piece) {
		if isMarker(row, "---") {
			row = row[len("---"):]
		}
		row = bytes.TrimSpace(row)
		if len(row) > 0 && row[0] != '#' && row[0] != '%' {
			return true
		}
	}
	return false
}

// objects decodes one document. The values come from the reader that kubectl uses (YAML 1.1, so that "on" and "yes"
// mean there what they mean here); the second reader only supplies the lines.
func (d document) objects() ([]Object, error) {
	asJSON, err := d.toJSON()
	if err != nil {
		return nil, d.syntaxError(err)
	}
	var value any
	if err := utiljson.Unmarshal(asJSON, &value); err != nil {
		return nil, d.syntaxError(err)
	}
	if value == nil {
		return nil, nil
	}
	root := d.root()
	if err := d.duplicates(root); err != nil {
		return nil, err
	}
	content, ok := value.(map[string]any)
	if !ok {
		return nil, d.problem(root, unrenderedHint(text(value)),
			"an object is expected here, with apiVersion, kind and metadata, not %s", describe(value))
	}
	return d.expand(content, root)
}

func (d document) toJSON() ([]byte, error) {
	if json.Valid(d.text) {
		return d.text, nil
	}
	return sigsyaml.YAMLToJSON(d.text)
}

// root parses the document for its lines; nil when this reader does not accept what the other one did, which costs
// the lines and nothing else.
func (d document) root() *yaml.Node {
	var node yaml.Node
	if err := yaml.Unmarshal(d.text, &node); err != nil || len(node.Content) == 0 {
		return nil
	}
	shift(&node, d.line-1)
	return node.Content[0]
}

// shift turns the lines of a document into lines of the file. Aliases are not followed: what they stand for is in
// the tree anyway.
func shift(n *yaml.Node, by int) {
	n.Line += by
	for _, child := range n.Content {
		shift(child, by)
	}
}

// duplicates finds a key that stands twice in one mapping, where the later value would silently win.
func (d document) duplicates(n *yaml.Node) error {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.MappingNode {
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Value == "<<" { // merging twice is allowed
				continue
			}
			if line, again := first[key.Value]; again {
				return d.problem(key, "", "key %q is already set at line %d; the first value would be lost", key.Value, line)
			}
			first[key.Value] = key.Line
		}
	}
	for _, child := range n.Content {
		if err := d.duplicates(child); err != nil {
			return err
		}
	}
	return nil
}

// problem is an error at a node; without a node, at the document.
func (d document) problem(n *yaml.Node, hint, format string, args ...any) *Error {
	return &Error{Path: d.path, Line: d.lineOf(n), Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// lineOf is the line of a node, or of the first thing in the document.
func (d document) lineOf(n *yaml.Node) int {
	if n != nil {
		return n.Line
	}
	line := d.line
	for row := range bytes.Lines(d.text) {
		if meaningful(row) {
			break
		}
		line++
	}
	return line
}

// yamlLine finds the line in the reader's messages.
var yamlLine = regexp.MustCompile(`line (\d+): `)

// syntaxError words what the reader said.
func (d document) syntaxError(err error) *Error {
	if e := d.jsonError(); e != nil {
		return e
	}
	msg := err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:\n  "} {
		msg = strings.TrimPrefix(msg, prefix)
	}
	line := 1
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = strings.Replace(msg, m[0], "", 1)
	}
	line = d.brokenAt(line)
	return &Error{Path: d.path, Line: d.line - 1 + line, Msg: "invalid YAML: " + msg, Hint: d.syntaxHint(line)}
}

// jsonError words what is wrong with text that was meant to be JSON; nil if it was not.
func (d document) jsonError() *Error {
	start := strings.Join(strings.Fields(string(d.text[:min(len(d.text), 80)])), "")
	var syntax *json.SyntaxError
	if !strings.HasPrefix(start, `{"`) || !errors.As(json.Unmarshal(d.text, new(any)), &syntax) {
		return nil
	}
	line := 1 + bytes.Count(d.text[:max(0, syntax.Offset-1)], []byte("\n"))
	return &Error{Path: d.path, Line: d.line - 1 + line, Msg: "invalid JSON: " + syntax.Error(), Hint: d.syntaxHint(line)}
}

// maxTries bounds the search of brokenAt, which parses once a line.
const maxTries = 2000

// brokenAt is the line in the document at which reading goes wrong. The reader names the line where the enclosing
// mapping begins, often far above, or for an open quote the end of the file. The line after the longest beginning that
// can be read is the one to look at.
func (d document) brokenAt(reported int) int {
	rows := bytes.SplitAfter(d.text, []byte("\n"))
	if len(rows) > maxTries {
		return reported
	}
	end := len(d.text)
	for line := len(rows); line > 1; line-- {
		end -= len(rows[line-1])
		if _, err := sigsyaml.YAMLToJSON(d.text[:end]); err == nil && meaningful(d.text[:end]) {
			return line
		}
	}
	return reported
}

// syntaxHint guesses why the text is no YAML.
func (d document) syntaxHint(line int) string {
	rows := strings.Split(string(d.text), "\n")
	var row string
	if line >= 1 && line <= len(rows) {
		row = rows[line-1]
	}
	indent := row[:len(row)-len(strings.TrimLeft(row, " \t"))]
	switch hint := unrenderedHint(row); {
	case hint != "":
		return hint
	case strings.Contains(indent, "\t"):
		return "the line is indented with a tab; YAML wants spaces"
	case strings.HasPrefix(row, "<<<<<<<"), strings.HasPrefix(row, "======="), strings.HasPrefix(row, ">>>>>>>"):
		return "a merge conflict was left in the file"
	case helmCode.Match(d.text):
		return helmHint
	}
	return ""
}

// describe names the shape of a value.
func describe(v any) string {
	switch v.(type) {
	case []any:
		return "a list"
	case string:
		return "a text"
	default:
		return fmt.Sprintf("%v", v)
	}
}
