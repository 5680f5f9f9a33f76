package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// results are those of one run.
type results struct {
	Machine    string   `json:"machine"`
	Kubernetes string   `json:"kubernetes"`
	Parallel   int      `json:"parallel"`
	Busy       float64  `json:"busy"` // share of the time in which the processors worked, other programs included
	Trials     []result `json:"trials"`
}

// sort puts the trials into the order of the scenarios.
func (r *results) sort(order []*scenario) {
	place := map[string]int{}
	for i, s := range order {
		place[s.name] = i
	}
	slices.SortFunc(r.Trials, func(a, b result) int {
		return cmp.Or(cmp.Compare(place[a.Scenario], place[b.Scenario]), cmp.Compare(a.Number, b.Number))
	})
}

// summary is what is counted of one scenario.
type summary struct {
	name                        string
	quiet                       bool
	runs, right, errors, undone int // undone: rollouts that had to pass
	early                       int // stopped before the end of the window
	delays, bad, inAll, took    []float64
	requests                    []float64
	counted, scraped            float64 // bad requests at the last look: by the report, and by Prometheus
}

// summarize returns a summary of each scenario that was played, in order.
func (r *results) summarize() []summary {
	var out []summary
	for _, t := range r.Trials {
		if len(out) == 0 || out[len(out)-1].name != t.Scenario {
			out = append(out, summary{name: t.Scenario, quiet: t.Quiet})
		}
		s := &out[len(out)-1]
		if t.Error != "" {
			s.errors++
			continue
		}
		s.runs++
		s.right += harness.Count(t.Right)
		s.undone += harness.Count(t.FalseUndo)
		s.early += harness.Count(t.Early)
		s.bad, s.inAll, s.requests = append(s.bad, t.Bad), append(s.inAll, t.BadInAll), append(s.requests, t.Requests)
		s.counted, s.scraped = s.counted+t.Counted, s.scraped+t.Scraped
		if t.Delay != nil {
			s.delays, s.took = append(s.delays, *t.Delay), append(s.took, t.UndoTook)
		}
	}
	return out
}

// Problems are the reasons for which the run fails.
func (r *results) Problems() []string {
	var out []string
	for _, s := range r.summarize() {
		if s.errors > 0 {
			out = append(out, fmt.Sprintf("%s: %d trials could not be played", s.name, s.errors))
		}
		if s.undone > 0 {
			out = append(out, fmt.Sprintf("%s: %d of %d healthy rollouts were undone", s.name, s.undone, s.runs))
		}
		if wrong := s.runs - s.right; wrong > 0 {
			out = append(out, fmt.Sprintf("%s: %d of %d verdicts are wrong", s.name, wrong, s.runs))
		}
	}
	return out
}

// Text is what the terminal shows in the end.
func (r *results) Text() string {
	var b strings.Builder
	for _, t := range r.Trials {
		fmt.Fprintln(&b, t.progress())
	}
	for _, t := range r.Trials {
		if !t.Right && t.Output != "" {
			fmt.Fprintf(&b, "\n%s\n%s", t.progress(), harness.Indented(t.Output))
		}
	}
	fmt.Fprintf(&b, "\n%-16s %4s %5s %5s   first bad request → undo         bad requests until then\n", "scenario", "runs", "right", "early")
	for _, s := range r.summarize() {
		if s.quiet {
			fmt.Fprintf(&b, "%-16s %4d %5d         undone: %d                         median %s, most %s\n", s.name, s.runs, s.right, s.undone,
				harness.Whole(harness.Percentile(s.bad, 50)), harness.Whole(harness.Percentile(s.bad, 100)))
			continue
		}
		fmt.Fprintf(&b, "%-16s %4d %5d %5d   median %4.1fs, 90 %% %4.1fs, max %4.1fs   median %s, most %s\n", s.name, s.runs, s.right, s.early,
			harness.Percentile(s.delays, 50), harness.Percentile(s.delays, 90), harness.Percentile(s.delays, 100), harness.Whole(harness.Percentile(s.bad, 50)), harness.Whole(harness.Percentile(s.bad, 100)))
	}
	fmt.Fprintf(&b, "%s, %.0f %% busy with %d trials at once\n", r.Machine, 100*r.Busy, r.Parallel)
	return b.String()
}

func tenths(n float64) string { return fmt.Sprintf("%.1f", n) }

// refused is how many trials were played anew because nothing had been rolled out in them.
func (r *results) refused() (n int) {
	for _, t := range r.Trials {
		n += t.Refused
	}
	return n
}
