package live

import (
	"fmt"
	"strings"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// cells is how long a bar or a sparkline is.
func (d drawing) cells() int {
	switch {
	case d.width < narrow:
		return 6
	case d.width < wideEnough:
		return 10
	}
	return 20
}

// share is a part of a bar.
type share struct {
	count       int
	glyph, fill string // the character, and its style
}

// bar draws shares of a whole. What is there has at least one cell, as far as there are enough.
func (d drawing) bar(shares []share, whole int) line {
	var l line
	room, sum := d.cells(), 0
	for _, s := range shares {
		sum += s.count
	}
	whole = max(whole, sum, 1)
	edge, seen := 0, 0
	for _, s := range shares {
		if s.count <= 0 {
			continue
		}
		seen += s.count
		end := max(seen*room/whole, edge+1)
		end = min(end, room)
		l = append(l, part{strings.Repeat(s.glyph, end-edge), s.fill})
		edge = end
	}
	return append(l, part{strings.Repeat(d.blank, room-edge), dim})
}

// workload is one of them: its name, its pods, what it waits for.
func (d drawing) workload(w workload) line {
	ready := int(max(0, w.Ready))
	starting := int(max(0, w.Updated-w.Ready))
	old := int(max(0, w.Old))
	fill := green
	if w.Phase == rollout.Failed {
		fill = red
	}
	whole := max(int(w.Desired), ready+starting+old)
	if whole == 0 && w.Phase == rollout.Complete { // it has no pods, and is done
		ready, whole = 1, 1
	}
	l := d.named(w.Ref.String())
	l = append(l, d.bar([]share{{ready, d.ready, fill}, {starting, d.starting, yellow}, {old, d.old, dim}}, whole)...)
	l = append(l, part{"  ", ""})
	l = append(l, d.figures(w, starting)...)
	style := ""
	switch w.Phase {
	case rollout.Complete:
		style = green
	case rollout.Failed:
		style = red
	case rollout.Superseded, rollout.Paused:
		style = yellow
	}
	said := w.Phase == rollout.Progressing || w.Reason == rollout.ReasonBeside
	if !said {
		l = append(l, part{"  " + strings.ToLower(string(w.Phase)), style})
	}
	const worthwhile = 8 // columns: less of a sentence says nothing
	if text := d.flat(w.Message); text != "" && d.width-l.width() > worthwhile && (w.Phase != rollout.Complete || w.Reason == rollout.ReasonBeside) {
		l = append(l, part{"  " + text, map[bool]string{true: red}[w.Phase == rollout.Failed]})
	}
	return l
}

// figures are the pods of a workload in numbers: new ones that are ready, of how many; new ones that are not; old ones.
func (d drawing) figures(w workload, starting int) line {
	if w.Desired == 0 && w.Updated == 0 && w.Old == 0 {
		return nil
	}
	whole := d.width >= wideEnough
	of := fmt.Sprintf("%d/%d", w.Ready, w.Desired)
	what := map[bool]string{false: "ready", true: "back"}[w.back]
	if whole {
		of = fmt.Sprintf("%d/%d %s", w.Ready, w.Desired, what)
	}
	between := map[bool]string{false: " ", true: ", "}[whole]
	l := line{{of, ""}}
	if starting > 0 {
		text := fmt.Sprintf("+%d", starting)
		if whole {
			text = fmt.Sprintf("%d starting", starting)
		}
		l = append(l, part{between, ""}, part{text, yellow})
	}
	if w.Old > 0 {
		text := fmt.Sprintf("%d old", w.Old)
		if whole && w.back {
			text = fmt.Sprintf("%d to go", w.Old)
		}
		l = append(l, part{between, ""}, part{text, dim})
	}
	return l
}

// criterionRows are at most n lines. Where there are more criteria, those that are broken are shown.
func (d drawing) criterionRows(n int) []line {
	if n < 1 {
		return nil
	}
	shown := d.criteria
	if len(shown) > n {
		var broken, others []criterion
		for _, c := range shown {
			if c.state() == analysis.OK {
				others = append(others, c)
			} else {
				broken = append(broken, c)
			}
		}
		shown = append(broken, others...)[:max(n-1, 1)]
	}
	values := 0
	for _, c := range shown {
		values = max(values, measure(d.flat(c.value())))
	}
	var lines []line
	for _, c := range shown {
		lines = append(lines, d.criterion(c, min(values, 12)))
	}
	if more := len(d.criteria) - len(shown); more > 0 && n > 1 {
		lines = append(lines, line{{fmt.Sprintf("  +%d more criteria", more), dim}})
	}
	return lines
}

func (c criterion) state() analysis.State {
	switch {
	case c.last != nil:
		return c.last.State
	case c.before != nil:
		return c.before.State
	}
	return analysis.OK
}

// value is the last one, or the one of the running version, in words.
func (c criterion) value() string {
	switch {
	case c.last != nil && c.last.Value != "":
		return c.last.Value
	case c.last == nil && c.before != nil && c.before.Value != "":
		return c.before.Value
	}
	return "-"
}

// criterion is one of them: its name, its last values, the limit, and what that means.
func (d drawing) criterion(c criterion, values int) line {
	style := map[analysis.State]string{analysis.OK: green, analysis.Breach: red}[c.state()]
	if style == "" {
		style = yellow
	}
	l := d.named(c.name)
	spark := d.spark(c)
	l = append(append(l, spark...), part{strings.Repeat(" ", d.cells()-spark.width()) + "  ", ""}, part{pad(d.flat(c.value()), values), ""})
	if c.last == nil {
		return append(l, part{"  before", dim})
	}
	limit := d.flat(c.last.Limit)
	if d.width >= wideEnough {
		limit = "limit " + limit
	}
	if d.width >= narrow {
		l = append(l, part{"  " + limit, dim})
	}
	l = append(l, part{"  " + string(c.last.State), style})
	if note := d.flat(c.last.Note); note != "" {
		l = append(l, part{"  " + note, dim})
	}
	return l
}

// spark draws the last values, from 0 to the highest one or the limit.
func (d drawing) spark(c criterion) line {
	values := c.values[max(0, len(c.values)-d.cells()):]
	top := 0.0
	for _, v := range values {
		top = max(top, v.number)
	}
	if c.last != nil && c.last.Bound != nil {
		if bound := float64(*c.last.Bound); isFinite(bound) {
			top = max(top, bound)
		}
	}
	var l line
	for _, v := range values {
		style := map[bool]string{true: red, false: green}[v.broken]
		if n := len(l); n > 0 && l[n-1].style == style {
			l[n-1].text += string(report.Level(v.number, top, d.levels))
		} else {
			l = append(l, part{string(report.Level(v.number, top, d.levels)), style})
		}
	}
	return l
}
