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

// anchorSays finds the anchor in the messages that come without a line.
var anchorSays = regexp.MustCompile(`anchor '(.+)' (referenced|value contains itself)`)

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
	if line == 0 {
		line = d.aliasIn(msg)
	}
	line = openAt(d.text, max(line, 1))
	if line > 1 && messageHint(d.row(line-1)) != "" { // a line without a colon goes on in the next one
		line--
	}
	return &Error{Path: d.path, Line: d.line - 1 + line, Msg: "invalid YAML: " + msg, Hint: d.syntaxHint(line)}
}

// aliasIn is the line of the alias that a message is about; 0 if it is about none.
func (d document) aliasIn(msg string) int {
	if m := anchorSays.FindStringSubmatch(msg); m != nil {
		if i := bytes.Index(d.text, []byte("*"+m[1])); i >= 0 {
			return lineAt(d.text, i)
		}
	}
	return 0
}

// row is a line of the document, counted from 1.
func (d document) row(line int) string {
	for text := range bytes.Lines(d.text) {
		if line--; line == 0 {
			return string(text)
		}
	}
	return ""
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
		line = d.aliasIn(msg)
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
		switch isKey := n.Kind == yaml.MappingNode && i%2 == 0; {
		case isKey && child.Tag == mergeTag:
			if from := resolveAlias(n.Content[i+1]); from.Kind == yaml.ScalarNode {
				return d.problem(child, "", "only an object can be merged (<<), not a text")
			}
		case isKey:
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

var slashComment = regexp.MustCompile(`(?m)^\s*(//|/\*)`)

// syntaxHint guesses why the text is no YAML.
func (d document) syntaxHint(line int) string {
	row := d.row(line)
	indent := row[:len(row)-len(strings.TrimLeft(row, " \t"))]
	switch hint := strayHint(row); {
	case hint != "":
		return hint
	case strings.Contains(indent, "\t"):
		return "the line is indented with a tab; YAML wants spaces"
	case strings.ContainsRune(row, '\u00a0'):
		return spaceHint
	case strings.HasPrefix(row, "<<<<<<<"), strings.HasPrefix(row, "======="), strings.HasPrefix(row, ">>>>>>>"):
		return "a merge conflict was left in the file"
	case bytes.Contains(d.text, []byte("\nNOTES:\n")):
		return messageHint("NOTES:")
	case slashComment.Match(d.text):
		return "JSON has no comments"
	case helmCode.Match(d.text):
		return helmHint
	}
	return ""
}
