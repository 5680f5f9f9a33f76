package live

import (
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/rolloutgate/rolloutgate/gate/report"
)

// The styles of text. They repeat what the words say.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// part is text in one style.
type part struct{ text, style string }

// line is one line of the block, from left to right.
type line []part

// measure is how wide characters are: those that are wide in some places only are narrow here, as bars are made of them.
func measure(text string) int {
	return (&runewidth.Condition{}).StringWidth(text)
}

func (l line) width() int {
	n := 0
	for _, p := range l {
		n += measure(p.text)
	}
	return n
}

// fit cuts a line to n columns and takes the blanks from its end.
func (l line) fit(n int, end string) line {
	if l.width() > n {
		room := n - measure(end)
		for i, p := range l {
			w := measure(p.text)
			if w > room {
				text := (&runewidth.Condition{}).Truncate(p.text, room, "")
				l = append(slices.Clone(l[:i]), part{text + end, p.style})
				break
			}
			room -= w
		}
	}
	for len(l) > 0 {
		last := &l[len(l)-1]
		if trimmed := strings.TrimRight(last.text, " "); trimmed != "" {
			last.text = trimmed
			break
		}
		l = l[:len(l)-1]
	}
	return l
}

// render is a line as it is printed.
func (l line) render(color bool) string {
	var b strings.Builder
	for _, p := range l {
		if color && p.style != "" && strings.TrimSpace(p.text) != "" {
			b.WriteString("\x1b[" + p.style + "m" + p.text + "\x1b[0m")
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// pad fills text up to n columns.
func pad(text string, n int) string {
	return text + strings.Repeat(" ", max(0, n-measure(text)))
}

// glyphs are the characters that a block is drawn with.
type glyphs struct {
	done, now, next, wrong, ask string
	ready, starting, old, blank string
	rule, more, dot             string
	levels                      string
	plain                       bool // nothing but ASCII
}

func (v View) glyphs() glyphs {
	if v.ASCII {
		return glyphs{
			done: "ok", now: ">", next: "-", wrong: "x", ask: "?", ready: "#", starting: "+", old: "-", blank: ".",
			rule: "-", more: "...", dot: "|", levels: "_.:-=+*#", plain: true,
		}
	}
	return glyphs{
		done: "✓", now: "▸", next: "·", wrong: "✗", ask: "?", ready: "█", starting: "▒", old: "░", blank: " ",
		rule: "─", more: "…", dot: "·", levels: "▁▂▃▄▅▆▇█",
	}
}

// flat is text from a cluster on one line, and in characters that can be shown.
func (g glyphs) flat(text string) string {
	text = strings.Join(strings.Fields(report.Sanitize(text, 0, 0)), " ")
	if !g.plain {
		return text
	}
	text = strings.NewReplacer("…", "...", "→", "->", "–", "-", "“", `"`, "”", `"`, "’", "'").Replace(text)
	return strings.Map(func(r rune) rune {
		if r > 0x7e {
			return '?'
		}
		return r
	}, text)
}
