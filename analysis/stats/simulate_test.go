package stats

import (
	"math"
	"math/rand/v2"
	"sort"
)

// run is one rollout as its requests were counted: which of them were bad,
// as positions from 1, and how many had been counted at each look.
type run struct {
	bad  []int
	ends []int
}

// counts returns the bad and all requests up to the i-th look.
func (r run) counts(i int) (bad, total float64) {
	return float64(sort.SearchInts(r.bad, r.ends[i]+1)), float64(r.ends[i])
}

// windows returns the bad and all requests between two looks.
func (r run) windows() (bad, total []float64) {
	b0, n0 := 0.0, 0.0
	for i := range r.ends {
		b, n := r.counts(i)
		bad, total = append(bad, b-b0), append(total, n-n0)
		b0, n0 = b, n
	}
	return bad, total
}

// outcome is what a rule made of a run: whether and after how many requests
// it failed, and whether it had too little to judge.
type outcome struct {
	failed, unclear bool
	at              int
}

type rule func(run) outcome

// schedule makes the looks of a run.
type schedule func(*rand.Rand) []int

// every has the same number of requests between all looks.
func every(requests, looks int) schedule {
	return func(*rand.Rand) []int {
		ends := make([]int, looks)
		for i := range ends {
			ends[i] = (i + 1) * requests
		}
		return ends
	}
}

// trickle has a Poisson number of requests between two looks.
func trickle(mean float64, looks int) schedule {
	return func(r *rand.Rand) []int {
		ends, n := make([]int, looks), 0
		for i := range ends {
			for product := r.Float64(); product > math.Exp(-mean); product *= r.Float64() {
				n++
			}
			ends[i] = n
		}
		return ends
	}
}

// stream makes the positions of the bad ones among n requests.
type stream func(r *rand.Rand, n int) []int

// independent makes each request bad with probability p.
func independent(p float64) stream { return bursts(p, 1) }

// bursts makes a share p of all requests bad, in rows of the given mean
// length; a length of 1 makes them independent.
func bursts(p, length float64) stream {
	return func(r *rand.Rand, n int) []int {
		var bad []int
		next := gaps(p / length / (1 - p + p/length)) // of a burst, at a request outside of one
		for at := next(r); at <= n; at += next(r) {
			for bad = append(bad, at); length > 1 && at < n && r.Float64() > 1/length; at++ {
				bad = append(bad, at+1)
			}
		}
		return bad
	}
}

// gaps draws how many requests it takes to the next one that has a property
// of probability p.
func gaps(p float64) func(*rand.Rand) int {
	scale := math.Log1p(-p)
	return func(r *rand.Rand) int { return 1 + int(min(math.Log(1-r.Float64())/scale, 1e9)) }
}

// binomial draws the bad ones among n requests.
func binomial(r *rand.Rand, n int, p float64) float64 {
	if p <= 0 {
		return 0
	}
	return float64(len(independent(p)(r, n)))
}

// tally sums up many outcomes.
type tally struct {
	failed  float64 // share of runs
	unclear float64 // share of runs
	mean    float64 // requests until the failure, among those that failed
}

// simulate applies each rule to the same runs.
func simulate(trials int, seed uint64, looks schedule, requests stream, rules ...rule) []tally {
	r := rand.New(rand.NewPCG(seed, 0))
	sums := make([]tally, len(rules))
	for range trials {
		ends := looks(r)
		this := run{requests(r, ends[len(ends)-1]), ends}
		for i, judge := range rules {
			o := judge(this)
			if o.failed {
				sums[i].failed++
				sums[i].mean += float64(o.at)
			}
			if o.unclear {
				sums[i].unclear++
			}
		}
	}
	for i := range sums {
		if sums[i].failed > 0 {
			sums[i].mean /= sums[i].failed
		}
		sums[i].failed /= float64(trials)
		sums[i].unclear /= float64(trials)
	}
	return sums
}

