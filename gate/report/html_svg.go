package report

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The measures of a drawing, in its units: those are the pixels of the page where that is wide enough.
const (
	charWidth  = 6.7 // of a letter on average, and a little more
	labelRow   = 16.0
	gutterWide = 62.0
)

// svg is a drawing with a title and a description for who does not see it. id is unique on the page.
func svg(id, class string, width, height float64, title, desc string, parts ...markup) markup {
	return tag("svg", attrs{
		"class", class, "viewBox", "0 0 " + num(width) + " " + num(height), "width", num(width), "height", num(height),
		"role", "img", "aria-labelledby", id + "-title " + id + "-desc", "font-size", "12", "font-family", "system-ui, sans-serif",
	}, append([]markup{
		tag("title", attrs{"id", id + "-title"}, line(title)), tag("desc", attrs{"id", id + "-desc"}, line(desc)), "\n",
	}, parts...)...)
}

// hatching are the patterns of pods that are not ready, for all drawings of the page.
func hatching() markup {
	pattern := func(id, class, color string) markup {
		return tag("pattern", attrs{"id", id, "width", "6", "height", "6", "patternUnits", "userSpaceOnUse", "patternTransform", "rotate(45)"},
			empty("rect", attrs{"width", "2", "height", "6", "class", class, "fill", color})) + "\n"
	}
	return "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\"><defs>\n" +
		pattern("hatch-new", "fill-new", "#0969da") + pattern("hatch-old", "fill-old", "#7d8896") + "</defs></svg>\n"
}

// num is a number of a drawing: one digit behind the point is less than anybody sees.
func num(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0
	}
	return strconv.FormatFloat(math.Round(f*10)/10+0, 'f', -1, 64) // + 0: never -0
}

// timeScale places moments between two columns.
type timeScale struct {
	from, to    time.Time
	left, right float64
}

// x is the place of a moment; what lies outside is moved to the edge.
func (s timeScale) x(t time.Time) float64 {
	span := s.to.Sub(s.from)
	if span <= 0 {
		return s.left
	}
	share := float64(t.Sub(s.from)) / float64(span)
	return s.left + min(max(share, 0), 1)*(s.right-s.left)
}

// ticks are moments at round distances from zero, at least so many columns apart.
func (s timeScale) ticks(zero time.Time, apart float64) []time.Time {
	span := s.to.Sub(s.from)
	if span <= 0 {
		return []time.Time{s.from}
	}
	least := time.Duration(float64(span) * apart / max(s.right-s.left, 1))
	step := roundStep(least)
	var out []time.Time
	first := zero.Add(s.from.Sub(zero).Truncate(step))
	for t := first; !t.After(s.to); t = t.Add(step) {
		if !t.Before(s.from) {
			out = append(out, t)
		}
	}
	return out
}

// roundStep is the shortest usual distance of ticks that is not below least.
func roundStep(least time.Duration) time.Duration {
	for _, step := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if step >= least {
			return step
		}
	}
	return (least/(24*time.Hour) + 1) * 24 * time.Hour
}

// tickText is how far a tick is from zero.
func tickText(d time.Duration) string {
	if d < 0 {
		return "−" + Duration(-d)
	}
	return Duration(d)
}

// valueScale places values between a bottom and a top line.
type valueScale struct{ low, high, bottom, top float64 }

func (s valueScale) y(v float64) float64 {
	if s.high <= s.low {
		return s.bottom
	}
	share := (v - s.low) / (s.high - s.low)
	return s.bottom - min(max(share, 0), 1)*(s.bottom-s.top)
}

// ticks are at most n+1 round values.
func (s valueScale) ticks(n int) []float64 {
	span := s.high - s.low
	if span <= 0 || math.IsInf(span, 0) || math.IsNaN(span) {
		return []float64{s.low}
	}
	step := math.Pow(10, math.Floor(math.Log10(span)))
	for _, part := range []float64{0.1, 0.2, 0.5, 1, 2, 5} {
		if span/(step*part) <= float64(n) {
			step *= part
			break
		}
	}
	var out []float64
	for i := math.Ceil(s.low / step); i*step <= s.high; i++ {
		out = append(out, i*step)
	}
	return out
}

// label is a word at a column of a drawing.
type label struct {
	text  string
	x     float64
	class string
}

