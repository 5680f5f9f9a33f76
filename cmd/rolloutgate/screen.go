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
	noWrapping   = "\x1b[?7l"
	wrapping     = "\x1b[?7h"
	keepCursor   = "\x1b7"
	backToKept   = "\x1b8"
)

// screen is a block of lines at the bottom of a terminal, as far as it was drawn. The cursor stands in the first column
// of its first line, where a terminal keeps it when it breaks lines anew for another width. A terminal may have another size
// some time before we hear of it: lines that are too long for it then do not wrap, and the cursor returns to where it was.
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
		b.WriteString(eraseBelow + text)
		if len(block) > 0 {
			b.WriteString(noWrapping + strings.Join(block, "\r\n") + wrapping + up(len(block)-1))
		}
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
	row, last := 0, len(s.lines)-1
	down := func(to int) {
		if to > row {
			fmt.Fprintf(&b, "\x1b[%dB", to-row)
			row = to
		}
	}
	for i, line := range block[:min(len(block), len(s.lines))] {
		if s.lines[i] != line {
			down(i)
			b.WriteString("\r" + line + eraseRest)
		}
	}
	switch more := len(block) - len(s.lines); {
	case more < 0:
		down(len(block))
		b.WriteString(eraseBelow)
	case more > 0: // the screen may have to scroll for them
		down(last)
		b.WriteString("\r\n" + strings.Join(block[last+1:], "\r\n"))
		return noWrapping + b.String() + wrapping + up(len(block)-1)
	}
	return keepCursor + noWrapping + b.String() + wrapping + backToKept
}

// up goes to the first column, n lines further up.
func up(n int) string {
	if n <= 0 {
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", n)
}
