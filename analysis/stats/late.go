package stats

import "math"

// LateEvidence is [Evidence] for a fault that may begin at any time: counted from the start, it would have to make up
// for all the good events before it. bad and total are the growth of the counts from look to look, in order; limit is
// as for Evidence, and so is the result: a natural logarithm, to be compared with [Threshold] at every look.
//
// It is a mixture over the look at which the fault began: the evidence of the counts from look k on has the weight
// 1/(k(k+1)). Each of these is 1 until look k, and cannot grow in the mean after it while the limit is kept; the weights
// sum to 1, so all of that holds for the mixture, and Ville's inequality with it (compare Shin, Ramdas and Rinaldo 2023,
// on e-detectors). The price is the logarithm of the weight: at most ln(k(k+1)) against knowing when to look.
//
// Slices of different length, and growth that is no number, count as nothing.
func LateEvidence(bad, total []float64, limit float64) float64 {
	return lateEvidence(bad, total, newMixture(limit).evidence)
}

// lateEvidence mixes what evidence says of the counts from each look on.
func lateEvidence(bad, total []float64, evidence func(bad, total float64) float64) float64 {
	if len(bad) != len(total) || len(bad) == 0 {
		return 0
	}
	n := len(bad)
	logs := make([]float64, 0, n+1)
	var b, t float64
	for k := n; k >= 1; k-- {
		if db, dt := bad[k-1], total[k-1]; db >= 0 && dt >= 0 && !math.IsInf(db, 0) && !math.IsInf(dt, 0) {
			b, t = b+db, t+dt
		}
		logs = append(logs, evidence(b, t)-math.Log(float64(k))-math.Log(float64(k+1)))
	}
	logs = append(logs, -math.Log(float64(n+1))) // what begins later has seen nothing yet
	return logSumExp(logs)
}

// Onset returns the look, from 0, from which on the counts speak the most against the limit: where a fault that
// [LateEvidence] has found most likely began. It is 0 when nothing speaks against the limit.
func Onset(bad, total []float64, limit float64) int {
	if len(bad) != len(total) {
		return 0
	}
	best, from := 0.0, 0
	m := newMixture(limit)
	var b, t float64
	for k := len(bad) - 1; k >= 0; k-- {
		if bad[k] >= 0 && total[k] >= 0 {
			b, t = b+bad[k], t+total[k]
		}
		if e := m.evidence(b, t); e > best {
			best, from = e, k
		}
	}
	return from
}

// logSumExp is the logarithm of the sum of what the values are logarithms of.
func logSumExp(logs []float64) float64 {
	highest := math.Inf(-1)
	for _, l := range logs {
		highest = max(highest, l)
	}
	if math.IsInf(highest, 0) {
		return highest
	}
	var sum float64
	for _, l := range logs {
		sum += math.Exp(l - highest)
	}
	return highest + math.Log(sum)
}
