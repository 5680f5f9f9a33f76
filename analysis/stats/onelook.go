package stats

import "math"

// RateRatio returns the p-value of "the rate of bad events of the new
// version is above ratio times that of the old version": the probability of
// at least so many bad events of the new version, given the bad events of
// both, if the rate were exactly ratio times the old one. Small values speak
// against the new version.
//
// The counts are those of one look at both versions over the same time; the
// level holds for one look only, and [Comparison] is for more. ratio has no
// unit; 1 means not worse.
//
// It is the exact conditional test of two Poisson rates (Przyborowski and
// Wilenski 1940): given the sum, the bad events of the new version are
// binomial with the share ratio*newTotal/(ratio*newTotal+oldTotal). Shares
// of requests vary less than Poisson counts do, so the test is cautious for
// them, the more the higher the rates are. Counts that are not whole go
// through the incomplete beta function, which is the binomial tail at whole
// ones.
//
// It returns 1, no evidence, for counts that cannot be, for a ratio that is
// not positive and finite, and where one of the versions had no events.
func RateRatio(newBad, newTotal, oldBad, oldTotal, ratio float64) (p float64) {
	newBad, newGood, ok := count(newBad, newTotal)
	oldBad, oldGood, okOld := count(oldBad, oldTotal)
	if !ok || !okOld || !(ratio > 0) || math.IsInf(ratio, 1) || newBad < leastCount {
		return 1
	}
	old := (oldBad + oldGood) / (ratio * (newBad + newGood))
	if math.IsNaN(old) || math.IsInf(old, 0) || old == 0 {
		return 1
	}
	return betaCDF(newBad, oldBad+1, 1/(1+old))
}

// PlaceboRank returns the p-value of "the current value is unusual for this
// service": its rank among the values of earlier windows of the same length,
// in which nothing was rolled out, (1 + windows as bad or worse)/(m + 1) for
// m windows. above says that high values are bad; otherwise low values are.
// Values have the unit of the query. A window as bad as the current one
// counts against the alarm, so ties are safe.
//
// It is the permutation test with the windows as units (Fisher 1935; as a
// placebo test Abadie and others 2010): exact for one look if the windows
// are exchangeable, and close to it if neighbours are alike, as they are.
// Windows must not overlap. With m windows the smallest value is 1/(m+1): 18
// windows or fewer can never reach 0.05, and the answer to that is "too
// little history", not a pass. A trend or the hour of the day is no
// exchange; take the same hours of earlier days into the history.
//
// NaN in the history is skipped and not counted in m. Without any history,
// or if the current value is NaN, it returns 1.
func PlaceboRank(current float64, history []float64, above bool) (p float64) {
	if math.IsNaN(current) {
		return 1
	}
	windows, asBad := 0, 0
	for _, value := range history {
		if math.IsNaN(value) {
			continue
		}
		windows++
		if above && value >= current || !above && value <= current {
			asBad++
		}
	}
	return float64(1+asBad) / float64(windows+1)
}
