package main

import (
	"fmt"
	"slices"
	"strings"
)

// The control sequences that a screen uses. A terminal that does not know how to hold back a picture until it is whole
// (mode 2026) takes no notice of being asked to.
const (
	beginPicture = "\x1b[?2026h"
	endPicture   = "\x1b[?2026l"
	hideCursor   = "\x1b[?25l"
	showCursor   = "\x1b[?25h"
	eraseBelow   = "\r\x1b[J"
	eraseRest    = "\x1b[K"
)

// screen is a block of lines at the bottom of a terminal, as far as it was drawn. The cursor stands in the first column
// of its first line, where a terminal keeps it when it breaks lines anew for another width.
type screen struct {
	lines  []string
	hidden bool // the cursor
}

// change is what makes the block out of what is on the screen, with text above it that stays, whole lines. It rewrites
// only the lines that differ, unless all have to move. It is empty when nothing differs.
func (s *screen) change(text string, block []string, anew bool) string {
	var b strings.Builder
	switch {
	case len(s.lines) == 0 && len(block) == 0:
		return text
	case text == "" && !anew && slices.Equal(s.lines, block):
		return ""
	case text != "" || anew || len(s.lines) == 0 || len(block) == 0:
		b.WriteString(eraseBelow + text + strings.Join(block, "\r\n"))
		b.WriteString(up(len(block) - 1))
	default:
		b.WriteString(s.differing(block))
	}
	s.lines = slices.Clone(block)
	if hide := len(block) > 0; hide != s.hidden {
		s.hidden = hide
		b.WriteString(map[bool]string{true: hideCursor, false: showCursor}[hide])
	}
	return beginPicture + b.String() + endPicture
}

// differing goes down from line to line and rewrites those that differ.
func (s *screen) differing(block []string) string {
	var b strings.Builder
	row := 0
	down := func(to int) {
		if last := min(to, len(s.lines)-1); last > row {
			fmt.Fprintf(&b, "\x1b[%dB", last-row)
			row = last
		}
		for ; row < to; row++ {
			b.WriteString("\r\n") // below the last line of the screen there may be none
		}
	}
	for i, line := range block {
		if i < len(s.lines) && s.lines[i] == line {
			continue
		}
		down(i)
		b.WriteString("\r" + line + eraseRest)
	}
	if len(block) < len(s.lines) {
		down(len(block))
		b.WriteString(eraseBelow)
	}
	b.WriteString(up(row))
	return b.String()
}

// up goes to the first column, n lines further up.
func up(n int) string {
	if n <= 0 {
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", n)
}
