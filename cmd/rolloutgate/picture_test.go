package main

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/live"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/internal/eventlog"
)

// TestTerminalPictures: the pictures of the documentation are what a terminal shows today. `make pictures` makes them anew.
func TestTerminalPictures(t *testing.T) {
	for _, picture := range []struct {
		name, run, prompt string
		width, height     int
		commands          []string
	}{
		{"failing", "failing", "rolloutgate run -f deploy/", 104, 24, []string{"until restored", "wait 200ms"}},
		{"canary", "canary", "rolloutgate run -f deploy/ --canary 1 --approve --config criteria.yaml", 104, 28, []string{"until until somebody says so", "wait 3s"}},
	} {
		t.Run(picture.name, func(t *testing.T) {
			t.Parallel()
			p := startPlaying(t, picture.run, picture.width, picture.height, "ROLLOUTGATE_PLAY_PROMPT="+picture.prompt)
			p.do(picture.commands...)
			p.tmux.settled()
			screen := p.tmux.run("capture-pane", "-p", "-e", "-t", "run")
			golden(t, root+"docs/pictures/terminal-"+picture.name+".svg", drawn(t, strings.Split(strings.TrimRight(screen, "\n"), "\n"), picture.width))
		})
	}
}

// TestDocsTerminal: the block in the documentation is one of a recorded run.
func TestDocsTerminal(t *testing.T) {
	events, err := eventlog.Read(root + "gate/live/testdata/canary.json")
	if err != nil {
		t.Fatal(err)
	}
	s := live.State{Timeout: 10 * time.Minute}
	measured := 0
	for _, e := range events {
		s.Take(e)
		if strings.Contains(report.EventText(e), "(limit") {
			measured++
		}
		if measured == 12 {
			block := s.Block(e.Time.Add(time.Second), live.View{Width: 90, Height: 30})
			generated(t, "docs/terminal.md", "block", "```\n"+strings.Join(block, "\n")+"\n```\n")
			return
		}
	}
	t.Error("the run has not measured enough")
}

// The measures of a picture, in pixels.
const (
	cellWidth, cellHeight = 8.4, 18.0
	margin                = 14.0
)

// style is how text of a terminal looks.
type style struct {
	bold, dim bool
	color     int // of the eight; -1 is that of the terminal
}

// painted is text in one style, at a column.
type painted struct {
	style
	text   string
	column int
}

var graphics = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// paintedIn divides a line as tmux captures it into what is painted alike. The style goes on in the next line.
func paintedIn(t *testing.T, line string, now *style) []painted {
	var parts []painted
	column := 0
	add := func(text string) {
		if text != "" {
			parts = append(parts, painted{*now, text, column})
			column += len([]rune(text))
		}
	}
	for line != "" {
		at := graphics.FindStringSubmatchIndex(line)
		if at == nil {
			add(line)
			break
		}
		add(line[:at[0]])
		for code := range strings.SplitSeq(line[at[2]:at[3]], ";") {
			switch n, _ := strconv.Atoi(code); {
			case n == 0:
				*now = style{color: -1}
			case n == 1:
				now.bold = true
			case n == 2:
				now.dim = true
			case n == 22:
				now.bold, now.dim = false, false
			case n >= 30 && n <= 37:
				now.color = n - 30
			case n == 49: // the background is always that of the terminal
			case n == 39:
				now.color = -1
			default:
				t.Fatalf("no picture can show the style %q", code)
			}
		}
		line = line[at[1]:]
	}
	return parts
}

// drawn is a screen as SVG. Bars are drawn as shapes, as no two fonts agree on them; other text is as wide as its cells.
func drawn(t *testing.T, screen []string, columns int) string {
	width := 2*margin + cellWidth*float64(columns)
	height := 2*margin + cellHeight*float64(len(screen))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label="rolloutgate in a terminal">
<style>
text{font:14px ui-monospace,"SFMono-Regular","DejaVu Sans Mono",Menlo,Consolas,monospace;white-space:pre;fill:#d6deeb}
.b{font-weight:bold}
.d{opacity:.6}
.c1{fill:#ff6b68}.c2{fill:#7fd88f}.c3{fill:#f2c55c}.c4{fill:#82aaff}.c5{fill:#c792ea}.c6{fill:#7fdbca}
rect{fill:#d6deeb}
rect.c1{fill:#ff6b68}rect.c2{fill:#7fd88f}rect.c3{fill:#f2c55c}
</style>
<rect width="%.0f" height="%.0f" rx="8" style="fill:#10161f"/>
`, width, height, width, height, width, height)
	now := style{color: -1}
	for row, line := range screen {
		top := margin + cellHeight*float64(row)
		for _, part := range paintedIn(t, line, &now) {
			part.draw(&b, top)
		}
	}
	return b.String() + "</svg>\n"
}

// draw puts text or shapes at their place.
func (p painted) draw(b *strings.Builder, top float64) {
	runes := []rune(p.text)
	for from, to := 0, 0; from < len(runes); from = to {
		shape := isShape(runes[from])
		for to = from + 1; to < len(runes) && isShape(runes[to]) == shape && (!shape || runes[to] == runes[from]); to++ {
		}
		x, wide := margin+cellWidth*float64(p.column+from), cellWidth*float64(to-from)
		switch text := string(runes[from:to]); {
		case shape:
			y, high, shade := geometry(runes[from])
			fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" opacity="%.2g"%s/>`+"\n", x, top+y*cellHeight, wide, high*cellHeight, shade, p.class(false))
		case strings.TrimSpace(text) != "":
			lead := len(text) - len(strings.TrimLeft(text, " "))
			text = strings.Trim(text, " ")
			x += cellWidth * float64(lead)
			var escaped strings.Builder
			xml.EscapeText(&escaped, []byte(text))
			fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>%s</text>`+"\n", x, top+0.75*cellHeight, cellWidth*float64(len([]rune(text))), p.class(true), &escaped)
		}
	}
}

// class is the style of what is drawn.
func (p painted) class(text bool) string {
	var classes []string
	if p.bold && text {
		classes = append(classes, "b")
	}
	if p.dim && text {
		classes = append(classes, "d")
	}
	if p.color >= 0 {
		classes = append(classes, fmt.Sprintf("c%d", p.color))
	}
	if len(classes) == 0 {
		return ""
	}
	return ` class="` + strings.Join(classes, " ") + `"`
}

const eighths = "▁▂▃▄▅▆▇"

func isShape(r rune) bool { return strings.ContainsRune(eighths+"█▒░─━", r) }

// geometry is where in its cell a shape begins and how high it is, as parts of the cell, and how much of it one sees.
func geometry(r rune) (y, height, shade float64) {
	switch r {
	case '█':
		return 0.15, 0.7, 1
	case '▒':
		return 0.15, 0.7, 0.6
	case '░':
		return 0.15, 0.7, 0.25
	case '─':
		return 0.5, 0.06, 0.5
	case '━':
		return 0.48, 0.12, 1
	}
	high := 0.7 * float64(1+strings.Index(eighths, string(r))/len("▁")) / 8
	return 0.85 - high, high, 1
}
