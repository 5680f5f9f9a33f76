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
var (
	smallRollout = size{workloads: 1, pods: 3}
	largeRollout = size{workloads: 1, pods: 1000}
	hugeRollout  = size{workloads: 1, pods: 5000}
	manyRollouts = size{workloads: 200, pods: 1}
)

// is tells whether a size is the one of a promise, however often it was measured and beside whom.
func (s size) is(promised size) bool {
	return s.workloads == promised.workloads && s.pods == promised.pods && s.noProbe == promised.noProbe && s.bad == "" && s.contexts == 0
}

// budgets lists the promises that this run can check.
func (r results) budgets() []budget {
	var out []budget
	lags := []float64{}
	for _, g := range r.groups {
		// Pods that are ready as soon as they run are watched for a while on purpose. With many workloads at once the
		// machine is busy, and only the comparison says something.
		if !g.size.noProbe && g.size.workloads == 1 {
			lags = append(lags, each(g.of(gateName), lagOf)...)
		}
		switch {
		case g.size.is(smallRollout):
			out = append(out, g.against("3 pods", 1.05, 1.5)...)
		case g.size.is(largeRollout):
			out = append(append(out, g.against("1,000 pods", 1.05, 3)...), g.memory("1,000 pods", 80), g.cpu("1,000 pods", 3))
		case g.size.is(hugeRollout):
			out = append(out, g.memory("5,000 pods", 160))
			if large := r.of(largeRollout); large != nil {
				out = append(out, g.linear(*large))
			}
		case g.size.is(manyRollouts):
			out = append(out, g.memory("200 workloads", 160))
			if g.of(kubectlCold) != nil {
				out = append(out, atMost("lag, 200 workloads, by "+kubectlCold, g.ratio(lagOf, kubectlCold), 1.5, ratio))
			}
		}
	}
	if r.crowd != nil {
		out = append(out, r.crowdBudget())
	}
	if r.keeps != nil {
		out = append(out,
			atMost("requests for lock and record of a plain run", r.keeps.requests, 3, func(v float64) string { return fmt.Sprintf("%.0f", v) }),
			atMost("time of these requests", r.keeps.took.Seconds(), 0.06, milliseconds))
	}
	return append(out,
		atMost("lag, p95 of all rounds of one workload", harness.Percentile(lags, 95), 0.1, milliseconds),
		atMost("binary", float64(r.binary.size)/1e6, 45, func(v float64) string { return fmt.Sprintf("%.1f MB", v) }),
		atMost("cold start of `version`", r.binary.start.Seconds(), 0.03, milliseconds),
	)
}

// of is the group of a size; nil when it was not measured.
func (r results) of(wanted size) *group {
	for i := range r.groups {
		if r.groups[i].size.is(wanted) {
			return &r.groups[i]
		}
	}
	return nil
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

// worst is the largest figure of all rounds, for what is a bound and no comparison.
func (g group) worst(figure func(sample) float64) float64 {
	return harness.Percentile(each(g.of(gateName), figure), 100)
}

func (g group) memory(what string, mebibytes float64) budget {
	return atMost("peak RSS, "+what+", worst round", g.worst(rssOf), mebibytes, func(v float64) string { return fmt.Sprintf("%.1f MiB", v) })
}

func (g group) cpu(what string, seconds float64) budget {
	return atMost("CPU, "+what+", worst round", g.worst(cpuOf), seconds, func(v float64) string { return fmt.Sprintf("%.2f s", v) })
}

// linear compares the CPU time of each pod with that in a smaller rollout: what grows faster than the number of changes
// shows. What a run costs in any case makes the smaller one look dear, hence no more than a tenth on top.
func (g group) linear(smaller group) budget {
	share := middle(g.of(gateName), cpuOf) / float64(g.size.all()) / (middle(smaller.of(gateName), cpuOf) / float64(smaller.size.all()))
	return atMost(fmt.Sprintf("CPU a pod, %d pods, by %d", g.size.all(), smaller.size.all()), share, 1.1, ratio)
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
