package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// page collects the lines of a text rendering.
type page struct {
	bytes.Buffer
	Options
}

// The colours of a terminal. They only repeat what the words say: nothing is told by colour alone.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint returns text in a style made of one or more of these, or as it is when the page has no colours.
func (p *page) paint(text string, styles ...string) string {
	style := strings.Join(styles, ";")
	if !p.Color || text == "" || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// line writes one line without trailing spaces.
func (p *page) line(format string, args ...any) {
	p.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// heading begins a block without columns.
func (p *page) heading(title, rest string) { p.line("\n%s  %s", p.paint(title, bold), rest) }

// rule is a heading that nobody can miss: a line across the page with a title at its left and a remark at its right.
func (p *page) rule(dash, title, remark string, styles ...string) {
	end := strings.Repeat(dash, 2)
	fill := strings.Repeat(dash, max(3, p.Width-width(title)-width(remark)-8))
	p.line("\n%s", p.paint(end+" "+title+" "+fill+" "+remark+" "+end, styles...))
}

// labelled writes a short label and text beside it, wrapped below itself.
func (p *page) labelled(label, text string, styles ...string) {
	const indent = 12
	for i, line := range wrap(text, p.Width-indent) {
		if i > 0 {
			label = ""
		}
		p.line("  %s%s", p.paint(pad(label, indent-2), dim), p.paint(line, styles...))
	}
}

// row is one line of a table.
type row struct {
	cells []string
	style string   // of the cell that the table paints
	above string   // a name that leaves no room for the cells beside it
	below []string // sentences under the row, some of which may be empty
	drawn []string // lines under them that are fit to print as they are
}

// table writes a title with column names, and rows below it in columns as wide as their widest cell. The cell with
// the number painted has the style of its row.
func (p *page) table(title []string, painted int, rows []row) {
	widths := columnWidths(title, rows)
	p.line("")
	for i, cell := range title {
		text := pad(cell, widths[i])
		if i == 0 {
			text = p.paint(cell, bold) + text[len(cell):] + "  "
		}
		p.WriteString(text + "  ")
	}
	p.endLine()
	for _, r := range rows {
		if r.above != "" {
			p.line("  %s", r.above)
		}
		for i, cell := range r.cells {
			text := pad(cell, widths[i])
			if i == painted && r.style != "" {
				text = p.paint(cell, r.style) + text[len(cell):]
			}
			p.WriteString("  " + text)
		}
		p.endLine()
		for _, line := range wrapAll(r.below, p.Width-4) {
			p.line("    %s", line)
		}
		for _, line := range r.drawn {
			p.line("    %s", line)
		}
	}
}

// raised is the rows of a table in which names that leave no room for the cells beside them stand on a line of their own.
func (p *page) raised(title []string, rows []row) []row {
	last := len(title) - 1
	widths := columnWidths(title, rows)
	for _, r := range rows {
		widths[last] = max(widths[last], width(r.cells[last]))
	}
	room := p.Width
	for _, w := range widths[1:] {
		room -= 2 + w
	}
	for i, r := range rows {
		if name := r.cells[0]; width(name) > max(room-2, width(title[0])) {
			rows[i].above = name
			rows[i].cells = append([]string{""}, r.cells[1:]...)
		}
	}
	return rows
}

// columnWidths gives every column the width of its widest cell. A very long name pushes its own row aside, not
// everybody's.
func columnWidths(title []string, rows []row) []int {
	var widths []int
	for _, r := range append([]row{{cells: title}}, rows...) {
		for i, cell := range r.cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if w := width(cell); w <= 44 && i < len(r.cells)-1 {
				widths[i] = max(widths[i], w)
			}
		}
	}
	return widths
}

// endLine ends a line that was written in parts, without trailing spaces.
func (p *page) endLine() {
	p.Truncate(len(bytes.TrimRight(p.Bytes(), " ")))
	p.WriteByte('\n')
}

// cut shortens a table and lets its last row say so.
func cut(rows []row, n int) []row {
	missing := len(rows) - n
	if missing <= 0 {
		return rows
	}
	return append(rows[:n:n], row{cells: []string{fmt.Sprintf("… %d more, all in the JSON report", missing)}})
}

// firstOf puts what matters first where there are more than a list has room for: of five hundred workloads, the one that failed
// must not be among those that are left out.
func firstOf[T any](all []T, room int, matters func(T) bool) []T {
	if len(all) <= room {
		return all
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b T) int {
		rank := map[bool]int{true: 0, false: 1}
		return rank[matters(a)] - rank[matters(b)]
	})
	return sorted
}

// unfinished tells whether a workload did not come to where it should be.
func unfinished(s rollout.Status) bool { return s.Phase != rollout.Complete }

// notBack tells whether something about an object in an undo is to be said.
func notBack(u gate.Undone) bool { return u.Result != "ok" || len(u.Kept) > 0 }

// pad fills text up to n characters.
func pad(text string, n int) string { return text + strings.Repeat(" ", max(0, n-width(text))) }

func width(text string) int { return utf8.RuneCountInString(text) }

// wrap breaks text into lines of at most n characters, between words where it can.
func wrap(text string, n int) []string {
	n = max(n, 20)
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		for {
			if line == "" && width(word) > n {
				head := string([]rune(word)[:n])
				lines, word = append(lines, head), word[len(head):]
				continue
			}
			if line == "" || width(line)+1+width(word) <= n {
				line = strings.TrimPrefix(line+" "+word, " ")
				break
			}
			lines, line = append(lines, line), ""
		}
	}
	return append(lines, line)
}

// wrapAll is wrap for sentences that each begin a line. Those that say nothing take none.
func wrapAll(texts []string, n int) (lines []string) {
	for _, text := range texts {
		if text != "" {
			lines = append(lines, wrap(text, n)...)
		}
	}
	return lines
}

// hardWrap breaks a line of a log at n characters: its spaces may mean something.
func hardWrap(line string, n int) []string {
	n = max(n, 20)
	var lines []string
	for runes := []rune(line); ; runes = runes[n:] {
		if len(runes) <= n {
			return append(lines, string(runes))
		}
		lines = append(lines, string(runes[:n]))
	}
}
