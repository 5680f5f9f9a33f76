package analysis

import (
	"context"
	"math"
	"slices"
	"time"
)

// Replay is how one criterion would have judged the quiet windows of the past.
type Replay struct {
	Name    string `json:"name"`
	Windows int    `json:"windows"` // that had data
	Empty   int    `json:"empty"`   // that had none
	Failed  int    `json:"failed"`  // that broke the limit
	Op      Op     `json:"op"`
	Limit   Number `json:"limit"`
	Unit    Unit   `json:"unit,omitempty"`
	// Median and Worst are values of the windows; nil when none had data.
	Median *Number `json:"median,omitempty"`
	Worst  *Number `json:"worst,omitempty"`
	// Suggested is a limit that about one window in a hundred would have broken at most, with a tenth of room; nil
	// when there were too few windows to say.
	Suggested *Number `json:"suggested,omitempty"`
	// Problem says why a criterion could not be replayed.
	Problem string `json:"problem,omitempty"`
}

// Backtest measures every criterion over all windows of the past that fit into a duration, as if each had followed a
// rollout. Windows in which something was in fact rolled out are among them.
func (s Session) Backtest(ctx context.Context, over time.Duration) []Replay {
	s.Timing = s.Timing.With(s.Facts.Scrape, s.Facts.Lag)
	r := &run{Session: s, slots: make(chan struct{}, maxConcurrent)}
	window := max(s.Timing.Window, leastScrapes*r.scrape())
	end := r.now()
	planned := int(over / window)
	out := make([]Replay, len(s.Criteria))
	for i, c := range s.Criteria {
		replay := Replay{Name: c.Name, Op: c.Op, Limit: Number(c.Limit.Value), Unit: c.Limit.Unit}
		if c.Endpoint != nil {
			replay.Problem = "an endpoint says nothing about the past"
			out[i] = replay
			continue
		}
		f := s.Facts.about(i)
		limit := c.Limit.Value
		values, err := r.of(c).windows(ctx, c, f, window, end.Add(-time.Duration(planned)*window), end)
		switch {
		case err != nil:
			replay.Problem = errorNote(err)
		case f.Problem != "" && len(values) == 0:
			replay.Problem = f.Problem
		default:
			replay.count(c, values, limit)
			replay.Empty = planned - replay.Windows
		}
		out[i] = replay
	}
	return out
}

// count judges the windows one by one.
func (r *Replay) count(c Criterion, values []Moment, limit float64) {
	var sorted []float64
	for _, v := range values {
		sorted = append(sorted, float64(v.Value))
	}
	slices.Sort(sorted)
	r.Windows = len(sorted)
	if len(sorted) == 0 {
		return
	}
	rising := c.Op != Greater && c.Op != GreaterEqual
	median, worst, far := sorted[len(sorted)/2], sorted[len(sorted)-1], sorted[max(0, (99*len(sorted)+99)/100-1)]
	if !rising {
		worst, far = sorted[0], sorted[len(sorted)/100]
	}
	if c.Baseline != nil {
		limit = c.Baseline.limit(median)
		r.Limit = Number(limit)
	}
	for _, v := range sorted {
		if met, _ := c.Op.holds(v, limit); !met {
			r.Failed++
		}
	}
	r.Median, r.Worst = (*Number)(&median), (*Number)(&worst)
	if len(sorted) >= leastWindows {
		room := 1.1
		if !rising {
			room = 0.9
		}
		suggested := Number(rounded(far * room))
		r.Suggested = &suggested
	}
}

// rounded keeps two digits: more would look more certain than it is.
func rounded(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	scale := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-1)
	return math.Round(v/scale) * scale
}
