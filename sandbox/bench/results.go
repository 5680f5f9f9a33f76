package main

import (
	"fmt"
	"strings"
	"time"
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
	crowd  *group // the first group again with neighbours; nil when not asked for
}

// group is one Deployment size with what each command needed for it.
type group struct {
	pods, rounds, neighbours int
	tracks                   []*track
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
func bytesOf(s sample) float64 { return float64(s.received) }
func lagOf(s sample) float64   { return s.lag.Seconds() }

func middle(samples []sample, figure func(sample) float64) float64 {
	return median(each(samples, figure))
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
	b.WriteString(table([]string{"what", "measured", "budget", "met"}, budgetRows(r.budgets())))
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
	return table([]string{"pods", "command", "rounds", "wall (min to max)", "CPU", "peak RSS", "received", "sent", "connections", "lag, p95"}, rows)
}

func (g group) row(t *track) []string {
	pods := fmt.Sprintf("%d", g.pods)
	if g.neighbours > 0 {
		pods += fmt.Sprintf(" beside %d others", g.neighbours)
	}
	walls := each(t.samples, wallOf)
	return []string{
		pods, t.command.name, fmt.Sprintf("%d", len(t.samples)),
		fmt.Sprintf("%.2f s (%.2f to %.2f)", median(walls), percentile(walls, 0), percentile(walls, 100)),
		fmt.Sprintf("%.2f s", middle(t.samples, cpuOf)),
		mib(median(each(t.samples, func(s sample) int64 { return s.rss }))),
		kilobytes(middle(t.samples, bytesOf)),
		kilobytes(middle(t.samples, func(s sample) float64 { return float64(s.sent) })),
		fmt.Sprintf("%d", median(each(t.samples, func(s sample) int64 { return s.connections }))),
		milliseconds(percentile(each(t.samples, lagOf), 95)),
	}
}

func mib(bytes int64) string              { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
func kilobytes(bytes float64) string      { return fmt.Sprintf("%.1f kB", bytes/1000) }
func milliseconds(seconds float64) string { return fmt.Sprintf("%.0f ms", seconds*1000) }

// table renders a Markdown table.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(head)))
	for _, row := range rows {
		line(row)
	}
	return b.String()
}
