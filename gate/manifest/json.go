package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
)

// splitJSON cuts a document that holds JSON values one after the other, as kubectl and jq write them. It reports false
// when anything else is in it; then the document is YAML, of which most of JSON is a part, or it is broken.
func (d document) splitJSON() ([]document, bool) {
	text, line := d.text, d.line
	if rest, marked := bytes.CutPrefix(text, []byte("---")); marked {
		text = rest
	}
	if !looksLikeJSON(text) {
		return nil, false
	}
	var docs []document
	decoder := json.NewDecoder(bytes.NewReader(text))
	for at := 0; ; {
		var raw json.RawMessage
		switch err := decoder.Decode(&raw); {
		case errors.Is(err, io.EOF):
			return docs, true
		case err != nil:
			return nil, false
		}
		begin := int(decoder.InputOffset()) - len(raw)
		line += bytes.Count(text[at:begin], []byte("\n"))
		docs = append(docs, document{path: d.path, text: raw, line: line})
		line += bytes.Count(raw, []byte("\n"))
		at = begin + len(raw)
	}
}

// looksLikeJSON says whether the first character that is no white space opens a JSON value.
func looksLikeJSON(text []byte) bool {
	trimmed := bytes.TrimLeft(text, " \t\n")
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[')
}

// jsonTree is the tree of a valid JSON value, with the lines of the file.
func (d document) jsonTree() *yaml.Node {
	decoder := json.NewDecoder(bytes.NewReader(d.text))
	decoder.UseNumber()
	at, line := 0, d.line
	var value func() *yaml.Node
	token := func() (json.Token, *yaml.Node) {
		t, err := decoder.Token()
		if err != nil {
			return nil, nil
		}
		next := int(decoder.InputOffset())
		line += bytes.Count(d.text[at:next], []byte("\n"))
		at = next
		n := &yaml.Node{Kind: yaml.ScalarNode, Line: line}
		switch t := t.(type) {
		case string:
			n.Value, n.Style = t, yaml.DoubleQuotedStyle
		case json.Number:
			n.Value = t.String()
		case bool:
			n.Value = map[bool]string{true: "true", false: "false"}[t]
		case nil:
			n.Value = "null"
		}
		return t, n
	}
	value = func() *yaml.Node {
		t, n := token()
		delim, nested := t.(json.Delim)
		if !nested {
			return n
		}
		n.Kind = yaml.MappingNode
		if delim == '[' {
			n.Kind = yaml.SequenceNode
		}
		for decoder.More() {
			n.Content = append(n.Content, value())
			if n.Kind == yaml.MappingNode {
				n.Content = append(n.Content, value())
			}
		}
		token() // the closing bracket
		return n
	}
	return value()
}