// placed is a label with its row, and whether it ends at its column instead of beginning there.
type placed struct {
	label
	row int
	end bool
}

// arrange puts labels into rows so that none covers another and none leaves the drawing. The last one is the highest: so
// the line of none crosses the words of another, unless they end at their column.
func arrange(labels []label, right float64) (out []placed, rows int) {
	labels = slices.Clone(labels)
	slices.SortStableFunc(labels, func(a, b label) int { return cmp.Compare(b.x, a.x) })
	var taken [][][2]float64 // the spans of each row
	for _, l := range labels {
		w := float64(width(l.text))*charWidth + 8
		p := placed{label: l, end: l.x+w > right}
		from, to := l.x-1, l.x+w
		if p.end {
			from, to = l.x-w, l.x+1
		}
		for p.row = 0; p.row < len(taken); p.row++ {
			if !slices.ContainsFunc(taken[p.row], func(s [2]float64) bool { return from < s[1] && s[0] < to }) {
				break
			}
		}
		if p.row == len(taken) {
			taken = append(taken, nil)
		}
		taken[p.row] = append(taken[p.row], [2]float64{from, to})
		out = append(out, p)
	}
	return out, len(taken)
}

// drawMarks draws a line for each label from top to bottom, and the labels below; it returns how high these are.
func drawMarks(labels []label, top, bottom, right float64) (markup, float64) {
	all, rows := arrange(labels, right)
	var lines, words []markup
	for _, p := range all {
		end := bottom + 4 + float64(p.row)*labelRow + 12
		lines = append(lines, empty("line", attrs{
			"class", "mark " + p.class, "stroke", "#57606a", "x1", num(p.x), "x2", num(p.x), "y1", num(top), "y2", num(end),
		}), "\n")
		a := attrs{"class", "label " + p.class, "x", num(p.x + 4), "y", num(end - 1)}
		if p.end {
			a = attrs{"class", "label " + p.class, "x", num(p.x - 4), "y", num(end - 1), "text-anchor", "end"}
		}
		words = append(words, tag("text", a, line(p.text)), "\n")
	}
	return join("", append(lines, words...)...), float64(rows)*labelRow + 4
}

// timeAxis draws the ticks of time above a drawing, with fine lines down to its bottom.
func timeAxis(s timeScale, zero time.Time, y, bottom float64) markup {
	var b strings.Builder
	free := 0.0 // from where on there is room for words
	for _, t := range s.ticks(zero, 56) {
		x, words := s.x(t), tickText(t.Sub(zero))
		b.WriteString(string(empty("line", attrs{"class", "grid", "stroke", "#d0d7de", "x1", num(x), "x2", num(x), "y1", num(y + 4), "y2", num(bottom)})) + "\n")
		half := float64(width(words)) * charWidth / 2
		if x-half < free || x+half > s.right+5 {
			continue
		}
		free = x + half + 6
		b.WriteString(string(tag("text", attrs{"class", "tick", "x", num(x), "y", num(y), "text-anchor", "middle"}, text(words))) + "\n")
	}
	return markup(b.String())
}

// stepped is the outline of an area between two courses that keep their values until they change. xs are sorted.
func stepped(xs, low, high []float64, end float64) string {
	if len(xs) == 0 {
		return ""
	}
	var up, down strings.Builder
	up.WriteString("M" + num(xs[0]) + " " + num(high[0]))
	for i := 1; i < len(xs); i++ {
		if high[i] != high[i-1] {
			up.WriteString("H" + num(xs[i]) + "V" + num(high[i]))
		}
	}
	up.WriteString("H" + num(end) + "V" + num(low[len(low)-1]))
	for i := len(xs) - 1; i > 0; i-- {
		if low[i] != low[i-1] {
			down.WriteString("H" + num(xs[i]) + "V" + num(low[i-1]))
		}
	}
	return up.String() + down.String() + "H" + num(xs[0]) + "Z"
}

// point is a place of a drawing.
type point struct{ x, y float64 }

// polyline is the path through points, of which those of each run belong together.
func polyline(runs [][]point) string {
	var b strings.Builder
	for _, run := range runs {
		for i, p := range run {
			b.WriteString(map[bool]string{true: "M", false: "L"}[i == 0] + num(p.x) + " " + num(p.y))
		}
		if len(run) == 1 { // a line cap makes it a dot
			b.WriteString("h0.1")
		}
	}
	return b.String()
}
