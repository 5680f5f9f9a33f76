package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// results is everything that was measured.
type results struct {
	machine  machine
	versions map[string]string // of the sandbox' components
	kubectl  string
	nodes    int
	date     time.Time
	took     time.Duration

	binary binary
	groups []group
	crowd  *group   // the first group again with neighbours; nil when not asked for
	keeps  *keeping // of the first size; nil when that was not measured
}

// group is one size with what each command needed for it.
type group struct {
	size       size
	neighbours int
	tracks     []*track
}

// of returns the samples of one command.
func (g group) of(name string) []sample {
	for _, t := range g.tracks {
		if t.command.name == name {
			return t.samples
		}
	}
	return nil
}

func wallOf(s sample) float64  { return s.wall.Seconds() }
func cpuOf(s sample) float64   { return s.cpu.Seconds() }
func rssOf(s sample) float64   { return float64(s.rss) / (1 << 20) }
func bytesOf(s sample) float64 { return float64(s.received) }
func lagOf(s sample) float64   { return s.lag.Seconds() }

func middle(samples []sample, figure func(sample) float64) float64 {
	return harness.Median(each(samples, figure))
}

// ratio compares the medians of one figure of rolloutgate with that of a kubectl.
func (g group) ratio(figure func(sample) float64, kubectl string) float64 {
	return middle(g.of(gateName), figure) / middle(g.of(kubectl), figure)
}

func (r results) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %d simulated nodes; %s; %s in all.\n\n", r.machine, r.nodes, r.date.Format("2006-01-02"), r.took.Round(time.Second))
	fmt.Fprintf(&b, "Kubernetes and kubectl %s, etcd %s, kwok %s.\n\n", r.kubectl, r.versions["etcd"], r.versions["kwok"])
	b.WriteString(r.costs())
	b.WriteString("\n")
	b.WriteString(harness.Table([]string{"what", "measured", "budget", "met"}, budgetRows(r.budgets())))
	return b.String()
}

// costs is the table of what each command needed.
func (r results) costs() string {
	groups := r.groups
	if r.crowd != nil {
		groups = append(groups[:len(groups):len(groups)], *r.crowd)
	}
	var rows [][]string
	for _, g := range groups {
		for _, t := range g.tracks {
			rows = append(rows, g.row(t))
		}
	}
	head := []string{"pods", "command", "rounds", "wall, s", "CPU, s", "peak RSS, MiB", "received, kB", "sent, kB", "connections", "lag, ms"}
	return harness.Table(head, rows)
}

func (g group) row(t *track) []string {
	pods := g.size.String()
	if g.neighbours > 0 {
		pods += fmt.Sprintf(" beside %d others", g.neighbours)
	}
	row := []string{pods, t.command.name, fmt.Sprintf("%d", len(t.samples))}
	for _, column := range []struct {
		figure   func(sample) float64
		decimals int
	}{
		{wallOf, 2}, {cpuOf, 2}, {rssOf, 1}, {func(s sample) float64 { return bytesOf(s) / 1000 }, 0},
		{func(s sample) float64 { return float64(s.sent) / 1000 }, 1},
		{func(s sample) float64 { return float64(s.connections) }, 0}, {func(s sample) float64 { return lagOf(s) * 1000 }, 0},
	} {
		row = append(row, spread(each(t.samples, column.figure), column.decimals))
	}
	if g.size.bad != "" || g.size.contexts > 0 {
		row[len(row)-1] = "" // there is no one end to compare with
	}
	if slices.ContainsFunc(t.samples, func(s sample) bool { return s.failed }) {
		row[1], row[len(row)-1] = row[1]+", which failed", ""
	}
	return row
}

// spread is the median with the smallest and the largest value, unless all are alike.
func spread(values []float64, decimals int) string {
	show := func(v float64) string { return strconv.FormatFloat(v, 'f', decimals, 64) }
	middle, low, high := show(harness.Median(values)), show(harness.Percentile(values, 0)), show(harness.Percentile(values, 100))
	if low == high {
		return middle
	}
	return fmt.Sprintf("%s (%s–%s)", middle, low, high)
}

// each picks one figure of every sample.
func each[T any](samples []sample, figure func(sample) T) []T {
	out := make([]T, len(samples))
	for i, s := range samples {
		out[i] = figure(s)
	}
	return out
}
