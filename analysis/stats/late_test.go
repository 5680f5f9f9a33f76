package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
)

// later has a rate of bad requests up to some request, and another after it.
func later(healthy float64, from int, bad float64) stream {
	return func(r *rand.Rand, n int) []int {
		var out []int
		first, second := gaps(healthy), gaps(bad)
		for at := first(r); at <= min(from, n); at += first(r) {
			out = append(out, at)
		}
		for at := from + second(r); at <= n; at += second(r) {
			out = append(out, at)
		}
		return out
	}
}

// fromTheStart stops on the evidence of all counts since the start, at looks.
func fromTheStart(limit, alpha float64) rule {
	evidence := newMixture(limit).evidence
	return func(r run) outcome {
		for i, end := range r.ends {
			if bad, total := r.counts(i); bad > limit*total && evidence(bad, total) >= Threshold(alpha) {
				return outcome{failed: true, at: end}
			}
		}
		return outcome{}
	}
}

func TestLateEvidenceByHand(t *testing.T) {
	one := LateEvidence([]float64{5}, []float64{10}, 0.01)
	if want := math.Log(0.5*math.Exp(Evidence(5, 10, 0.01)) + 0.5); math.Abs(one-want) > 1e-9 {
		t.Errorf("one look: %v, want %v", one, want)
	}
	two := LateEvidence([]float64{0, 5}, []float64{1000, 10}, 0.01)
	want := math.Log(math.Exp(Evidence(5, 1010, 0.01))/2 + math.Exp(Evidence(5, 10, 0.01))/6 + 1.0/3)
	if math.Abs(two-want) > 1e-9 {
		t.Errorf("two looks: %v, want %v", two, want)
	}
	for name, got := range map[string]float64{
		"nothing":           LateEvidence(nil, nil, 0.01),
		"different lengths": LateEvidence([]float64{1}, []float64{1, 2}, 0.01),
		"no numbers":        LateEvidence([]float64{math.NaN(), math.Inf(1), -1}, []float64{1, 1, 1}, 0.01),
	} {
		if math.Abs(got) > 1e-9 {
			t.Errorf("%s: %v, want 0", name, got)
		}
	}
	if got := LateEvidence([]float64{0, 1}, []float64{100, 1}, 0); !math.IsInf(got, 1) {
		t.Errorf("a limit of 0 with a bad event: %v", got)
	}
	if got := LateEvidence([]float64{1e12}, []float64{1e12}, 0.01); math.IsNaN(got) || math.IsInf(got, 0) {
		t.Errorf("large counts: %v", got)
	}
}

// TestLateEvidenceLevel: a service at its limit is stopped no more often than alpha, however often one looks.
func TestLateEvidenceLevel(t *testing.T) {
	t.Parallel()
	for i, limit := range []float64{0.001, 0.01, 0.2} {
		for _, alpha := range []float64{0.01, 0.1} {
			got := simulate(1000, uint64(60+i), every(int(3/limit), 60), independent(limit), evidenceAtLooks(limit, alpha, false))[0]
			t.Logf("%v at %v: %.4f", limit, alpha, got.failed)
			within(t, fmt.Sprintf("limit %v, alpha %v", limit, alpha), got.failed, 0, alpha)
		}
	}
}

// TestLateEvidenceDelay: a fault after many good requests is found about as fast as one at the start.
func TestLateEvidenceDelay(t *testing.T) {
	t.Parallel()
	const before = 9000
	got := simulate(300, 70, every(100, 200), later(0.002, before, 0.05), fromTheStart(0.01, 0.01), evidenceAtLooks(0.01, 0.01, true))
	t.Logf("from the start %.0f, late %.0f", got[0].mean-before, got[1].mean-before)
	within(t, "from the start", got[0].mean-before, 2500, 4500)
	within(t, "late", got[1].mean-before, 150, 700)
}

