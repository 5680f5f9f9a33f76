// Package stats weighs counts of good and bad events against a limit.
//
// It takes counts (bad events, all events, as float64, because what
// Prometheus extrapolates need not be whole), limits as shares of one (0.01
// is one percent), and error levels as probabilities. It returns evidence
// as natural logarithms, p-values, intervals and decisions.
//
// Which function answers which question:
//
//	stop before the deadline?      Evidence >= Threshold, and Spread
//	pass before the deadline?      EarlyPass
//	new version against old one?   Comparison.Evidence >= Threshold, and Spread
//	the same, asked only once?     RateRatio
//	unusual for this service?      PlaceboRank, asked only once
//	what to show beside a rate?    Interval, EventsNeeded
//
// Functions that may be asked at every look say so; the others hold their
// error level for one look, and asking them again and again until the answer
// is the wanted one makes the level worthless.
//
// It never reads a clock, never draws random numbers, never keeps state
// outside of a [Comparison], never panics, and never makes evidence out of
// counts that cannot be: NaN, infinite, negative, or above 2^53, where a
// float64 no longer counts by ones. Such counts give evidence 0, the p-value
// 1, or the widest interval.
//
// The error levels are proved for events that are independent of each other.
// Requests are not always; docs/statistics.md shows what that costs.
package stats

import "math"

// gridSize is the number of alternatives that a mixture averages over. More
// of them cost ln(gridSize) of evidence and gain almost nothing: neighbours
// fourteen steps apart over two decades are already 1.4 times each other.
const gridSize = 14

// maxCount is the largest count that a float64 tells from its successor.
const maxCount = 1 << 53

// Threshold returns ln(1/alpha), the evidence at which a process may be
// stopped with a false alarm in at most a share alpha of all runs, however
// often it is looked at (Ville's inequality, 1939: a nonnegative process
// that starts at 1 and does not grow in the mean exceeds 1/alpha at any time
// with a probability of at most alpha). An alpha outside of (0, 1) is no
// level; its threshold is +Inf.
func Threshold(alpha float64) float64 {
	if !isShare(alpha) {
		return math.Inf(1)
	}
	return -math.Log(alpha)
}

// Split returns the share of the level alpha for each of n criteria, any of
// which can end the run (Bonferroni): the chance that at least one of them
// raises a false alarm is at most alpha. An n below 1 counts as 1; an alpha
// outside of (0, 1) gives 0, at which nothing stops.
func Split(alpha float64, n int) float64 {
	if !isShare(alpha) {
		return 0
	}
	return alpha / float64(max(n, 1))
}

// SplitSeries returns the share of the level alpha for the k-th series,
// counted from 1 in the order of appearance, of a criterion that is judged
// for each value of a label. How many there will be is not known at the
// start, so the shares alpha/(k(k+1)) are such that all of them together,
// without end, are alpha. Half of it belongs to the first series: sort what
// appears at the same look by traffic, not by the number of bad events,
// because an order that depends on the outcome voids the level. A k below 1
// counts as 1; an alpha outside of (0, 1) gives 0, at which nothing stops.
func SplitSeries(alpha float64, k int) float64 {
	if !isShare(alpha) {
		return 0
	}
	place := float64(max(k, 1))
	return alpha / (place * (place + 1))
}

// Spread is the burst guard: it returns true when the bad events fell into
// at least two scrape intervals or onto at least two pods. One client that
// retries in a loop, or one slow garbage collection, makes many bad events
// at once that say no more than a single one, and an early stop should not
// rest on them alone. badByInterval has the bad events of each scrape
// interval, not cumulated; entries that are NaN or not above 0 are ignored.
// podsWithBad is 0 where pods cannot be told apart.
//
// It is a rule of prudence, not a test: it has no error level, can only
// delay a stop, and is blind to a cause that comes back or that hits several
// pods.
func Spread(badByInterval []float64, podsWithBad int) bool {
	intervals := 0
	for _, bad := range badByInterval {
		if bad > 0 {
			intervals++
		}
	}
	return intervals >= 2 || podsWithBad >= 2
}

// isShare reports whether x lies strictly between 0 and 1.
func isShare(x float64) bool { return x > 0 && x < 1 }

// count returns the bad and the good events, or false if the counts cannot
// be. Numerator and denominator come from two queries, and the denominator
// may lag by a scrape: bad events above the total are cut off, because
// events that were not counted are no evidence.
func count(bad, total float64) (b, good float64, ok bool) {
	if !(bad >= 0 && bad <= maxCount && total >= 0 && total <= maxCount) {
		return 0, 0, false
	}
	bad = min(bad, total)
	return bad, total - bad, true
}

// logMeanExp returns ln(mean(exp(logs))). The largest term is taken out
// first, because exp overflows beyond 709 and evidence does not end there.
func logMeanExp(logs [gridSize]float64) float64 {
	top := math.Inf(-1)
	for _, l := range logs {
		top = max(top, l)
	}
	if math.IsInf(top, 0) {
		return top
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - top)
	}
	return top + math.Log(sum/gridSize)
}
