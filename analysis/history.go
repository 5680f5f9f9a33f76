package analysis

import (
	"fmt"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

// againstHistory replaces the verdict on a value by its rank among earlier windows.
func (w *asking) againstHistory(r *Result) {
	b, ref := w.c.Baseline, w.facts.reference
	if b == nil || ref == nil {
		if b != nil {
			r.Verdict, r.Reason = Inconclusive, "there is nothing to compare with"
		}
		return
	}
	if ref.Problem != "" {
		r.Verdict, r.Reason = Inconclusive, ref.Problem
		return
	}
	if b.Kind != BaselineHistory {
		return
	}
	if len(ref.Windows) < leastWindows {
		r.Verdict, r.Reason = Inconclusive, fmt.Sprintf("only %d earlier windows had data, %d are needed", len(ref.Windows), leastWindows)
		return
	}
	var sum float64
	judged := 0
	for _, p := range w.points {
		if p.judged() && p.Value != nil {
			sum += float64(*p.Value)
			judged++
		}
	}
	if r.Samples.made() < r.Samples.Scheduled || judged < r.Samples.needed() {
		if r.Verdict == Fail {
			r.Verdict, r.Reason = Inconclusive, fmt.Sprintf("%d of %d samples measured", r.Samples.made(), r.Samples.Scheduled)
		}
		return
	}
	if r.Verdict == Error || r.Verdict == Inconclusive && len(w.points) > 0 && !w.points[len(w.points)-1].judged() {
		return
	}
	mean := sum / float64(judged)
	rank := stats.PlaceboRank(mean, ref.Windows, b.MinRatio == 0)
	value := Number(mean)
	r.Value, r.Verdict = &value, Pass
	if b.worse(mean, ref.Value) && rank <= significanceByRank {
		r.Verdict = Fail
	}
	r.Reason = fmt.Sprintf("%s, worse than in all but %.0f %% of %d earlier windows", r.comparison(), 100*rank, len(ref.Windows))
}
