package stats

import "math"

// Evidence returns how strongly the counts since the start speak against
// "the true rate of bad events is at most limit": the natural logarithm of
// an e-value. It may be asked at every look, and the run stopped at the
// first look where it is at least [Threshold] of alpha; a service whose rate
// stays at or below the limit is then stopped in at most a share alpha of
// all runs.
//
// bad and total are cumulative counts; bad above total counts as total.
// limit is a share of one. 0 means that the counts say nothing, negative
// values speak for the service. One more bad event never lowers it, one more
// good event never raises it, and it is never above 0 while bad/total is
// within the limit.
//
// It is a mixture of likelihood ratios (Wald 1945; Robbins and Siegmund
// 1970): for each of 14 rates p1 above the limit, spaced evenly on a
// logarithmic scale up to 0.9, the probability of what was seen at p1 is
// divided by that at the limit, and the ratios are averaged. At a true rate
// p <= limit one event multiplies a ratio by
// p*p1/limit + (1-p)*(1-p1)/(1-limit) <= 1 in the mean, also if p changes on
// the way, so Ville's inequality holds for each of them and for the average.
// For counts that are not whole, extrapolated ones, the level holds to the
// accuracy of the extrapolation.
//
// A limit of 0 forbids bad events: the first of them is infinite evidence,
// which is logic and no statistics, and holds at any alpha. Limits above 0.8
// have their alternatives halfway to 1. A limit of 1 or more cannot be
// exceeded, and a limit that is negative or NaN is no limit: evidence 0.
func Evidence(bad, total, limit float64) float64 { return newMixture(limit).evidence(bad, total) }

// mixture is the part of [Evidence] that depends on the limit alone: what one bad and what one good event add to the
// logarithm of each ratio.
type mixture struct {
	limit     float64
	bad, good [gridSize]float64
}

func newMixture(limit float64) *mixture {
	m := &mixture{limit: limit}
	if !(limit > 0 && limit < 1) {
		return m
	}
	highest := max(0.9, (1+limit)/2)
	// In logarithms, because highest/limit overflows for the smallest limits.
	lowest, rest := math.Log(limit), math.Log1p(-limit)
	step := (math.Log(highest) - lowest) / gridSize
	for i := range gridSize {
		m.bad[i] = float64(i+1) * step // ln(p1/limit)
		rate := min(math.Exp(lowest+m.bad[i]), highest)
		m.good[i] = math.Log1p(-rate) - rest
	}
	return m
}

// evidence is [Evidence] at the mixture's limit.
func (m *mixture) evidence(bad, total float64) float64 {
	bad, good, ok := count(bad, total)
	switch {
	case !ok || !(m.limit >= 0 && m.limit < 1):
		return 0
	case m.limit == 0 && bad > 0:
		return math.Inf(1)
	case m.limit == 0:
		return 0
	}
	var logs [gridSize]float64
	for i := range logs {
		logs[i] = bad * m.bad[i]
		if good > 0 { // at the largest limits the rate is 1, and 0 times its logarithm no number
			logs[i] += good * m.good[i]
		}
	}
	return logMeanExp(logs)
}

// Decision is the answer of a test that may also say "not yet".
type Decision int

const (
	// Undecided means that more events are needed.
	Undecided Decision = iota
	// Good means that the rate is closer to the limit or below it.
	Good
	// Bad means that the rate is closer to the bad rate or above it.
	Bad
)

// String returns undecided, good or bad.
func (d Decision) String() string {
	switch d {
	case Good:
		return "good"
	case Bad:
		return "bad"
	default:
		return "undecided"
	}
}

// EarlyPass decides between two rates, limit (good) and limit*factor (bad),
// with as few events as possible on average: Wald's sequential probability
// ratio test (1945). It may be asked at every look, and its first answer
// other than Undecided counts; it can turn round if it is asked on.
//
// bad and total are cumulative counts, limit is a share of one, factor is
// above 1. alpha is the highest chance of Bad at a rate of limit or less;
// beta is the highest chance of Good at a rate of limit*factor or more.
// (Wald's bounds are alpha/(1-beta) and beta/(1-alpha) for each alone, and
// alpha+beta for both together.) It answers Good while the likelihood ratio
// of bad against good is at most beta/(1-alpha), Bad while it is at least
// (1-beta)/alpha.
//
// An optional early pass uses Good only; for stopping a bad rollout
// [Evidence] is the better test, because it has no second rate to guess.
// Nothing is promised between the two rates: a service at twice the limit
// may well pass early where factor is 3.
//
// A limit of 0 has no multiple: any bad event is Bad, and Good is never
// answered. Undecided is also the answer where limit*factor is 1 or more,
// where factor is not above 1, where alpha or beta are not in (0, 1) or sum
// to 1 or more, and for counts that cannot be.
func EarlyPass(bad, total, limit, factor float64, alpha, beta float64) Decision {
	bad, good, ok := count(bad, total)
	if !ok || !isShare(alpha) || !isShare(beta) || alpha+beta >= 1 {
		return Undecided
	}
	if limit == 0 && bad > 0 {
		return Bad
	}
	if !isShare(limit) || !(factor > 1) || !isShare(limit*factor) {
		return Undecided
	}
	log := bad*math.Log(factor) + good*(math.Log1p(-limit*factor)-math.Log1p(-limit))
	switch {
	case log >= math.Log1p(-beta)-math.Log(alpha):
		return Bad
	case log <= math.Log(beta)-math.Log1p(-alpha):
		return Good
	default:
		return Undecided
	}
}
