package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// pair is two versions side by side: how many requests each gets between two
// looks and how many of them are bad, both by look.
type pair struct {
	looks      int
	share      func(look int) float64 // of the new version in the traffic
	newP, oldP func(look int) float64 // rates of bad requests
}

func always(x float64) func(int) float64 { return func(int) float64 { return x } }

// compare plays a pair with the given requests between two looks. It returns
// the share of runs that the comparison stopped and their mean delay in
// requests of both versions, and the share that a fixed limit would have
// stopped on the new version alone.
func compare(trials int, seed uint64, requests int, p pair, ratio, limit, alpha float64) (stopped, mean, fixed float64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for range trials {
		c := NewComparison(ratio)
		bad, total := 0.0, 0.0
		byPair, byLimit := false, false
		for look := range p.looks {
			n := int(p.share(look)*float64(requests) + 0.5)
			newBad, oldBad := binomial(r, n, p.newP(look)), binomial(r, requests-n, p.oldP(look))
			c.Add(newBad, float64(n), oldBad, float64(requests-n))
			bad, total = bad+newBad, total+float64(n)
			if !byPair && c.Evidence() >= Threshold(alpha) {
				byPair = true
				stopped++
				mean += float64((look + 1) * requests)
			}
			if !byLimit && Evidence(bad, total, limit) >= Threshold(alpha) {
				byLimit = true
				fixed++
			}
		}
	}
	return stopped / float64(trials), mean / stopped, fixed / float64(trials)
}

func growing(look int) float64 { return 0.05 + 0.9*float64(look)/30 }

// TestComparisonFalseAlarms: the new version exactly at the limit, with rare
// and with frequent errors, looked at often and seldom.
func TestComparisonFalseAlarms(t *testing.T) {
	t.Parallel()
	const alpha = 0.05
	shares := map[string]func(int) float64{"half": always(0.5), "twentieth": always(0.05), "most": always(0.9), "growing": growing}
	seed := uint64(0)
	for _, name := range []string{"half", "twentieth", "most", "growing"} {
		for _, tt := range []struct{ ratio, old float64 }{{1, 0.01}, {1, 0.4}, {1.25, 0.005}, {2, 0.005}, {2, 0.4}} {
			for _, requests := range []int{20, 200} {
				seed++
				p := pair{31, shares[name], always(tt.ratio * tt.old), always(tt.old)}
				stopped, _, _ := compare(400, seed, requests, p, tt.ratio, 1, alpha)
				within(t, name, stopped, 0, alpha)
			}
		}
	}
	// The rates wander, and hit both versions alike.
	wave := func(look int) float64 { return 0.005 + 0.2*math.Pow(math.Sin(float64(look)/5), 2) }
	for _, share := range shares {
		seed++
		stopped, _, _ := compare(400, seed, 200, pair{31, share, wave, wave}, 1, 1, alpha)
		within(t, "waves", stopped, 0, alpha)
	}
}

func TestComparisonDelay(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		share, newP, oldP, ratio float64
		least, late              float64
	}{
		{0.5, 0.05, 0.005, 1.25, 0.999, 700},
		{0.5, 0.10, 0.002, 1.25, 0.999, 350},
		{0.05, 0.10, 0.005, 1.25, 0.999, 900},
		{0.05, 0.50, 0.005, 1.25, 0.999, 250},
	} {
		stopped, mean, _ := compare(500, uint64(100+i), 100, pair{60, always(tt.share), always(tt.newP), always(tt.oldP)}, tt.ratio, 1, 0.01)
		t.Logf("%+v: %.3f stopped, mean %.0f", tt, stopped, mean)
		within(t, "stopped", stopped, tt.least, 1)
		within(t, "mean", mean, 0, tt.late)
	}
}

func TestComparisonByHand(t *testing.T) {
	c := NewComparison(2)
	if c.Evidence() != 0 {
		t.Error("evidence without a look")
	}
	c.Add(3, 100, 1, 300)
	c.Add(1, 50, 0, 50)
	sum := 0.0
	for i := 1; i <= 14; i++ {
		g := math.Pow(100, float64(i)/14)
		ratio := 1.0
		for _, look := range [][3]float64{{100, 300, 3}, {50, 50, 1}} {
			n, m := look[0], look[1]
			ratio *= math.Pow(2*g*n/(2*g*n+m)/(2*n/(2*n+m)), look[2])
		}
		sum += ratio * (300 / (2*g*100 + 300)) / (300 / (2.0*100 + 300))
	}
	if got, want := c.Evidence(), math.Log(sum/14); math.Abs(got-want) > 1e-9 {
		t.Errorf("evidence %v, want %v", got, want)
	}
	// Looks that say nothing.
	before := c.Evidence()
	nan, inf := math.NaN(), math.Inf(1)
	for _, look := range [][4]float64{
		{nan, 10, 1, 10}, {1, nan, 1, 10}, {1, 10, nan, 10}, {1, 10, 1, inf}, {-1, 10, 1, 10},
		{0, 0, 1, 10}, {5, 0, 1, 10}, {5, 10, 0, 0}, {0, 10, 0, 10}, {0, 1e12, 0, 1},
	} {
		c.Add(look[0], look[1], look[2], look[3])
	}
	if c.Evidence() != before {
		t.Errorf("empty looks move the evidence from %v to %v", before, c.Evidence())
	}
	for _, ratio := range []float64{0, -1, nan, inf} {
		c := NewComparison(ratio)
		c.Add(50, 100, 0, 100)
		if c.Evidence() != 0 {
			t.Errorf("ratio %v is tested", ratio)
		}
	}
	large := NewComparison(1)
	large.Add(9e11, 1e12, 1e11, 1e12)
	within(t, "large counts", large.Evidence(), 1e10, 1e13)
}
