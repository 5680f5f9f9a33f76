package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

const introduction = `# Trials

What rolloutgate does with releases that go bad while it watches them, and with one that only looks like it: the verdicts,
and the time from the first bad request to the undo. This file is written by ` + "`make trials`" + `, which plays each scenario
again and again on a real control plane with a real kubelet, containerd and Prometheus. A good version 1 takes traffic;
then ` + "`rolloutgate run`" + ` rolls version 2 of the same Deployment out.

`

const reading = `
- A verdict on a bad release is **right** when the run ends with exit 12 because the expected criterion failed and no other
  did, the undo is verified, the criterion holds again after it, and the cluster itself, asked by somebody else, serves
  version 1 with all pods and nothing else. On the healthy one it is right when the run ends with exit 0 and all pods of
  version 2 serve.
- **Early** are the runs that were stopped by evidence, before the end of the window; the others are failed by the share
  at its end.
- The time begins when the first bad request can have been served: not before the fault begins in the first pod, and not
  before the last scrape that saw none. So it is too long by up to the second between two scrapes. It ends when the undo is
  sent to the API server. What is in between: a scrape, the next look, and as many looks as it takes to be sure.
- Bad requests are those that Prometheus saw of version 2, whatever rolloutgate made of them. *In all* includes what its
  last pods answered while the undo replaced them. *Counted* is how many of those that Prometheus had at the last look are
  in the report, over all runs; the rest came with a scrape that was just being taken.
`

const limits = `
## What this does not say

- Faults are steps of a program that was made for it, with traffic that is even. Yours are not; the shares that can be told
  apart from each other, and after how many requests, are in [statistics.md](statistics.md).
- Scrapes are a second apart and looks two. With the usual 15 seconds each, a scrape and a look are what the time is made of.
- A stall of the machine of half a second makes slow requests, too. They are noise to all that is measured here.
- How long version 2 was good before makes little difference: the evidence is also taken from each look on.
`

// Document is docs/trials.md. It has no dates, so that its changes are those of the measurements.
func (r *results) Document() string {
	var b strings.Builder
	b.WriteString(introduction)
	fmt.Fprintf(&b, "Kubernetes %s; %s, %d rollouts at once, %.0f %% busy.", r.Kubernetes, r.Machine, r.Parallel, 100*r.Busy)
	if n := r.refused(); n > 0 {
		fmt.Fprintf(&b, " %d more were refused before anything was rolled out, because version 1 broke the criteria itself for a moment.", n)
	}
	b.WriteString("\n\n")
	b.WriteString("## Bad releases\n\n")
	var bad, quiet, times [][]string
	for _, s := range r.summarize() {
		if s.quiet {
			quiet = append(quiet, s.quietRow())
			continue
		}
		bad = append(bad, s.badRow())
		times = append(times, []string{s.name, sortedTenths(s.delays)})
	}
	b.WriteString(harness.Table([]string{"scenario", "runs", "right", "early", "first bad request → undo, s: median, 90th percentile, longest",
		"bad requests until then: median, most", "in all", "counted", "undo verified after, s"}, bad))
	b.WriteString("\n## A healthy release\n\n")
	b.WriteString(harness.Table([]string{"scenario", "runs", "right", "undone", "bad requests: median, most", "of", "counted"}, quiet))
	b.WriteString("\n## How to read this\n")
	b.WriteString(reading)
	b.WriteString("\nFrom the first bad request to the undo, every run, in seconds:\n\n")
	b.WriteString(harness.Table([]string{"scenario", ""}, times))
	b.WriteString("\n## The scenarios\n\nEvery service answers about 90 requests a second.\n\n")
	var rows [][]string
	for _, s := range scenarios() {
		rows = append(rows, []string{s.name, s.title})
	}
	b.WriteString(harness.Table([]string{"scenario", "what happens"}, rows))
	fmt.Fprintf(&b, "\nAll have the same criteria:\n\n```yaml\n%s```\n", criteria)
	b.WriteString(limits)
	return b.String()
}

func (s summary) badRow() []string {
	return []string{s.name, fmt.Sprint(s.runs), fmt.Sprint(s.right), fmt.Sprint(s.early),
		fmt.Sprintf("%s, %s, %s", tenths(harness.Percentile(s.delays, 50)), tenths(harness.Percentile(s.delays, 90)), tenths(harness.Percentile(s.delays, 100))),
		medianAndMost(s.bad), medianAndMost(s.inAll), s.countedText(), harness.Whole(harness.Percentile(s.took, 50))}
}

func (s summary) quietRow() []string {
	return []string{s.name, fmt.Sprint(s.runs), fmt.Sprint(s.right), fmt.Sprint(s.undone), medianAndMost(s.bad), harness.Whole(harness.Percentile(s.requests, 50)), s.countedText()}
}

func (s summary) countedText() string { return fmt.Sprintf("%.0f of %.0f", s.counted, s.scraped) }

func medianAndMost(values []float64) string {
	return harness.Whole(harness.Percentile(values, 50)) + ", " + harness.Whole(harness.Percentile(values, 100))
}

func sortedTenths(values []float64) string {
	var out []string
	for _, v := range slices.Sorted(slices.Values(values)) {
		out = append(out, tenths(v))
	}
	return strings.Join(out, ", ")
}
