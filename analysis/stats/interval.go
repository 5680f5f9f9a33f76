package stats

import "math"

// leastCount is the smallest count of events that is told from none. Counts
// come from Prometheus' extrapolation and are not exact to a billionth.
const leastCount = 1e-9

// Interval returns the rates between which the true rate of bad events lies
// with the given confidence, such as 0.95, as shares of one: the exact
// interval of Clopper and Pearson (1934). Each side errs with a probability
// of at most (1-confidence)/2. It is wider than others, never too narrow.
//
// It is for a report, and for one look. It is not for stopping: the chance
// that it leaves out the truth at some of many looks is far higher than at
// one. That is what [Evidence] is for.
//
// Counts that are not whole are allowed; the interval then lies between its
// whole neighbours. bad above total counts as total. Without events, for
// counts that cannot be, and for a confidence outside of (0, 1) it is the
// widest: 0 to 1.
func Interval(bad, total, confidence float64) (low, high float64) {
	bad, good, ok := count(bad, total)
	if !ok || total == 0 || !isShare(confidence) {
		return 0, 1
	}
	tail := (1 - confidence) / 2
	low, high = 0, 1
	if bad >= leastCount {
		low = betaQuantile(bad, good+1, tail)
	}
	if good >= leastCount {
		high = betaQuantile(bad+1, good, 1-tail)
	}
	return low, high
}

// EventsNeeded returns how many events without a single bad one it takes to
// say with the given confidence, such as 0.95, that the rate of bad events
// is below limit, a share of one. It is the exact form of the rule of three
// (n is about 3/limit at 0.95; Hanley and Lippman-Hand 1983): the least
// whole n with (1-limit)^n <= 1-confidence. The rate of a service with fewer
// events cannot be shown to be below the limit, however good it is.
//
// It returns +Inf where no number suffices: a limit that is not positive or
// a confidence of 1 and more, and for NaN. It returns 1 for a limit of 1 and
// more, and for a confidence of 0 and less.
func EventsNeeded(limit, confidence float64) float64 {
	switch {
	case !(limit > 0) || !(confidence < 1):
		return math.Inf(1)
	case limit >= 1 || confidence <= 0:
		return 1
	}
	return max(1, math.Ceil(math.Log1p(-confidence)/math.Log1p(-limit)))
}
