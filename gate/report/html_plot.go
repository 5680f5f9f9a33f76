package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
)

// course is one line of a plot.
type course struct {
	name, class string
	plot        []analysis.Moment
}

// coursesOf are the lines of a plot: the versions where they are known, else all together; then the groups.
func coursesOf(c analysis.Result) []course {
	var versions, groups []course
	for _, one := range c.Courses {
		one.Plot = finite(one.Plot)
		switch {
		case len(one.Plot) == 0:
		case one.Version == analysis.ScopeNew && one.Group == "":
			versions = append(versions, course{"new pods", "line-new", one.Plot})
		case one.Version == analysis.ScopeOld && one.Group == "":
			versions = append(versions, course{"old pods", "line-old", one.Plot})
		case one.Group != "":
			groups = append(groups, course{oneLine(strings.TrimSpace(string(one.Version) + " " + one.Group)), "", one.Plot})
		}
	}
	plot, name := finite(c.Plot), "all pods"
	if len(plot) == 0 && len(c.Courses) == 0 { // what was judged is all there is
		name = "as judged"
		for _, p := range c.Series {
			if p.Value != nil {
				plot = append(plot, analysis.Moment{Time: p.Time, Value: *p.Value})
			}
		}
		plot = finite(plot)
	}
	if len(versions) == 0 && len(plot) > 1 {
		versions = []course{{name, "line-all", plot}}
	}
	out := append(versions, groups...)
	out = out[:min(len(out), maxLines)]
	n := 0
	for i := range out {
		if out[i].class == "" {
			n++
			out[i].class = fmt.Sprintf("line-group line-g%d", n)
		}
	}
	return out
}

// finite are the values of a plot that can be drawn, in their order.
func finite(plot []analysis.Moment) []analysis.Moment {
	plot = slices.DeleteFunc(slices.Clone(plot), func(m analysis.Moment) bool {
		return math.IsNaN(float64(m.Value)) || math.IsInf(float64(m.Value), 0)
	})
	slices.SortStableFunc(plot, func(a, b analysis.Moment) int { return a.Time.Compare(b.Time) })
	return plot
}

// drawCriterion draws the value of a criterion around the rollout against its limit; empty where nothing is known.
func drawCriterion(c analysis.Result, r gate.Report, id string) markup {
	lines := coursesOf(c)
	if len(lines) == 0 {
		return ""
	}
	marks := criterionMarks(c, r.Marks)
	s := timeScale{left: plotLeft, right: plotWidth - 6}
	s.from, s.to = lines[0].plot[0].Time, lines[0].plot[0].Time
	for _, l := range lines {
		s.from, s.to = earlier(s.from, l.plot[0].Time), later(s.to, l.plot[len(l.plot)-1].Time)
	}
	for _, m := range marks {
		s.from, s.to = earlier(s.from, m.at), later(s.to, m.at)
	}
	b, boundWords := boundOf(c)
	v := valuesOf(lines, b)
	parts := []markup{timeAxis(s, r.Run.Started, plotTop-12, v.bottom)}
	for _, t := range v.ticks(4) {
		parts = append(parts, empty("line", attrs{"class", "grid", "stroke", "#d0d7de", "x1", num(s.left), "x2", num(s.right), "y1", num(v.y(t)), "y2", num(v.y(t))}),
			tag("text", attrs{"class", "tick", "x", num(s.left - 6), "y", num(v.y(t) + 4), "text-anchor", "end"}, text(rough(c.Unit, analysis.Number(t)))), "\n")
	}
	parts = append(parts, drawBound(s, v, b, boundWords))
	for _, l := range slices.Backward(lines) {
		if len(l.plot) < fewPoints {
			parts = append(parts, empty("path", attrs{"class", "dots " + l.class, "stroke", "#0969da", "d", dots(l.plot, s, v)}))
		}
		parts = append(parts, tag("path", attrs{"class", "line " + l.class, "fill", "none", "stroke", "#0969da", "d", polyline(segments(l.plot, s, v))}, tag("title", nil, line(l.name))), "\n")
	}
	var labels []label
	for _, m := range marks {
		labels = append(labels, label{m.name, s.x(m.at), map[string]string{"breach": "breach", "undo": "undo"}[m.name]})
	}
	drawnMarks, high := drawMarks(labels, plotTop-6, v.bottom, plotWidth)
	drawing := svg(id, "chart", plotWidth, v.bottom+high+4, "Criterion "+c.Name+" over time", criterionWords(c, r, lines), append(parts, drawnMarks)...)
	return tag("figure", nil, drawing, "\n", plotLegend(lines)) + "\n"
}

// criterionMarks are the moments by which a plot is read, in their order.
func criterionMarks(c analysis.Result, m gate.Marks) []mark {
	marks := []mark{{"apply", m.Applied}, {"ready", m.Complete}, {"breach", c.FirstBreach}, {"undo", m.Undone}}
	return slices.DeleteFunc(marks, func(m mark) bool { return m.at.IsZero() })
}

