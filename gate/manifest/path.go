package manifest

import (
	"strconv"
	"strings"
)

// step is one part of a field path. Exactly one of its forms is set.
type step struct {
	key   string  // a field name or map key: .spec, [app.kubernetes.io/name]
	keyed bool    // key is meant
	bare  bool    // key was written after a dot, so that it may be the first half of a key with a dot in it
	index int     // the item with this number: [0]
	match []field // the item with these fields: [name=app], [containerPort=80,protocol="TCP"]
	value string  // the item that is this value: [="x"]
	equal bool    // value is meant
}

type field struct{ key, value string }

// parsePath reads a field path. It never fails: what cannot be read ends the path, and complete is false.
//
// The grammar covers what rules write and what API servers send:
//
//	path  = [ "." ] { "." key | "[" inner "]" }
//	key   = text in which "\." is a dot that does not separate: data.app\.conf
//	inner = number                   an item of a list, or that key of a map
//	      | key "=" value { "," … }  the item of a list with those fields
//	      | "=" value                the item of a list of plain values
//	      | text                     a key of a map, dots allowed; in a list, the item of that name
//
// Keys and values in brackets may be quoted: "a]b" or 'a]b'. The forms with "=" are those of server-side apply's
// conflicts and schema errors (sigs.k8s.io/structured-merge-diff, fieldpath.PathElement), the others those of
// validation errors (k8s.io/apimachinery, field.Path).
func parsePath(path string) (steps []step, complete bool) {
	rest := path
	for rest != "" {
		if rest[0] != '[' {
			rest = strings.TrimPrefix(rest, ".")
			var key string
			key, rest = cutKey(rest)
			if key == "" {
				return steps, rest == "" && len(steps) == 0
			}
			steps = append(steps, step{key: key, keyed: true, bare: true})
			continue
		}
		inner, after, ok := cutBracket(rest)
		if !ok {
			return steps, false
		}
		s, ok := parseBracket(inner)
		if !ok {
			return steps, false
		}
		steps = append(steps, s)
		rest = after
	}
	return steps, true
}

// cutKey reads up to the next separator.
func cutKey(s string) (key, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '.', s[i] == '[':
			return b.String(), s[i:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// cutBracket reads "[…]", minding quotes.
func cutBracket(s string) (inner, rest string, ok bool) {
	var quote byte
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"', c == '\'':
			quote = c
		case c == ']':
			return s[1:i], s[i+1:], true
		}
	}
	return "", "", false
}

func parseBracket(inner string) (step, bool) {
	if n, err := strconv.Atoi(inner); err == nil {
		return step{key: inner, index: n}, n >= 0
	}
	parts := splitQuoted(inner, ',')
	if !strings.Contains(unquotedOnly(inner), "=") {
		key := unquote(inner)
		return step{key: key, keyed: true}, key != ""
	}
	var s step
	for _, part := range parts {
		halves := splitQuoted(part, '=')
		if len(halves) < 2 {
			return step{}, false
		}
		key := unquote(strings.TrimSpace(halves[0]))
		value := unquote(strings.TrimSpace(strings.Join(halves[1:], "=")))
		if key == "" {
			return step{value: value, equal: true}, true
		}
		s.match = append(s.match, field{key, value})
	}
	return s, true
}

// splitQuoted splits at a separator outside quotes.
func splitQuoted(s string, separator byte) []string {
	var parts []string
	start := 0
	plain := unquotedOnly(s)
	for i := 0; i < len(plain); i++ {
		if plain[i] == separator {
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// unquotedOnly blanks out quoted parts and keeps the length, so that positions stay valid.
func unquotedOnly(s string) string {
	b := []byte(s)
	var quote byte
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0:
			continue
		case c == '\\' && i+1 < len(b):
			b[i] = ' '
			i++
		case c == quote:
			quote = 0
		}
		b[i] = ' '
	}
	return string(b)
}

// unquote removes quotes if there are any.
func unquote(s string) string {
	if s == "" || (s[0] != '"' && s[0] != '\'') {
		return s
	}
	if plain, err := strconv.Unquote(s); err == nil {
		return plain
	}
	return strings.Trim(s, s[:1])
}
