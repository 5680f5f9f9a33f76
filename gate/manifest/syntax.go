package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// yamlLine finds the line in the readers' messages.
var yamlLine = regexp.MustCompile(`line (\d+): `)

// unknownAnchor is a message that comes without a line.
var unknownAnchor = regexp.MustCompile(`unknown anchor '(.+)' referenced`)

// syntaxError words what the reader said about a document that is no YAML.
func (d document) syntaxError(err error) *Error {
	if e := d.jsonError(); e != nil {
		return e
	}
	msg, line := wordsOf(err)
	if msg == "did not find expected <document start>" { // it is kubectl's reader that would not see what follows
		return &Error{Path: d.path, Line: d.line + line, Msg: "invalid YAML: this follows an object that is closed already",
			Hint: `a line "---" must separate objects`}
	}
	if parserSays(msg) {
		// The tree's reader names the line where the enclosing collection begins. kubectl's names the line where it
		// stumbled, counted from 0.
		if _, err := sigsyaml.YAMLToJSON(d.text); err != nil {
			if again, stumbled := wordsOf(err); again == msg {
				line = stumbled + 1
			}
		}
	}
	if m := unknownAnchor.FindStringSubmatch(msg); m != nil {
		if i := bytes.Index(d.text, []byte("*"+m[1])); i >= 0 {
			line = lineAt(d.text, i)
		}
	}
	line = openAt(d.text, max(line, 1))
	return &Error{Path: d.path, Line: d.line - 1 + line, Msg: "invalid YAML: " + msg, Hint: d.syntaxHint(line)}
}

// wordsOf splits a reader's error into its words and its line, which is 0 when there is none.
func wordsOf(err error) (msg string, line int) {
	msg = err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:\n  "} {
		msg = strings.TrimPrefix(msg, prefix)
	}
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = strings.Replace(msg, m[0], "", 1)
	}
	return msg, line
}

// parserSays tells the messages of libyaml's parser from those of its scanner, whose line is right.
func parserSays(msg string) bool {
	rest, expected := strings.CutPrefix(msg, "did not find expected ")
	for _, what := range []string{"key", "node content", "'-' indicator", "',' or ']'", "',' or '}'"} {
		if expected && rest == what {
			return true
		}
	}
	return false
}

// conversionError is for a document that is YAML, but holds what JSON cannot. The reader gives no line.
func (d document) conversionError(root *yaml.Node, err error) *Error {
	msg, line := wordsOf(err)
	if e := d.unspeakable(root); e != nil {
		return e
	}
	if line == 0 {
		return d.problem(root, "", "invalid YAML: %s", msg)
	}
	line = openAt(d.text, line)
	return &Error{Path: d.path, Line: d.line - 1 + line, Msg: "invalid YAML: " + msg, Hint: d.syntaxHint(line)}
}

var notFinite = regexp.MustCompile(`^[-+]?\.(?i:inf|nan)$`)

// unspeakable finds the first thing that JSON has no word for.
func (d document) unspeakable(n *yaml.Node) *Error {
	if n.Kind == yaml.AliasNode {
		return nil
	}
	if e := d.tag(n); e != nil {
		return e
	}
	if n.Kind == yaml.ScalarNode && n.Style == 0 && notFinite.MatchString(n.Value) {
		return d.problem(n, quotesHint, "YAML reads %s as a number that JSON cannot hold", n.Value)
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Tag != mergeTag {
			if _, e := d.keyName(child); e != nil {
				return e
			}
		}
		if e := d.unspeakable(child); e != nil {
			return e
		}
	}
	return nil
}

// jsonError words what is wrong with text that was meant to be JSON; nil if it was not.
func (d document) jsonError() *Error {
	text := bytes.TrimPrefix(d.text, []byte("---"))
	start := strings.Join(strings.Fields(string(text[:min(len(text), 80)])), "")
	if !strings.HasPrefix(start, `{"`) && !strings.HasPrefix(start, `[{"`) && !strings.HasPrefix(start, "{}") {
		return nil
	}
	// The values before the broken one are skipped.
	decoder := json.NewDecoder(bytes.NewReader(text))
	for decoder.Decode(&json.RawMessage{}) == nil {
	}
	at := int(decoder.InputOffset())
	var syntax *json.SyntaxError
	if !errors.As(json.Unmarshal(text[at:], new(any)), &syntax) {
		return nil
	}
	line := lineAt(text, at+max(0, int(syntax.Offset)-1))
	hint := d.syntaxHint(line)
	if rest := bytes.TrimLeft(text[at:], " \t\n"); at > 0 && hint == "" && len(rest) > 0 && rest[0] == ',' {
		hint = "objects follow one another without a comma, or are the items of a List"
	}
	return &Error{Path: d.path, Line: d.line - 1 + line, Msg: "invalid JSON: " + syntax.Error(), Hint: hint}
}

// syntaxHint guesses why the text is no YAML.
func (d document) syntaxHint(line int) string {
	var row string
	for text := range bytes.Lines(d.text) {
		if line--; line == 0 {
			row = string(text)
			break
		}
	}
	indent := row[:len(row)-len(strings.TrimLeft(row, " \t"))]
	trimmed := strings.ToLower(strings.TrimSpace(row))
	switch hint := unrenderedHint(row); {
	case hint != "":
		return hint
	case strings.Contains(indent, "\t"):
		return "the line is indented with a tab; YAML wants spaces"
	case strings.ContainsRune(row, '\u00a0'):
		return "the line holds a non-breaking space (U+00A0), which is no space to YAML; was it copied from a web page?"
	case strings.HasPrefix(row, "<<<<<<<"), strings.HasPrefix(row, "======="), strings.HasPrefix(row, ">>>>>>>"):
		return "a merge conflict was left in the file"
	case strings.HasPrefix(trimmed, "<!doctype"), strings.HasPrefix(trimmed, "<html"), strings.HasPrefix(trimmed, "<?xml"):
		return "this is a web page; did a download fail?"
	case messageHint(row) != "":
		return messageHint(row)
	case helmCode.Match(d.text):
		return helmHint
	}
	return ""
}