// boundOf is what a value is held against, and the words for it; its limit is NaN where it is not known.
func boundOf(c analysis.Result) (bound, string) {
	b := bound{c.Op, float64(c.Limit)}
	switch {
	case c.Baseline == "" || b.limit != 0:
		return b, "limit " + oneLine(string(c.Op)) + " " + c.Unit.Format(b.limit)
	case c.Before != nil: // a share is compared with another share, not with a number
		return bound{"", float64(*c.Before)}, "before " + rough(c.Unit, *c.Before)
	}
	return bound{"", math.NaN()}, ""
}

// valuesOf is a scale that holds all values and the limit, with some air above.
func valuesOf(lines []course, b bound) valueScale {
	v := valueScale{bottom: plotTop + plotHeight, top: plotTop}
	for _, l := range lines {
		for _, m := range l.plot {
			v.low, v.high = min(v.low, float64(m.Value)), max(v.high, float64(m.Value))
		}
	}
	if !math.IsNaN(b.limit) && !math.IsInf(b.limit, 0) {
		v.low, v.high = min(v.low, b.limit), max(v.high, b.limit)
	}
	if v.high <= v.low {
		v.high = v.low + 1
	}
	v.high += (v.high - v.low) * 0.12
	return v
}

// drawBound draws the limit, and shades what lies beyond it.
func drawBound(s timeScale, v valueScale, b bound, words string) markup {
	if math.IsNaN(b.limit) || math.IsInf(b.limit, 0) {
		return ""
	}
	y := v.y(b.limit)
	var shade markup
	area := func(top, bottom float64) markup {
		return empty("rect", attrs{"class", "beyond", "fill", "#ffebe9", "x", num(s.left), "y", num(top), "width", num(s.right - s.left), "height", num(max(bottom-top, 0))})
	}
	switch {
	case b.op == "" || b.op == analysis.Equal:
	case b.floor():
		shade = area(y, v.bottom)
	default:
		shade = area(v.top-6, y)
	}
	at := y - 5
	if at < v.top+8 {
		at = y + 13
	}
	class := "limit"
	if b.op == "" { // only to compare with
		class = "before"
	}
	return shade + empty("line", attrs{"class", class, "stroke", "#cf222e", "x1", num(s.left), "x2", num(s.right), "y1", num(y), "y2", num(y)}) +
		tag("text", attrs{"class", class + "-name", "x", num(s.left + 4), "y", num(at)}, text(clip(words, 50))) + "\n"
}

// segments are the places of a plot. A line breaks where there was no value for much longer than usual.
func segments(plot []analysis.Moment, s timeScale, v valueScale) [][]point {
	var gaps []time.Duration
	for i := range plot[1:] {
		gaps = append(gaps, plot[i+1].Time.Sub(plot[i].Time))
	}
	slices.Sort(gaps)
	usual := time.Duration(math.MaxInt64)
	if len(gaps) > 0 {
		usual = gaps[len(gaps)/2] * 5 / 2
	}
	var out [][]point
	for i, m := range plot {
		if i == 0 || m.Time.Sub(plot[i-1].Time) > max(usual, time.Second) {
			out = append(out, nil)
		}
		n := len(out) - 1
		out[n] = append(out[n], point{s.x(m.Time), v.y(float64(m.Value))})
	}
	return out
}

// fewPoints is how many points a line has to have to be seen without dots.
const fewPoints = 12

// dots are the places of a plot, each by itself: a line without a length, which has round ends.
func dots(plot []analysis.Moment, s timeScale, v valueScale) string {
	var apart [][]point
	for _, m := range plot {
		apart = append(apart, []point{{s.x(m.Time), v.y(float64(m.Value))}})
	}
	return polyline(apart)
}

// plotLegend names the lines, where there are several or the only one needs a name.
func plotLegend(lines []course) markup {
	var items []markup
	for _, l := range lines {
		items = append(items, "<svg class=\"swatch\" width=\"22\" height=\"10\" aria-hidden=\"true\">"+
			empty("line", attrs{"class", "line " + l.class, "stroke", "#0969da", "x1", "0", "x2", "22", "y1", "5", "y2", "5"})+"</svg> "+line(l.name))
	}
	return list("legend", items)
}

// criterionWords tells the drawing.
func criterionWords(c analysis.Result, r gate.Report, lines []course) string {
	value, limit := criterionNumbers(c)
	words := fmt.Sprintf("%s; value %s, limit %s", c.Verdict, value, limit)
	for _, l := range lines {
		low, high := math.Inf(1), math.Inf(-1)
		for _, m := range l.plot {
			low, high = min(low, float64(m.Value)), max(high, float64(m.Value))
		}
		words += fmt.Sprintf("; %s between %s and %s", l.name, rough(c.Unit, analysis.Number(low)), rough(c.Unit, analysis.Number(high)))
	}
	if first := firstBreach(c, r); first != "" {
		words += "; " + first
	}
	return words
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
