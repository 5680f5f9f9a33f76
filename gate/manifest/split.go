package manifest

import (
	"bytes"
	"strings"
)

// document is one YAML or JSON document of a file.
type document struct {
	path string
	text []byte // UTF-8, lines end with "\n"
	line int    // of the document's first line in the file, counted from 1

	hooks bool // its objects are hooks, whatever they say
}

// split cuts a file at the lines "---" and "...", which YAML allows nowhere else but between documents. Pieces without
// content are left out. A byte order mark at the beginning of a joined file is dropped.
func split(path string, text []byte) []document {
	var docs []document
	var piece []byte // of the document that is being read
	line, first, content := 0, 1, false
	end := func() {
		if content {
			docs = append(docs, document{path: path, text: piece, line: first})
		}
	}
	for row := range bytes.Lines(text) {
		line++
		if rest, marked := bytes.CutPrefix(row, []byte(byteOrderMark)); marked && (!content || isMarker(rest, "---")) {
			row = rest
		}
		switch {
		case isMarker(row, "---"):
			end()
			piece, first, content = nil, line, false
		case isMarker(row, "..."):
			end()
			piece, first, content = nil, line+1, false
			row = row[len("..."):]
			if !meaningful(row) {
				continue
			}
			first = line // what follows is no comment: YAML says what it thinks of it
		}
		piece = append(piece, row...)
		content = content || meaningful(row)
	}
	end()
	return docs
}

// isMarker says whether a line is a document marker: "---" or "..." followed by nothing or by white space.
func isMarker(row []byte, marker string) bool {
	rest, found := bytes.CutPrefix(row, []byte(marker))
	return found && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\n')
}

// meaningful says whether a line holds more than a comment, a directive or the marker.
func meaningful(row []byte) bool {
	if isMarker(row, "---") {
		row = row[len("---"):]
	}
	s := strings.Trim(string(row), " \t\n")
	switch {
	case strings.ContainsAny(s, "\u0085\u2028\u2029"): // for some readers a comment ends there
		return true
	case s == "", s[0] == '#', strings.HasPrefix(s, "%YAML "), strings.HasPrefix(s, "%TAG "):
		return false
	}
	return true
}
