package main

import (
	"fmt"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// budget is one promise beside what was measured.
type budget struct {
	what, measured, limit string
	met                   bool
}

// The sizes that promises were made for.
const (
	smallRollout = 3
	largeRollout = 1000
)

// budgets lists the promises that this run can check.
func (r results) budgets() []budget {
	var out []budget
	lags := []float64{}
	for _, g := range r.groups {
		lags = append(lags, each(g.of(gateName), lagOf)...)
		switch g.pods {
		case smallRollout:
			out = append(out, g.against("3 pods", 1.05, 1.5)...)
		case largeRollout:
			out = append(append(out, g.against("1,000 pods", 1.05, 3)...), g.largeBudgets()...)
		}
	}
	if r.crowd != nil {
		out = append(out, r.crowdBudget())
	}
	return append(out,
		atMost("lag, p95 of all rounds", harness.Percentile(lags, 95), 0.1, milliseconds),
		atMost("binary", float64(r.binary.size)/1e6, 45, func(v float64) string { return fmt.Sprintf("%.1f MB", v) }),
		atMost("cold start of `version`", r.binary.start.Seconds(), 0.03, milliseconds),
	)
}

// against compares with kubectl. The promise is about a fresh CI job, which has nothing cached; a warm cache is shown
// beside it because it is what kubectl can do at best.
func (g group) against(size string, wall, received float64) []budget {
	var out []budget
	for _, kubectl := range []string{kubectlCold, kubectlWarm} {
		if g.of(kubectl) == nil {
			continue
		}
		out = append(out,
			atMost(fmt.Sprintf("wall, %s, by %s", size, kubectl), g.ratio(wallOf, kubectl), wall, ratio),
			atMost(fmt.Sprintf("bytes received, %s, by %s", size, kubectl), g.ratio(bytesOf, kubectl), received, ratio))
	}
	return out
}

// largeBudgets takes the worst round: these are bounds, not comparisons.
func (g group) largeBudgets() []budget {
	worst := func(figure func(sample) float64) float64 {
		return harness.Percentile(each(g.of(gateName), figure), 100)
	}
	return []budget{
		atMost("peak RSS, 1,000 pods, worst round", worst(rssOf), 80, func(v float64) string { return fmt.Sprintf("%.1f MiB", v) }),
		atMost("CPU, 1,000 pods, worst round", worst(cpuOf), 3, func(v float64) string { return fmt.Sprintf("%.2f s", v) }),
	}
}

// crowdBudget compares with the same rollout without neighbours. The number of status updates, and so of watch
// events, differs by a few from run to run, hence a tenth.
func (r results) crowdBudget() budget {
	alone, crowded := middle(r.groups[0].of(gateName), bytesOf), middle(r.crowd.of(gateName), bytesOf)
	what := fmt.Sprintf("bytes received beside %d unrelated pods, by bytes without", r.crowd.neighbours)
	return atMost(what, crowded/alone, 1.1, ratio)
}

func atMost(what string, measured, limit float64, format func(float64) string) budget {
	return budget{what, format(measured), "≤ " + format(limit), measured <= limit}
}

func ratio(v float64) string { return fmt.Sprintf("%.2f×", v) }

func budgetRows(budgets []budget) [][]string {
	var rows [][]string
	for _, b := range budgets {
		met := "no"
		if b.met {
			met = "yes"
		}
		rows = append(rows, []string{b.what, b.measured, b.limit, met})
	}
	return rows
}

func milliseconds(seconds float64) string { return fmt.Sprintf("%.0f ms", seconds*1000) }