// everyRequest stops on evidence and looks after each request. Good events
// never raise the evidence, so looking after the bad ones is the same.
func everyRequest(limit, alpha float64) rule {
	evidence := newMixture(limit).evidence
	return func(r run) outcome {
		for i, at := range r.bad {
			if evidence(float64(i+1), float64(at)) >= Threshold(alpha) {
				return outcome{failed: true, at: at}
			}
		}
		return outcome{}
	}
}

// evidenceAtLooks stops on evidence, at the looks only. A look without bad
// events never adds any (TestEvidenceIsMonotone), and it is not computed.
func evidenceAtLooks(limit, alpha float64, guard bool) rule {
	evidence := remembered(newMixture(limit).evidence)
	return func(r run) outcome {
		bad, total := r.windows()
		for i, end := range r.ends {
			if bad[i] > limit*total[i] && lateEvidence(bad[:i+1], total[:i+1], evidence) >= Threshold(alpha) && (!guard || Spread(bad[:i+1], 0)) {
				return outcome{failed: true, at: end}
			}
		}
		return outcome{}
	}
}

// remembered answers the same question once: the counts of simulated runs are whole, and come again and again.
func remembered(evidence func(bad, total float64) float64) func(bad, total float64) float64 {
	known := map[[2]float64]float64{}
	return func(bad, total float64) float64 {
		key := [2]float64{bad, total}
		e, ok := known[key]
		if !ok {
			e = evidence(bad, total)
			known[key] = e
		}
		return e
	}
}

// gate is evidenceAtLooks with the burst guard and a single judgement of the
// rate at the deadline, if there are at least minEvents.
func gate(limit, alpha, minEvents float64) rule {
	early := evidenceAtLooks(limit, alpha, true)
	return func(r run) outcome {
		if o := early(r); o.failed {
			return o
		}
		bad, total := r.counts(len(r.ends) - 1)
		if total < minEvents {
			return outcome{unclear: true}
		}
		return outcome{failed: bad/total > limit, at: int(total)}
	}
}

// inARow fails at the k-th window in a row whose ratio is above the limit.
// Empty windows neither continue nor end the row.
func inARow(limit float64, k int) rule {
	return func(r run) outcome {
		bad, total := r.windows()
		row := 0
		for i := range bad {
			switch {
			case total[i] == 0:
			case bad[i]/total[i] > limit:
				row++
			default:
				row = 0
			}
			if row == k {
				return outcome{failed: true, at: r.ends[i]}
			}
		}
		return outcome{}
	}
}

// inAll fails at the k-th window whose ratio is above the limit or is 0/0,
// which is how Argo Rollouts (k = failureLimit+1) and Flagger (k =
// threshold) count.
func inAll(limit float64, k int) rule {
	return func(r run) outcome {
		bad, total := r.windows()
		breaches := 0
		for i := range bad {
			if total[i] == 0 || bad[i]/total[i] > limit {
				breaches++
			}
			if breaches == k {
				return outcome{failed: true, at: r.ends[i]}
			}
		}
		return outcome{}
	}
}

// cumulative fails as soon as the ratio since the start is above the limit,
// looked at after each request from the fiftieth on.
func cumulative(limit float64) rule {
	return func(r run) outcome {
		for i, at := range r.bad {
			// The ratio falls between two bad requests: where the last of
			// the first fifty was not bad, the fiftieth is looked at.
			if next := i + 1; at < 50 && (next == len(r.bad) || r.bad[next] > 50) {
				at = 50
			}
			if at >= 50 && at <= r.ends[len(r.ends)-1] && float64(i+1)/float64(at) > limit {
				return outcome{failed: true, at: at}
			}
		}
		return outcome{}
	}
}

// earlyPass "fails" where EarlyPass gives the wanted answer first.
func earlyPass(limit, factor, alpha, beta float64, want Decision) rule {
	return func(r run) outcome {
		bad := 0
		for at := 1; at <= r.ends[len(r.ends)-1]; at++ {
			if bad < len(r.bad) && r.bad[bad] == at {
				bad++
			}
			if d := EarlyPass(float64(bad), float64(at), limit, factor, alpha, beta); d != Undecided {
				return outcome{failed: d == want, unclear: d != want, at: at}
			}
		}
		return outcome{}
	}
}
