package manifest

import (
	"bytes"
	"strings"
)

// openAt is the line at which the mistake is that readers notice at the given line: when that line begins inside a quoted
// text, or a list or object in brackets, it is where this one was opened. Lines are counted from 1. It reads the text
// once. What it says decides nothing but the line of an error.
func openAt(text []byte, line int) int {
	s := scanner{blockIndent: -1}
	for row := range bytes.Lines(text) {
		if s.line++; s.line == line {
			break
		}
		s.read(strings.TrimRight(string(row), "\n"))
	}
	switch {
	case s.quote != 0:
		return s.quoteLine
	case len(s.open) > 0 && s.open[0] != s.firstLine: // of a document that is all brackets, the line itself says more
		return s.open[len(s.open)-1]
	}
	return line
}

// scanner knows as much of YAML as is needed to tell where quotes and brackets begin and end.
type scanner struct {
	line        int
	firstLine   int   // with content
	quote       byte  // the quote that is open, or 0
	quoteLine   int   // where
	open        []int // the lines of the brackets that are open
	blockIndent int   // of the key that a block of text (| or >) belongs to; -1 outside
}

func (s *scanner) read(row string) {
	indent := len(row) - len(strings.TrimLeft(row, " "))
	if s.blockIndent >= 0 {
		if strings.TrimSpace(row) == "" || indent > s.blockIndent {
			return
		}
		s.blockIndent = -1
	}
	if s.firstLine == 0 && meaningful([]byte(row)) {
		s.firstLine = s.line
	}
	key := indent // the column of the key or the dash that a block of text on this line would belong to
	begins := true
	for i := 0; i < len(row); i++ {
		c := row[i]
		next := byte(' ')
		if i+1 < len(row) {
			next = row[i+1]
		}
		blankNext := next == ' ' || next == '\t'
		switch {
		case s.quote != 0:
			i += s.quoted(c, next)
		case c == ' ' || c == '\t':
		case c == '#' && (i == 0 || row[i-1] == ' ' || row[i-1] == '\t'):
			return
		case begins && (c == '"' || c == '\''):
			s.quote, s.quoteLine, begins = c, s.line, false
		case begins && (c == '[' || c == '{'):
			s.open = append(s.open, s.line)
		case len(s.open) > 0 && (c == ']' || c == '}'):
			s.open, begins = s.open[:len(s.open)-1], false
		case len(s.open) > 0 && c == ',':
			begins = true
		case begins && (c == '-' || c == '?') && blankNext:
			if rest := strings.TrimLeft(row[i+1:], " "); rest != "" && rest[0] != '|' && rest[0] != '>' {
				key = len(row) - len(rest)
			}
		case c == ':' && (blankNext || len(s.open) > 0 && i > 0 && row[i-1] == '"'):
			begins = true
		case begins && (c == '|' || c == '>') && len(s.open) == 0:
			s.blockIndent = key
			return
		case begins && (c == '&' || c == '!'): // an anchor or a tag: what begins comes after it
			for i+1 < len(row) && row[i+1] != ' ' {
				i++
			}
		default:
			begins = false
		}
	}
}

// quoted goes on inside quotes, and says how many more bytes it took.
func (s *scanner) quoted(c, next byte) int {
	switch {
	case s.quote == '"' && c == '\\', s.quote == '\'' && c == '\'' && next == '\'':
		return 1
	case c == s.quote:
		s.quote = 0
	}
	return 0
}
