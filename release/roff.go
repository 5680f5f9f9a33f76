package main

import (
	"fmt"
	"strings"
	"time"
)

// roff is a manual page in the macros of man(7).
type roff struct{ text strings.Builder }

func newPage(name, version string, date time.Time) *roff {
	r := &roff{}
	fmt.Fprintf(&r.text, ".TH %s 1 %s \"%s %s\" \"User Commands\"\n", strings.ToUpper(escaped(name)), date.Format(time.DateOnly), program, escaped(version))
	return r
}

func (r *roff) section(name string) { fmt.Fprintf(&r.text, ".SH %s\n", strings.ToUpper(name)) }

func (r *roff) paragraph(text string) { fmt.Fprintf(&r.text, ".PP\n%s\n", lines(text)) }

func (r *roff) line(text string) { fmt.Fprintln(&r.text, lines(text)) }

// item is a word or more, in bold, and what it means.
func (r *roff) item(tag, text string) {
	fmt.Fprintf(&r.text, ".TP\n.B %s\n%s\n", escaped(tag), lines(text))
}

// verbatim keeps lines and their indentation.
func (r *roff) verbatim(text string) {
	r.text.WriteString(".nf\n.RS\n")
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintln(&r.text, lines(strings.TrimRight(line, "\n")))
	}
	r.text.WriteString(".RE\n.fi\n")
}

func (r *roff) bytes() []byte { return []byte(r.text.String()) }

// lines escapes text that stands in lines of its own, where a dot or a quote at the beginning would be a request.
func lines(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		line = escaped(strings.TrimRight(line, "\n"))
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, `\(aq`) {
			line = `\&` + line
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// escaped is text as roff shows it as it is: a plain hyphen, a plain quote and a plain caret would become typographic
// ones, which nobody can paste into a shell.
func escaped(text string) string {
	var out strings.Builder
	for _, c := range text {
		switch c {
		case '\\':
			out.WriteString(`\e`)
		case '-':
			out.WriteString(`\-`)
		case '\'':
			out.WriteString(`\(aq`)
		case '"':
			out.WriteString(`\(dq`)
		case '`':
			out.WriteString(`\(ga`)
		case '^':
			out.WriteString(`\(ha`)
		case '~':
			out.WriteString(`\(ti`)
		default:
			if c > 0x7e {
				fmt.Fprintf(&out, `\[u%04X]`, c)
			} else {
				out.WriteRune(c)
			}
		}
	}
	return out.String()
}
