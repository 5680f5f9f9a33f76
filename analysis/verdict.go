package analysis

// Verdict is what is known about one criterion, or about all of them.
type Verdict string

const (
	// Pass: the window was seen to its end, enough of it was judged, and
	// its last answer meets the limit.
	Pass Verdict = "pass"
	// Fail: enough answers in a row did not meet the limit.
	Fail Verdict = "fail"
	// Inconclusive: too little data, an unfinished window, or an end that
	// is neither clearly good nor clearly bad.
	Inconclusive Verdict = "inconclusive"
	// Error: errors, not silence, are why nothing could be said.
	Error Verdict = "error"
)

// severity orders verdicts from the best to the worst. An error outranks
// silence because somebody can repair it; a breach outranks both because it
// was seen.
func (v Verdict) severity() int {
	switch v {
	case Pass:
		return 0
	case Inconclusive:
		return 1
	case Fail:
		return 3
	default: // Error, and any word that is not ours
		return 2
	}
}

// Overall returns the worst verdict: fail, then error, then inconclusive,
// then pass. Results that are only reported do not count. Without results
// there was nothing to violate, which is a pass.
func Overall(results []Result) Verdict {
	worst := Pass
	for _, r := range results {
		if !r.ReportOnly && r.Verdict.severity() > worst.severity() {
			worst = r.Verdict
		}
	}
	return worst
}
