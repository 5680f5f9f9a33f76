package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
)

// The tables of docs/statistics.md. All of them are for this limit and level
// unless they say otherwise.
const (
	tableLimit = 0.01
	tableAlpha = 0.01
	minEvents  = 300
	tableRuns  = 4000
)

// table writes Markdown, one row per call.
type table struct{ strings.Builder }

func newTable(columns ...string) *table {
	t := &table{}
	t.row(columns...)
	t.WriteString("|" + strings.Repeat("---|", len(columns)) + "\n")
	return t
}

func (t *table) row(cells ...string) { t.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

// done ends the table with how it was made.
func (t *table) done(runs, seed int) string {
	return fmt.Sprintf("%s\n%d runs per row, seed %d; `%s`", t.String(), runs, seed, command)
}

const command = "go test ./analysis/stats -run TestStatisticsDocument -update"

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// rate writes the rate of a stream as short as it is.
func rate(p float64) string { return fmt.Sprintf("%.4g %%", 100*p) }

// cell writes the share that failed and, if any did, their mean delay.
func cell(t tally) string {
	if t.failed == 0 {
		return "0.0 %"
	}
	return fmt.Sprintf("%s, %.0f", percent(t.failed), t.mean)
}

// windowTable is exact: what one window with a ratio above 1 % tells.
func windowTable() string {
	t := newTable("requests in the window", "0.2 % service is above the limit", "3 % service is not")
	for _, n := range []int{20, 50, 99, 100, 300, 1000} {
		k := float64(n/100) + 1 // the fewest bad requests above 1 %
		t.row(fmt.Sprint(n), percent(betaCDF(k, float64(n)-k+1, 0.002)), percent(1-betaCDF(k, float64(n)-k+1, 0.03)))
	}
	return t.String() + "\nExact binomial sums; `" + command + "`"
}

func everyRequestTable() string {
	const runs, seed = tableRuns, 1
	t := newTable("bad", "evidence ≥ ln(100)", "ratio so far > 1 %, from 50 requests on")
	for _, p := range []float64{0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3, 0.5} {
		got := simulate(runs, seed, every(100, 30), independent(p), everyRequest(tableLimit, tableAlpha), cumulative(tableLimit))
		t.row(rate(p), cell(got[0]), cell(got[1]))
	}
	return t.done(runs, seed)
}

// rules are the columns of the tables that compare systems.
func rules() []rule {
	return []rule{
		evidenceAtLooks(tableLimit, tableAlpha, true), gate(tableLimit, tableAlpha, minEvents),
		inARow(tableLimit, 2), inAll(tableLimit, 1), inAll(tableLimit, 4), inAll(tableLimit, 5),
	}
}

var ruleNames = []string{"rolloutgate, evidence stop", "rolloutgate, failed in all", "two breaches in a row",
	"Argo `failureLimit: 0`, Flagger `threshold: 1`", "Argo `failureLimit: 3`", "Flagger `threshold: 5`"}

func looksTable() string {
	const runs, seed = tableRuns, 2
	t := newTable(append([]string{"bad"}, ruleNames...)...)
	for _, p := range []float64{0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.5} {
		cells := []string{rate(p)}
		for _, got := range simulate(runs, seed, every(100, 30), independent(p), rules()...) {
			cells = append(cells, cell(got))
		}
		t.row(cells...)
	}
	return t.done(runs, seed)
}

func trickleTable() string {
	const runs, seed = tableRuns, 3
	t := newTable(append([]string{"requests per look", "bad", "rolloutgate, inconclusive"}, ruleNames...)...)
	for _, mean := range []float64{3, 20} {
		for _, p := range []float64{0.002, 0.01, 0.05, 0.1, 0.5} {
			all := simulate(runs, seed, trickle(mean, 30), independent(p), rules()...)
			cells := []string{fmt.Sprint(mean), rate(p), percent(all[1].unclear)}
			for _, got := range all {
				cells = append(cells, cell(got))
			}
			t.row(cells...)
		}
	}
	return t.done(runs, seed)
}

func burstTable() string {
	const runs, seed = tableRuns, 4
	names := append([]string{"bad, in rows of 20", "evidence stop, without the guard"}, ruleNames...)
	t := newTable(names...)
	for _, p := range []float64{0.001, 0.002, 0.005, 0.01, 0.03, 0.1, 0.5} {
		cells := []string{rate(p)}
		with := append([]rule{evidenceAtLooks(tableLimit, tableAlpha, false)}, rules()...)
		for _, got := range simulate(runs, seed, every(100, 30), bursts(p, 20), with...) {
			cells = append(cells, cell(got))
		}
		t.row(cells...)
	}
	return t.done(runs, seed)
}

func earlyPassTable() string {
	const runs, seed = 1000, 5
	t := newTable("bad", "good first", "bad first")
	for _, p := range []float64{0, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1} {
		got := simulate(runs, seed, every(100, 30), independent(max(p, 1e-12)),
			earlyPass(tableLimit, 3, 0.01, 0.05, Good), earlyPass(tableLimit, 3, 0.01, 0.05, Bad))
		t.row(rate(p), cell(got[0]), cell(got[1]))
	}
	return t.done(runs, seed)
}

func splitTable() string {
	const runs, seed = 1000, 6
	t := newTable("criteria", "alpha of each", "3 % bad", "10 % bad", "50 % bad")
	for _, n := range []int{1, 2, 5, 10, 50} {
		alpha := Split(tableAlpha, n)
		cells := []string{fmt.Sprint(n), fmt.Sprintf("%.4g", alpha)}
		for _, p := range []float64{0.03, 0.1, 0.5} {
			cells = append(cells, cell(simulate(runs, seed, every(100, 30), independent(p), everyRequest(tableLimit, alpha))[0]))
		}
		t.row(cells...)
	}
	return t.done(runs, seed)
}

func comparisonTable() string {
	const runs, seed = 1000, 7
	t := newTable("new version's share of the traffic", "old", "new", "comparison, at most 1.25 times", "fixed limit of 1 %")
	outage := func(look int) float64 {
		if look < 10 {
			return 0.005
		}
		return 0.2
	}
	for _, tt := range []struct {
		share, old, new string
		p               pair
	}{
		{"half", "0.5 %", "0.625 %", pair{30, always(0.5), always(0.00625), always(0.005)}},
		{"5 %", "0.5 %", "0.625 %", pair{30, always(0.05), always(0.00625), always(0.005)}},
		{"5 to 92 %", "0.5 %", "0.625 %", pair{30, growing, always(0.00625), always(0.005)}},
		{"5 to 92 %", "0.5 %, then 20 %", "the same", pair{30, growing, outage, outage}},
		{"half", "2 %", "2 %", pair{30, always(0.5), always(0.02), always(0.02)}},
		{"half", "0.2 %", "2 %", pair{30, always(0.5), always(0.02), always(0.002)}},
		{"half", "2 %", "5 %", pair{30, always(0.5), always(0.05), always(0.02)}},
		{"half", "0.2 %", "10 %", pair{30, always(0.5), always(0.1), always(0.002)}},
		{"5 %", "0.2 %", "10 %", pair{30, always(0.05), always(0.1), always(0.002)}},
		{"5 to 92 %", "0.2 %", "10 %", pair{30, growing, always(0.1), always(0.002)}},
		{"half", "0.2 %", "50 %", pair{30, always(0.5), always(0.5), always(0.002)}},
	} {
		stopped, mean, fixed := compare(runs, seed, 100, tt.p, 1.25, tableLimit, tableAlpha)
		t.row(tt.share, tt.old, tt.new, cell(tally{failed: stopped, mean: mean}), percent(fixed))
	}
	return t.done(runs, seed)
}

// mannWhitney reports whether two samples differ at the two-sided level
// 0.05, by the normal approximation for values without ties.
func mannWhitney(a, b []float64) bool {
	both := append(append([]float64{}, a...), b...)
	sort.Float64s(both)
	ranks := 0.0
	for _, v := range a {
		ranks += float64(sort.SearchFloat64s(both, v) + 1)
	}
	n, m := float64(len(a)), float64(len(b))
	u := ranks - n*(n+1)/2 - n*m/2
	return math.Abs(u) > 1.959964*math.Sqrt(n*m*(n+m+1)/12)
}

func placeboTable() string {
	const runs, seed, points, windows = tableRuns, 8, 30, 39
	t := newTable("what the quiet service does", "Mann-Whitney, 30 points against 30", "placebo rank, 1 window against 39")
	r := rand.New(rand.NewPCG(seed, 0))
	for _, tt := range []struct {
		name    string
		overlap int
		rho     float64
	}{
		{"independent minutes; window = step", 1, 0}, {"independent minutes; window = 5 steps", 5, 0},
		{"independent minutes; window = 10 steps", 10, 0}, {"neighbours alike (AR(1), 0.8); window = step", 1, 0.8},
	} {
		alarms := 0
		for range runs {
			raw := autoregressive(r, 2*points+tt.overlap-1, tt.rho)
			values := make([]float64, 2*points)
			for i := range values {
				for _, v := range raw[i : i+tt.overlap] {
					values[i] += v
				}
			}
			if mannWhitney(values[:points], values[points:]) {
				alarms++
			}
		}
		t.row(tt.name, percent(float64(alarms)/runs), percent(placeboAlarms(runs, seed, windows, tt.rho)))
	}
	return t.done(runs, seed)
}
