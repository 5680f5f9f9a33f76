package readiness

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// token is one word of an expression. Of a literal, value is what it stands for.
type token struct {
	kind  kind
	text  string
	at    int // in bytes
	value ref.Val
}

type kind int

const (
	end kind = iota
	name
	literal
	sign // an operator or a bracket
)

// signs are the operators and brackets, longer ones first.
var signs = []string{"==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")", "[", "]", "{", "}"}

// reserved are words that cannot be names.
var reserved = []string{
	"as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
}

// lex cuts an expression into tokens, the last of which is its end.
func lex(text string) ([]token, error) {
	var all []token
	for at := 0; ; {
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " \t\r\n\f"))
		rest := text[at:]
		if rest == "" {
			return append(all, token{kind: end, text: "the end", at: at}), nil
		}
		if strings.HasPrefix(rest, "//") {
			line, _, _ := strings.Cut(rest, "\n")
			at += len(line)
			continue
		}
		t, size, err := lexOne(rest)
		if err != nil {
			return nil, &parseError{at, err.Error()}
		}
		t.at = at
		if t.text == "" {
			t.text = rest[:size]
		}
		all = append(all, t)
		at += size
	}
}

// lexOne reads the first token of a text that does not begin with a space.
func lexOne(text string) (t token, size int, err error) {
	c := text[0]
	switch {
	case isDigit(c) || c == '.' && len(text) > 1 && isDigit(text[1]):
		return lexNumber(text)
	case c == '"' || c == '\'':
		return lexText(text, false)
	case (c == 'r' || c == 'R') && len(text) > 1 && (text[1] == '"' || text[1] == '\''):
		t, size, err = lexText(text[1:], true)
		return t, size + 1, err
	case isLetter(c):
		for size = 1; size < len(text) && (isLetter(text[size]) || isDigit(text[size])); size++ {
		}
		if size < len(text) && (text[size] == '"' || text[size] == '\'') {
			return t, 0, fmt.Errorf("a text that begins with %s is not supported", text[:size])
		}
		switch word := text[:size]; word {
		case "true", "false":
			return token{kind: literal, value: types.Bool(word == "true")}, size, nil
		case "null":
			return token{kind: literal, value: types.NullValue}, size, nil
		case "in":
			return token{kind: sign}, size, nil
		}
		return token{kind: name}, size, nil
	}
	for _, s := range signs {
		if strings.HasPrefix(text, s) {
			return token{kind: sign}, len(s), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(text)
	return t, 0, fmt.Errorf("%q means nothing here", r)
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// lexNumber reads a whole number, one without a sign (42u), or one with a fraction or an exponent.
func lexNumber(text string) (t token, size int, err error) {
	digits := func(is func(byte) bool) bool {
		from := size
		for size < len(text) && is(text[size]) {
			size++
		}
		return size > from
	}
	hex := func(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
	whole := true
	switch {
	case strings.HasPrefix(text, "0x") && len(text) > 2 && hex(text[2]):
		size = 2
		digits(hex)
	default:
		digits(isDigit)
		if size+1 < len(text) && text[size] == '.' && isDigit(text[size+1]) {
			size++
			digits(isDigit)
			whole = false
		}
		if from := size; size < len(text) && (text[size] == 'e' || text[size] == 'E') {
			size++
			if size < len(text) && (text[size] == '+' || text[size] == '-') {
				size++
			}
			if digits(isDigit) {
				whole = false
			} else {
				size = from
			}
		}
	}
	word := text[:size]
	switch {
	case !whole:
		f, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return t, 0, fmt.Errorf("%s is no number that can be held", word)
		}
		return token{kind: literal, value: types.Double(f)}, size, nil
	case size < len(text) && (text[size] == 'u' || text[size] == 'U'):
		u, err := strconv.ParseUint(word, 0, 64)
		if base := 10; err != nil || !strings.HasPrefix(word, "0x") {
			u, err = strconv.ParseUint(word, base, 64)
		}
		if err != nil {
			return t, 0, fmt.Errorf("%s is no number that can be held", word)
		}
		return token{kind: literal, value: types.Uint(u)}, size + 1, nil
	}
	return token{kind: literal, text: word}, size, nil // with its sign it may still be one
}

// integer is a whole number with its sign.
func integer(word string) (types.Int, error) {
	base, digits := 10, word
	if hex, is := strings.CutPrefix(strings.TrimPrefix(word, "-"), "0x"); is {
		base, digits = 16, hex
		if word[0] == '-' {
			digits = "-" + hex
		}
	}
	n, err := strconv.ParseInt(digits, base, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is no whole number that can be held", word)
	}
	return types.Int(n), nil
}

// lexText reads a text in quotes: single or double ones, or three of them; raw ones have no escapes.
func lexText(text string, raw bool) (t token, size int, err error) {
	quote := text[:1]
	if strings.HasPrefix(text, strings.Repeat(quote, 3)) {
		quote = text[:3]
	}
	var b strings.Builder
	for size = len(quote); size < len(text); {
		rest := text[size:]
		switch c := rest[0]; {
		case strings.HasPrefix(rest, quote):
			return token{kind: literal, value: types.String(b.String())}, size + len(quote), nil
		case len(quote) == 1 && (c == '\n' || c == '\r'):
			return t, 0, fmt.Errorf("a text in quotes ends where its line does: the closing %s is missing", quote)
		case c == '\\' && !raw:
			r, n, err := escape(rest)
			if err != nil {
				return t, 0, err
			}
			b.WriteRune(r)
			size += n
		default:
			r, n := utf8.DecodeRuneInString(rest)
			b.WriteRune(r)
			size += n
		}
	}
	return t, 0, fmt.Errorf("the closing %s of a text is missing", quote)
}

// escape reads what a backslash begins.
func escape(text string) (r rune, size int, err error) {
	simple := map[byte]rune{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', '\'': '\'', '"': '"', '`': '`', '?': '?'}
	if len(text) < 2 {
		return 0, 0, fmt.Errorf("a text ends with a backslash")
	}
	if r, is := simple[text[1]]; is {
		return r, 2, nil
	}
	from, digits, base := 2, map[byte]int{'x': 2, 'X': 2, 'u': 4, 'U': 8}[text[1]], 16
	if text[1] >= '0' && text[1] <= '3' {
		from, digits, base = 1, 3, 8
	}
	if digits == 0 || len(text) < from+digits {
		return 0, 0, fmt.Errorf("%.2s means nothing in a text; write \\\\ for a backslash", text)
	}
	n, err := strconv.ParseUint(text[from:from+digits], base, 32)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return 0, 0, fmt.Errorf("%s is no character", text[:from+digits])
	}
	return rune(n), from + digits, nil
}

// parseError is what is wrong with an expression, and where.
type parseError struct {
	at   int // in bytes
	text string
}

func (e *parseError) Error() string { return e.text }
