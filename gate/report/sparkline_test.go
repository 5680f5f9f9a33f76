package report

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/analysis"
)

var began = time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)

// second is a moment of the tests' plots.
func second(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }

// everySecond is a plot of one value a second; NaN leaves a second out.
func everySecond(values ...float64) (plot []analysis.Moment) {
	for s, v := range values {
		if !math.IsNaN(v) {
			plot = append(plot, analysis.Moment{Time: second(s), Value: analysis.Number(v)})
		}
	}
	return plot
}

// flat is n times v, but for the values given by their place.
func flat(n int, v float64, except map[int]float64) []float64 {
	values := slices.Repeat([]float64{v}, n)
	for i, x := range except {
		values[i] = x
	}
	return values
}

func TestSparkline(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	atMost := func(limit float64) bound { return bound{analysis.LessEqual, limit} }
	for name, test := range map[string]struct {
		plot  []analysis.Moment
		bound bound
		marks []mark
		n     int
		want  string // a line for the columns, one for those that broke the limit, one for each line of marks
	}{
		"nothing":             {nil, atMost(1), nil, 60, ""},
		"too few":             {everySecond(1, 2, 3, 4, 5, 6, 7), atMost(1), nil, 60, ""},
		"too few are numbers": {append(everySecond(1, 2, 3, 4, 5, 6, 7), analysis.Moment{Time: second(9), Value: analysis.Number(inf)}), atMost(1), nil, 60, ""},
		"all levels":          {everySecond(0, 1, 2, 3, 4, 5, 6, 7), atMost(4), nil, 8, "▁▂▃▄▅▆▇█\n     !!!"},
		"under the limit":     {everySecond(0, 1, 2, 3, 4, 5, 6, 7), atMost(14), nil, 8, "▁▂▂▃▃▄▄▅"},
		"below":               {everySecond(0, 1, 2, 3, 4, 5, 6, 7), bound{analysis.Less, 4}, nil, 8, "▁▂▃▄▅▆▇█\n    !!!!"},
		"above":               {everySecond(0, 1, 2, 3, 4, 5, 6, 7), bound{analysis.Greater, 4}, nil, 8, "▁▂▃▄▅▆▇█\n!!!!!"},
		"equal":               {everySecond(1, 1, 1, 1, 1, 1, 1, 0), bound{analysis.Equal, 1}, nil, 8, "███████▁\n       !"},
		"no limit":            {everySecond(0, 1, 2, 3, 4, 5, 6, 7), atMost(nan), nil, 8, "▁▂▃▄▅▆▇█"},
		"a limit without end": {everySecond(0, 1, 2, 3, 4, 5, 6, 7), atMost(inf), nil, 8, "▁▂▃▄▅▆▇█"},
		"zero":                {everySecond(flat(8, 0, nil)...), atMost(0), nil, 8, "▁▁▁▁▁▁▁▁"},
		"below zero":          {everySecond(-9, 0, 1, 2, 3, 4, 5, 7), atMost(nan), nil, 8, "▁▁▂▃▄▅▆█"},
		"gap":                 {everySecond(7, 7, 7, nan, nan, 7, 7, 7, 7, 7), atMost(9), nil, 10, "▆▆▆  ▆▆▆▆▆"},
		"wide columns":        {everySecond(0, 1, 2, 3, 4, 5, 6, 7), atMost(9), []mark{{"b", second(1)}}, 20, "▁▁▂▂▃▃▃▃▄▄▅▅▆▆▆▆\n  ^b"},
		"one moment":          {slices.Repeat(everySecond(3), 8), atMost(1), nil, 3, "███\n!!!"},
		"no order":            {append(everySecond(nan, 1, 2, 3, 4, 5, 6, 7), everySecond(0)...), atMost(7), nil, 8, "▁▂▃▄▅▆▇█"},
		"highest of a column": {everySecond(flat(32, 0, map[int]float64{9: 7, 20: 3})...), atMost(3), nil, 8, "▁▁█▁▁▄▁▁\n  !"},
		"lowest of a column":  {everySecond(flat(32, 7, map[int]float64{9: 0, 20: 3})...), bound{analysis.GreaterEqual, 3}, nil, 8, "██▁██▄██\n  !"},
		"marks": {
			everySecond(flat(20, 7, nil)...), atMost(7),
			[]mark{{"undo", second(14)}, {"apply", second(3)}, {"ready", second(6)}, {"never", time.Time{}}, {"breach", second(7)}}, 20,
			strings.Repeat("█", 20) + "\n   ^apply     ^undo\n      ^ready\n       ^breach",
		},
		"marks beyond the data": {
			everySecond(flat(8, 7, nil)...), atMost(7), []mark{{"a", second(-2)}, {"b", second(9)}}, 12, "  ████████  \n^a         ^b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(test.plot)
			if diff := cmp.Diff(test.want, drawn(sparkline(test.plot, test.bound, test.marks, test.n))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !slices.Equal(before, test.plot) {
				t.Error("the plot was changed")
			}
		})
	}
}

// drawn is a sparkline with what is marked as broken below it.
func drawn(s spark) string {
	broken := ""
	for _, c := range s.columns {
		broken += map[bool]string{true: "!", false: " "}[c.broken]
	}
	lines := []string{s.String()}
	if broken = strings.TrimRight(broken, " "); broken != "" {
		lines = append(lines, broken)
	}
	return strings.Join(append(lines, s.marks...), "\n")
}

// However many values there are, and however they lie, the line stays within its columns and shows the worst.
func TestSparklineFits(t *testing.T) {
	for _, n := range []int{20, 42, 60} {
		for size := leastMoments + 1; size < 500; size++ {
			plot := everySecond(flat(size, 1, map[int]float64{size / 3: 7})...)
			plot = slices.DeleteFunc(plot, func(m analysis.Moment) bool { return m.Time.Second() == 7 && m.Value < 7 })
			s := sparkline(plot, bound{analysis.LessEqual, 2}, []mark{{"apply", second(size)}}, n)
			if len(s.columns) > n || len(s.columns) <= n/2 || !strings.Contains(s.String(), "█") || s.top != 7 || s.low != 1 {
				t.Fatalf("%d values in %d columns: %q", size, n, s)
			}
		}
	}
}
