package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestRateRatioAgainstEnumeration(t *testing.T) {
	for _, tt := range []struct{ newTotal, oldTotal, ratio float64 }{{100, 100, 1}, {50, 900, 1}, {800, 100, 2}, {30, 30, 1.25}} {
		q := tt.ratio * tt.newTotal / (tt.ratio*tt.newTotal + tt.oldTotal)
		for newBad := range 15 {
			for oldBad := range 15 {
				want := atLeast(newBad, newBad+oldBad, q)
				got := RateRatio(float64(newBad), tt.newTotal, float64(oldBad), tt.oldTotal, tt.ratio)
				if math.Abs(got-want) > 1e-12 {
					t.Errorf("%d and %d bad with a share of %v: %v, want %v", newBad, oldBad, q, got, want)
				}
			}
		}
	}
}

func TestRateRatioAtTheEdges(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range [][5]float64{
		{0, 100, 5, 100, 1}, {0, 0, 0, 0, 1}, {5, 0, 5, 100, 1}, {5, 100, 0, 0, 1}, {nan, 100, 5, 100, 1}, {5, nan, 5, 100, 1},
		{5, 100, -5, 100, 1}, {5, 100, 5, inf, 1}, {5, 100, 5, 100, 0}, {5, 100, 5, 100, -1}, {5, 100, 5, 100, nan}, {5, 100, 5, 100, inf},
	} {
		if p := RateRatio(tt[0], tt[1], tt[2], tt[3], tt[4]); p != 1 {
			t.Errorf("RateRatio(%v) = %v, want 1", tt, p)
		}
	}
	within(t, "large and equal", RateRatio(5e11, 1e12, 5e11, 1e12, 1), 0.4999, 0.5001)
	within(t, "large and worse", RateRatio(6e11, 1e12, 5e11, 1e12, 1), 0, 1e-12)
	within(t, "fraction", RateRatio(3.5, 100, 1, 100, 1), RateRatio(4, 100, 1, 100, 1), RateRatio(3, 100, 1, 100, 1))
}

// TestRateRatioLevel: at the limit, one look, rare and frequent errors.
func TestRateRatioLevel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	for _, tt := range []struct {
		newTotal, oldTotal int
		ratio, old         float64
	}{{500, 500, 1, 0.01}, {100, 1000, 1, 0.05}, {1000, 200, 2, 0.01}, {100, 100, 1, 0.4}, {100, 100, 2, 0.4}} {
		const trials = 4000
		alarms := 0.0
		for range trials {
			newBad, oldBad := binomial(r, tt.newTotal, tt.ratio*tt.old), binomial(r, tt.oldTotal, tt.old)
			if RateRatio(newBad, float64(tt.newTotal), oldBad, float64(tt.oldTotal), tt.ratio) <= 0.05 {
				alarms++
			}
		}
		t.Logf("%+v: %.4f", tt, alarms/trials)
		within(t, "alarms", alarms/trials, 0, 0.05)
	}
}

// TestPlaceboRankAgainstEnumeration: if each of the m+1 windows is as likely
// to be the current one, p is at most t in a share t of the cases; without
// ties p takes each of its values once.
func TestPlaceboRankAgainstEnumeration(t *testing.T) {
	for _, windows := range [][]float64{
		{1, 2, 3, 4, 5}, {1, 1, 2, 2, 2, 7}, {0, 0, 0, 0}, {-1, 3.5, 0, 3.5, math.Inf(1), math.Inf(-1), 9},
	} {
		for _, above := range []bool{true, false} {
			n := len(windows)
			atMost := make([]int, n+1) // cases with p <= i/n
			for i, current := range windows {
				history := append(append([]float64{}, windows[:i]...), windows[i+1:]...)
				worse := 0
				for _, w := range windows {
					if above && w >= current || !above && w <= current {
						worse++
					}
				}
				p := PlaceboRank(current, history, above)
				if want := float64(worse) / float64(n); math.Abs(p-want) > 1e-12 {
					t.Errorf("%v in %v: %v, want %v", current, windows, p, want)
				}
				for j := worse; j <= n; j++ {
					atMost[j]++
				}
			}
			for j, cases := range atMost {
				if cases > j || windows[1] == 2 && cases != j {
					t.Errorf("%v: %d of %d cases have p <= %d/%d", windows, cases, n, j, n)
				}
			}
		}
	}
}

func TestPlaceboRankAtTheEdges(t *testing.T) {
	nan := math.NaN()
	history := make([]float64, 18)
	if p := PlaceboRank(1, history, true); p <= 0.05 {
		t.Errorf("18 windows reach %v", p)
	}
	if p := PlaceboRank(1, append(history, 0), true); p != 0.05 {
		t.Errorf("19 windows reach %v", p)
	}
	if PlaceboRank(1, nil, true) != 1 || PlaceboRank(nan, history, true) != 1 || PlaceboRank(1, []float64{nan, nan}, false) != 1 {
		t.Error("p without history is not 1")
	}
	if p := PlaceboRank(1, []float64{nan, 0, nan, 0, 2}, true); p != 0.5 {
		t.Errorf("NaN counts: %v", p)
	}
}

// autoregressive draws n values of a series with unit variance in which each
// value keeps the share rho of the one before.
func autoregressive(r *rand.Rand, n int, rho float64) []float64 {
	values := make([]float64, n)
	last := r.NormFloat64()
	for i := range values {
		values[i] = last
		last = rho*last + math.Sqrt(1-rho*rho)*r.NormFloat64()
	}
	return values
}

// placeboAlarms is the share of quiet series whose last window is called
// unusual at 0.05, given so many windows before it.
func placeboAlarms(trials int, seed uint64, windows int, rho float64) float64 {
	r := rand.New(rand.NewPCG(seed, 2))
	alarms := 0
	for range trials {
		values := autoregressive(r, windows+1, rho)
		if PlaceboRank(values[windows], values[:windows], true) <= 0.05 {
			alarms++
		}
	}
	return float64(alarms) / float64(trials)
}

func TestPlaceboRankOnCorrelatedWindows(t *testing.T) {
	for _, tt := range []struct {
		windows     int
		rho         float64
		least, most float64
	}{{39, 0, 0.045, 0.055}, {39, 0.8, 0.05, 0.08}, {95, 0.8, 0.035, 0.065}} {
		got := placeboAlarms(20000, 1, tt.windows, tt.rho)
		t.Logf("%d windows, rho %v: %.4f", tt.windows, tt.rho, got)
		within(t, "alarms", got, tt.least, tt.most)
	}
}
