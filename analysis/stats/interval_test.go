package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// atLeast sums the binomial probabilities of k and more among n, one by one.
func atLeast(k, n int, p float64) float64 {
	sum := 0.0
	for i := k; i <= n; i++ {
		all, _ := math.Lgamma(float64(n + 1))
		some, _ := math.Lgamma(float64(i + 1))
		rest, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(all - some - rest + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// TestIntervalAgainstSums: at the ends of the interval the binomial tails
// are exactly half of what the confidence leaves.
func TestIntervalAgainstSums(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 20, 41, 300} {
		for _, confidence := range []float64{0.5, 0.95, 0.999} {
			for k := 0; k <= n; k += 1 + n/40 {
				low, high := Interval(float64(k), float64(n), confidence)
				tail := (1 - confidence) / 2
				if k == 0 && low != 0 || k > 0 && math.Abs(atLeast(k, n, low)-tail) > 1e-9 {
					t.Errorf("%d of %d at %v: low end %v", k, n, confidence, low)
				}
				if k == n && high != 1 || k < n && math.Abs(1-atLeast(k+1, n, high)-tail) > 1e-9 {
					t.Errorf("%d of %d at %v: high end %v", k, n, confidence, high)
				}
			}
		}
	}
}

// TestIntervalCovers: the truth lies inside at least as often as promised.
// No draws, all outcomes with their probabilities.
func TestIntervalCovers(t *testing.T) {
	const n = 60
	var low, high [n + 1]float64
	for k := range n + 1 {
		low[k], high[k] = Interval(float64(k), n, 0.9)
	}
	for p := 0.005; p < 1; p += 0.005 {
		inside := 0.0
		for k := range n + 1 {
			if low[k] <= p && p <= high[k] {
				inside += atLeast(k, n, p) - atLeast(k+1, n, p)
			}
		}
		if inside < 0.9 {
			t.Errorf("at %.3f only %.4f are inside", p, inside)
		}
	}
}

func TestIntervalOfLargeCounts(t *testing.T) {
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got/want-1) > 1e-4 {
			t.Errorf("%s = %v, want %v", what, got, want)
		}
	}
	// A few among very many: the exact interval of a Poisson count of 3.
	low, high := Interval(3, 1e12, 0.95)
	near("low end of 3", low*1e12, 0.618672)
	near("high end of 3", high*1e12, 8.767273)
	// Very many of very many: the normal approximation.
	low, high = Interval(2e11, 1e12, 0.95)
	near("below 0.2", 0.2-low, 1.959964*0.4e-6)
	near("above 0.2", high-0.2, 1.959964*0.4e-6)
	low, high = Interval(1e12, 1e12, 0.95)
	within(t, "low end of all", (1-low)*1e12, 3.65, 3.73) // -ln(0.025), to what a float64 holds below 1
	if high != 1 {
		t.Errorf("high end of all = %v", high)
	}
	// Both methods where they meet.
	r := rand.New(rand.NewPCG(2, 0))
	for range 300 {
		a, b := seriesCount*(1+9*r.Float64()), seriesCount*(1+9*r.Float64())
		x := a/(a+b) + 2*r.NormFloat64()*math.Sqrt(a*b/(a+b))/(a+b)
		integral, fraction := betaIntegral(a, b, x), betaFraction(a, b, x, 1-x)
		if x > a/(a+b) {
			fraction = 1 - betaFraction(b, a, 1-x, x)
		}
		if math.Abs(integral-fraction) > 1e-6*min(fraction, 1-fraction)+1e-13 {
			t.Errorf("I_%v(%v, %v) = %v and %v", x, a, b, integral, fraction)
		}
	}
}

func TestIntervalAtTheEdges(t *testing.T) {
	nan := math.NaN()
	for _, tt := range [][3]float64{
		{0, 0, 0.95}, {nan, 10, 0.95}, {1, nan, 0.95}, {-1, 10, 0.95}, {1, math.Inf(1), 0.95}, {1, 10, 0}, {1, 10, 1}, {1, 10, nan},
	} {
		if low, high := Interval(tt[0], tt[1], tt[2]); low != 0 || high != 1 {
			t.Errorf("Interval(%v) = %v to %v", tt, low, high)
		}
	}
	// Fractions lie between their whole neighbours.
	low2, high2 := Interval(2, 50, 0.95)
	low, high := Interval(2.5, 50, 0.95)
	low3, high3 := Interval(3, 50, 0.95)
	if !(low2 < low && low < low3 && high2 < high && high < high3) {
		t.Errorf("2.5 of 50: %v to %v", low, high)
	}
}

func TestEventsNeeded(t *testing.T) {
	for _, tt := range []struct{ limit, confidence, want float64 }{
		{0.01, 0.95, 299}, {0.005, 0.95, 598}, {0.001, 0.95, 2995}, {0.5, 0.5, 1}, {0.5, 0.75, 2},
		{1, 0.95, 1}, {2, 0.95, 1}, {0.01, 0, 1}, {0.01, -1, 1},
		{0, 0.95, math.Inf(1)}, {-1, 0.95, math.Inf(1)}, {0.01, 1, math.Inf(1)}, {math.NaN(), 0.95, math.Inf(1)}, {0.01, math.NaN(), math.Inf(1)},
	} {
		if got := EventsNeeded(tt.limit, tt.confidence); got != tt.want {
			t.Errorf("EventsNeeded(%v, %v) = %v, want %v", tt.limit, tt.confidence, got, tt.want)
		}
	}
	// One less does not bound the rate, so many do.
	for _, limit := range []float64{0.3, 0.02, 0.0007} {
		n := EventsNeeded(limit, 0.9)
		if math.Pow(1-limit, n) > 0.1 || math.Pow(1-limit, n-1) <= 0.1 {
			t.Errorf("EventsNeeded(%v, 0.9) = %v", limit, n)
		}
	}
}
