package stats

import "math"

// ratioSpan is the factor between the highest alternative of a [Comparison]
// and its limit. The alternatives reach far, because a canary with a
// twentieth of the traffic gains most from the highest ones.
const ratioSpan = 100

// Comparison weighs two versions that run side by side, the new one against
// the old one, while the counts come in. What hits both of them, a broken
// database or a wave of bots, is no evidence, because only the share of the
// new version in the bad events of each look counts. It is made by
// [NewComparison] and is not safe for concurrent use.
type Comparison struct {
	ratio float64
	// factors are how many times the limit the alternatives are, and rises
	// their logarithms.
	factors, rises [gridSize]float64
	// logs has the logarithm of the likelihood ratio of each alternative,
	// the product over all looks so far.
	logs [gridSize]float64
}

// NewComparison returns a comparison that tests "the rate of bad events of
// the new version is at most ratio times that of the old version". ratio has
// no unit; 1 means not worse, 1.25 a quarter worse. A ratio that is not
// positive and finite cannot be tested, and the evidence stays 0.
func NewComparison(ratio float64) *Comparison {
	c := &Comparison{ratio: ratio}
	for i := range gridSize {
		c.factors[i] = math.Pow(ratioSpan, float64(i+1)/gridSize)
		c.rises[i] = math.Log(c.factors[i])
	}
	return c
}

// Add takes the events since the last look: bad and all events of the new
// version, bad and all events of the old one. A look in which a count cannot
// be (see the package), in which the new version had no events, or in which
// only the new version had any is left out: it says nothing on the ratio.
// Leave a look out for other reasons only if they do not depend on its bad
// events.
//
// Given the bad events of the look, the share q of the new version among
// them would be ratio*newTotal/(ratio*newTotal+oldTotal) at the limit. Each
// of 14 alternatives, ratios up to 100 times the limit, has its own share q1
// and multiplies its likelihood ratio by (q1/q) for each bad event of the
// new version and by (1-q1)/(1-q) for each of the old version.
func (c *Comparison) Add(newBad, newTotal, oldBad, oldTotal float64) {
	newBad, newGood, ok := count(newBad, newTotal)
	oldBad, oldGood, okOld := count(oldBad, oldTotal)
	if !ok || !okOld || !(c.ratio > 0) || math.IsInf(c.ratio, 1) {
		return
	}
	// The old version's exposure in units of the new one's at the limit.
	old := (oldBad + oldGood) / (c.ratio * (newBad + newGood))
	if math.IsNaN(old) || math.IsInf(old, 0) || old == 0 {
		return
	}
	for i, factor := range c.factors {
		// q1/q is factor times this quotient, (1-q1)/(1-q) is the quotient.
		c.logs[i] += newBad*c.rises[i] + (newBad+oldBad)*math.Log((1+old)/(factor+old))
	}
}

// Evidence returns the natural logarithm of the e-value against the
// hypothesis of [NewComparison], 0 before the first look. It may be asked
// after every look, and the run stopped at the first one where it is at
// least [Threshold] of alpha; a new version whose rate is never above ratio
// times the old one's is then stopped in at most a share alpha of all runs.
//
// The level does not need the rates to be known, rare, or constant, nor the
// traffic shares. Let a look have n requests of the new version and m of the
// old one, with rates p <= ratio*p0 and p0. In the mean it multiplies the
// likelihood ratio of an alternative by
//
//	(1+p(a-1))^n * (1+p0(b-1))^m <= exp(n*p*(a-1) + m*p0*(b-1)) <= 1
//
// with a = q1/q > 1 and b = (1-q1)/(1-q) < 1, because q and 1-q are to each
// other as n*ratio to m, and q*a + (1-q)*b = 1. So each alternative, and the
// average of all, is a process that does not grow in the mean, and Ville's
// inequality holds. What it does need is that requests are independent, and
// that how many go to which version is not decided by their outcome.
func (c *Comparison) Evidence() float64 { return logMeanExp(c.logs) }
