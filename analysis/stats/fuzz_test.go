package stats

import (
	"math"
	"testing"
)

// FuzzFunctions: whatever goes in, no function panics, none returns NaN, and
// shares stay shares.
func FuzzFunctions(f *testing.F) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, seed := range [][6]float64{
		{3, 100, 1, 100, 0.01, 0.95}, {0, 0, 0, 0, 0, 0}, {1e11, 1e12, 1e9, 1e12, 0.05, 0.99}, {2.5, 7.25, 0.5, 3, 1.5, 0.5},
		{nan, inf, -inf, -1, nan, inf}, {5e-324, 1, 5e-324, 5e-324, 5e-324, 5e-324}, {1e300, 1e300, 1e-300, 1, 1e300, 1e-300},
		{1, 1, 1, 1, 0.9999999999999999, 0.9999999999999999}, {9007199254740992, 9007199254740992, 1, 2, 0.2, 0.1},
		{1e-9, 2e-9, 4e15, 9e15, 0.9, 1e-12}, {20000, 50000, 30000, 60000, 1, 0.95},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4], seed[5])
	}
	f.Fuzz(func(t *testing.T, bad, total, oldBad, oldTotal, limit, level float64) {
		share := func(name string, p float64) {
			if !(p >= 0 && p <= 1) {
				t.Errorf("%s = %v", name, p)
			}
		}
		number := func(name string, v float64) {
			if math.IsNaN(v) {
				t.Errorf("%s = NaN", name)
			}
		}
		number("Evidence", Evidence(bad, total, limit))
		number("Threshold", Threshold(level))
		number("EventsNeeded", EventsNeeded(limit, level))
		share("Split", Split(level, int(min(max(bad, -9), 9))))
		share("SplitSeries", SplitSeries(level, int(min(max(bad, -9), 9))))
		low, high := Interval(bad, total, level)
		share("low end", low)
		share("high end", high)
		if low > high {
			t.Errorf("interval from %v to %v", low, high)
		}
		share("RateRatio", RateRatio(bad, total, oldBad, oldTotal, limit))
		share("PlaceboRank", PlaceboRank(bad, []float64{total, oldBad, oldTotal, limit}, level > 0.5))
		if d := EarlyPass(bad, total, limit, oldTotal, level, level); d < Undecided || d > Bad {
			t.Errorf("EarlyPass = %d", d)
		}
		c := NewComparison(limit)
		c.Add(bad, total, oldBad, oldTotal)
		c.Add(oldBad, oldTotal, bad, total)
		number("Comparison", c.Evidence())
		Spread([]float64{bad, total, limit}, 0)
	})
}