func lateTable() string {
	const runs, seed = 500, 8
	t := newTable("good requests first", "then bad", "counted from the start", "rolloutgate, with its burst guard")
	for _, before := range []int{0, 1000, 10000} {
		for _, p := range []float64{0.03, 0.05, 0.1, 0.3} {
			got := simulate(runs, seed, every(100, 300), later(0.002, before, p), fromTheStart(tableLimit, tableAlpha), evidenceAtLooks(tableLimit, tableAlpha, true))
			cells := []string{fmt.Sprint(before), rate(p)}
			for _, g := range got {
				g.mean -= float64(before)
				cells = append(cells, cell(g))
			}
			t.row(cells...)
		}
	}
	return t.done(runs, seed)
}

func TestOnset(t *testing.T) {
	for name, tt := range map[string]struct {
		bad, total []float64
		want       int
	}{
		"from the start":       {[]float64{5, 5, 5}, []float64{100, 100, 100}, 0},
		"from the third on":    {[]float64{0, 0, 9, 11}, []float64{1000, 1000, 100, 100}, 2},
		"nothing":              {[]float64{0, 1, 0}, []float64{1000, 1000, 1000}, 0},
		"different lengths":    {[]float64{1}, nil, 0},
		"one look, at the end": {[]float64{0, 0, 0, 30}, []float64{100, 100, 100, 100}, 3},
	} {
		if got := Onset(tt.bad, tt.total, 0.01); got != tt.want {
			t.Errorf("%s: look %d, want %d", name, got, tt.want)
		}
	}
}

// betweenLooks is evidenceAtLooks with so many looks in the interval that ends at each of the run's looks. What the last
// interval has so far is one part, as the whole of it will be.
func betweenLooks(limit, alpha float64, looks int, guard bool) rule {
	evidence := remembered(newMixture(limit).evidence)
	return func(r run) outcome {
		bad, total := r.windows()
		var byLook []float64
		start := 0
		for i, end := range r.ends {
			seen := 0.0
			for look := 1; look <= looks; look++ {
				at := start + (end-start)*look/looks
				b := float64(sort.SearchInts(r.bad, at+1) - sort.SearchInts(r.bad, start+1))
				n := float64(at - start)
				byLook, seen = append(byLook, b-seen), b
				part, of := append(slices.Clone(bad[:i]), b), append(slices.Clone(total[:i]), n)
				if b > limit*n && lateEvidence(part, of, evidence) >= Threshold(alpha) && (!guard || Spread(byLook, 0)) {
					return outcome{failed: true, at: at}
				}
			}
			start = end
		}
		return outcome{}
	}
}

func betweenTable() string {
	const runs, seed = 1000, 9
	t := newTable("bad", "one look in each interval", "ten looks in each interval")
	for _, p := range []float64{0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3, 0.5} {
		got := simulate(runs, seed, every(100, 30), independent(p), evidenceAtLooks(tableLimit, tableAlpha, true), betweenLooks(tableLimit, tableAlpha, 10, true))
		t.row(rate(p), cell(got[0]), cell(got[1]))
	}
	return t.done(runs, seed)
}

// TestLevelBetweenLooks: a service at its limit is stopped no more often than alpha, also when every interval is looked
// at many times, and a bad one sooner.
func TestLevelBetweenLooks(t *testing.T) {
	t.Parallel()
	for i, limit := range []float64{0.001, 0.01, 0.2} {
		for _, alpha := range []float64{0.01, 0.1} {
			got := simulate(1000, uint64(80+i), every(int(3/limit), 30), independent(limit), betweenLooks(limit, alpha, 10, false))[0]
			t.Logf("%v at %v: %.4f", limit, alpha, got.failed)
			within(t, fmt.Sprintf("limit %v, alpha %v", limit, alpha), got.failed, 0, alpha)
		}
	}
	got := simulate(300, 90, every(100, 30), independent(0.3), evidenceAtLooks(0.01, 0.01, true), betweenLooks(0.01, 0.01, 10, true))
	within(t, "with one look in an interval", got[0].mean, 200, 201)
	within(t, "with ten", got[1].mean, 10, 60)
}
