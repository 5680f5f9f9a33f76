package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
)

// lane is a row of events of one type.
type lane struct {
	name, glyph, class string // the glyph is a path around zero
	events             []gate.Event
}

// The signs of events. Each has a form of its own, because not everybody sees its colour.
const (
	disc     = "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z"
	triangle = "M0 -5L5.2 4H-5.2Z"
	diamond  = "M0 -5.5L5.5 0L0 5.5L-5.5 0Z"
	square   = "M-4 -4H4V4H-4Z"
	star     = "M0 -6.5L1.7 -2.1L6.3 -1.9L2.7 1L3.9 5.4L0 2.9L-3.9 5.4L-2.7 1L-6.3 -1.9L-1.7 -2.1Z"
	arrow    = "M-5 0L4 -5.2V5.2Z"
)

// lanesOf are the rows of events that there are.
func lanesOf(r gate.Report) []lane {
	all := []lane{
		{name: "written", glyph: disc}, {name: "warning", glyph: triangle, class: "warn"}, {name: "decision", glyph: diamond},
		{name: "test", glyph: square}, {name: "verdict", glyph: star, class: colorClass(verdictColor(r))}, {name: "undo", glyph: arrow, class: "warn"},
	}
	types := map[gate.EventType]int{
		gate.EventApplied: 0, gate.EventWarning: 1, gate.EventRun: 2, gate.EventTest: 3, gate.EventVerdict: 4, gate.EventUndo: 5, gate.EventCommand: 0,
	}
	for _, e := range r.Timeline {
		if i, drawn := types[e.Type]; drawn {
			all[i].events = append(all[i].events, e)
		}
	}
	return slices.DeleteFunc(all, func(l lane) bool { return len(l.events) == 0 })
}

// drawLane draws a sign for each event; those that would cover each other are one, with their number.
func drawLane(s timeScale, l lane, y float64) markup {
	var b strings.Builder
	for i := 0; i < len(l.events); {
		x, j, apart := s.x(l.events[i].Time), i, 13.0
		var said []string
		for ; j < len(l.events) && s.x(l.events[j].Time)-x < apart; j++ {
			if j > i {
				apart = 18 + 7*float64(len(fmt.Sprint(j-i+1))) // their number stands beside the sign
			}
			if e := l.events[j]; len(said) < 4 {
				said = append(said, strings.TrimSpace(Elapsed(e.Time.Sub(s.from))+" "+objectName(e)+" "+clip(oneLine(EventText(e)), 160)))
			}
		}
		if more := j - i - len(said); more > 0 {
			said = append(said, fmt.Sprintf("and %d more", more))
		}
		parts := []markup{tag("title", nil, text(strings.Join(said, "\n"))), empty("path", attrs{
			"class", "glyph " + l.class, "fill", "#57606a", "d", l.glyph, "transform", "translate(" + num(x) + " " + num(y) + ")",
		})}
		if j-i > 1 && x+24 < s.right {
			parts = append(parts, tag("text", attrs{"class", "glyph-count", "x", num(x + 8), "y", num(y + 4)}, text(fmt.Sprint(j-i))))
		}
		b.WriteString(string(tag("g", nil, parts...)) + "\n")
		i = j
	}
	return markup(b.String())
}
