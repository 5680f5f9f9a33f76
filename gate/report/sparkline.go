package report

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// levels are the characters of a sparkline, from nothing to the top.
const levels = "▁▂▃▄▅▆▇█"

// A sparkline is drawn from leastMoments on, in at most mostColumns.
const (
	leastMoments = 8
	mostColumns  = 60
)

// bound is what a value is held against. Limit is NaN where it is not known.
type bound struct {
	op    analysis.Op
	limit float64
}

// floor says that low values are the bad ones.
func (b bound) floor() bool { return b.op == analysis.Greater || b.op == analysis.GreaterEqual }

// broken is false where the limit is not known.
func (b bound) broken(v float64) bool {
	switch b.op {
	case analysis.Less:
		return v >= b.limit
	case analysis.LessEqual:
		return v > b.limit
	case analysis.Greater:
		return v <= b.limit
	case analysis.GreaterEqual:
		return v < b.limit
	}
	return b.op == analysis.Equal && !math.IsNaN(b.limit) && v != b.limit
}

// mark is a moment that is named below a sparkline; at is zero where the run did not come to it.
type mark struct {
	name string
	at   time.Time
}

// spark is a drawn sparkline.
type spark struct {
	columns  []column
	marks    []string // lines below, each name at its column behind a caret
	low, top float64  // of the values
}

// column is one character of a sparkline: a blank where there was no value.
type column struct {
	char   rune
	broken bool // the value breaks the limit
}

// sparkline draws values over time in at most n columns, scaled from 0 to the highest value or the limit. Of several
// values in a column the worst is drawn: the highest, or the lowest where the limit is a floor. It draws nothing of
// fewer than leastMoments values.
func sparkline(plot []analysis.Moment, b bound, marks []mark, n int) spark {
	plot = slices.DeleteFunc(slices.Clone(plot), func(m analysis.Moment) bool {
		return math.IsNaN(float64(m.Value)) || math.IsInf(float64(m.Value), 0)
	})
	marks = slices.DeleteFunc(slices.Clone(marks), func(m mark) bool { return m.at.IsZero() })
	if len(plot) < leastMoments {
		return spark{}
	}
	slices.SortStableFunc(plot, func(x, y analysis.Moment) int { return x.Time.Compare(y.Time) })
	slices.SortStableFunc(marks, func(x, y mark) int { return x.at.Compare(y.at) })
	a := axisOf(plot, marks, n)
	worst := make([]float64, a.slots)
	for i := range worst {
		worst[i] = math.NaN()
	}
	s := spark{low: math.Inf(1), top: math.Inf(-1)}
	for _, m := range plot {
		v, at := float64(m.Value), &worst[a.slot(m.Time)]
		s.low, s.top = min(s.low, v), max(s.top, v)
		if math.IsNaN(*at) || v > *at != b.floor() {
			*at = v
		}
	}
	scale := s.top
	if b.limit > scale && !math.IsInf(b.limit, 0) {
		scale = b.limit
	}
	for _, v := range worst {
		c := column{Level(v, scale, levels), b.broken(v)}
		s.columns = append(s.columns, slices.Repeat([]column{c}, a.wide)...)
	}
	s.marks = markLines(marks, a)
	return s
}

// Level is the character for a value on a scale from 0 to top, out of those for nothing to the top; a blank for no number.
func Level(v, top float64, levels string) rune {
	all := []rune(levels)
	switch {
	case math.IsNaN(v), math.IsNaN(top):
		return ' '
	case v <= 0 || top <= 0:
		return all[0]
	}
	share := v / top // no number where both have no end
	if math.IsNaN(share) || share > 1 {
		share = 1
	}
	return all[int(math.Round(share*float64(len(all)-1)))]
}

// axis divides time into slots, each of which is some columns wide.
type axis struct {
	start       time.Time
	step        time.Duration
	slots, wide int
}

// axisOf spans all values and marks. A slot is as long as the shortest time between two values, so that a gap is one in
// the data; if that takes more than n columns, it is longer. Both lists are sorted, and plot is not empty.
func axisOf(plot []analysis.Moment, marks []mark, n int) axis {
	start, end := plot[0].Time, plot[len(plot)-1].Time
	if len(marks) > 0 {
		if first := marks[0].at; first.Before(start) {
			start = first
		}
		if last := marks[len(marks)-1].at; last.After(end) {
			end = last
		}
	}
	span := end.Sub(start)
	step := max(span, 1)
	for i, m := range plot[1:] {
		if gap := m.Time.Sub(plot[i].Time); gap > 0 {
			step = min(step, gap)
		}
	}
	if span/step >= time.Duration(n) {
		step = span/time.Duration(n) + 1
	}
	a := axis{start: start, step: step, slots: int(span/step) + 1}
	a.wide = max(1, n/a.slots)
	return a
}

func (a axis) slot(t time.Time) int { return int(t.Sub(a.start) / a.step) }

// markLines names each mark at its column: in the first line with room for it.
func markLines(marks []mark, a axis) []string {
	var lines []string
	for _, m := range marks {
		at := a.slot(m.at) * a.wide
		i := slices.IndexFunc(lines, func(line string) bool { return width(line) < at })
		if i < 0 {
			i, lines = len(lines), append(lines, "")
		}
		lines[i] = pad(lines[i], at) + "^" + m.name
	}
	return lines
}

// String is the sparkline without its marks.
func (s spark) String() string {
	var b strings.Builder
	for _, c := range s.columns {
		b.WriteRune(c.char)
	}
	return b.String()
}
