package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// results are those of one run of the harness.
type results struct {
	Machine    string   `json:"machine"`
	Kubernetes string   `json:"kubernetes"`
	Seed       uint64   `json:"seed"`
	Of         int      `json:"of"` // one of so many cases was played
	Short      bool     `json:"short,omitempty"`
	Cases      []result `json:"cases"`
	Pairs      *pairs   `json:"pairs,omitempty"`
	Soak       *soak    `json:"soak,omitempty"`
}

// tally counts cases.
type tally struct{ played, right, missed, errors int }

func (t *tally) add(r result) {
	if r.Error != "" {
		t.errors++
		return
	}
	t.played++
	t.right += harness.Count(r.Right)
	t.missed += harness.Count(r.Missed)
}

// text is how many of the cases are right.
func (t tally) text() string {
	switch {
	case t.played == 0:
		return ""
	case t.right < t.played:
		return fmt.Sprintf("**%d of %d**", t.right, t.played)
	}
	return fmt.Sprint(t.played)
}

// count counts the cases in the boxes of a table.
func (r *results) count(box func(result) [2]string) map[[2]string]*tally {
	all := map[[2]string]*tally{}
	for _, c := range r.Cases {
		b := box(c)
		if all[b] == nil {
			all[b] = &tally{}
		}
		all[b].add(c)
	}
	return all
}

func (r *results) total() tally {
	var all tally
	for _, c := range r.Cases {
		all.add(c)
	}
	return all
}

// mostMissed is the share of cases that may end before their point is reached: undos write as often as it takes.
const mostMissed = 0.1

// Problems are the reasons for which the run fails.
func (r *results) Problems() []string {
	var out []string
	all := r.total()
	if wrong := all.played - all.right; wrong > 0 {
		out = append(out, fmt.Sprintf("%d of %d cases went wrong", wrong, all.played))
	}
	if all.errors > 0 {
		out = append(out, fmt.Sprintf("%d cases could not be played", all.errors))
	}
	if float64(all.missed) > mostMissed*float64(all.played) {
		out = append(out, fmt.Sprintf("%d of %d runs ended before something could happen to them", all.missed, all.played))
	}
	if r.Pairs != nil && len(r.Pairs.Wrong) > 0 {
		out = append(out, fmt.Sprintf("of %d pairs of runs: %s", r.Pairs.Times, strings.Join(r.Pairs.Wrong, "; ")))
	}
	if r.Soak != nil && len(r.Soak.Wrong) > 0 {
		out = append(out, fmt.Sprintf("of %d runs in a row: %s", r.Soak.Times, strings.Join(r.Soak.Wrong, "; ")))
	}
	return out
}

// Text is what the terminal shows in the end.
func (r *results) Text() string {
	slices.SortFunc(r.Cases, func(a, b result) int { return cmp.Compare(a.Name, b.Name) })
	var b strings.Builder
	for _, c := range r.Cases {
		if !c.Right {
			fmt.Fprintf(&b, "\n%s", c.details())
		}
	}
	fmt.Fprintf(&b, "\n%s", r.Document())
	return b.String()
}

// Document is the section of docs/reliability.md. It has no dates, so that its changes are those of the behaviour.
func (r *results) Document() string {
	var b strings.Builder
	all := r.total()
	share := ""
	if r.Of > 1 {
		share = fmt.Sprintf(", one of %d, chosen by seed %d", r.Of, r.Seed)
	}
	fmt.Fprintf(&b, "Kubernetes %s; %s. %d cases%s, %d right", r.Kubernetes, r.Machine, all.played, share, all.right)
	if all.missed > 0 {
		fmt.Fprintf(&b, "; in %d of them the run was over before", all.missed)
	}
	b.WriteString(".\n\n")
	b.WriteString(r.byEnd())
	b.WriteString("\n")
	b.WriteString(r.byFollower())
	if r.Pairs != nil {
		fmt.Fprintf(&b, "\n%s\n", r.Pairs.text())
	}
	if r.Soak != nil {
		fmt.Fprintf(&b, "\n%s\n", r.Soak.text())
	}
	return b.String()
}

// byEnd is the table of what happened, by what was rolled out.
func (r *results) byEnd() string {
	var families []string
	for _, s := range scenarios() {
		if !s.bad {
			families = append(families, s.name)
		}
	}
	counts := r.count(func(c result) [2]string { return [2]string{c.End, c.Scenario} })
	var rows [][]string
	for _, e := range ends() {
		row := []string{e.name}
		for _, f := range families {
			row = append(row, textOf(counts[[2]string{e.name, f}]))
		}
		rows = append(rows, row)
	}
	return harness.Table(append([]string{"end"}, families...), rows)
}

// byFollower is the table of what came after it, by the state in which it found the run's record.
func (r *results) byFollower() string {
	counts := r.count(func(c result) [2]string { return [2]string{c.Follower, c.State} })
	states := map[string]bool{}
	for box := range counts {
		states[box[1]] = true
	}
	head := []string{"follower"}
	for _, state := range slices.Sorted(maps.Keys(states)) {
		head = append(head, cmp.Or(state, "no record"))
	}
	var rows [][]string
	for _, f := range followers() {
		row := []string{f.about}
		for _, state := range slices.Sorted(maps.Keys(states)) {
			row = append(row, textOf(counts[[2]string{f.name, state}]))
		}
		rows = append(rows, row)
	}
	return harness.Table(head, rows)
}

func textOf(t *tally) string {
	if t == nil {
		return ""
	}
	return t.text()
}

func (p *pairs) text() string {
	var exits []string
	for _, e := range slices.Sorted(maps.Keys(p.Exits)) {
		exits = append(exits, fmt.Sprintf("%s (%d times)", e, p.Exits[e]))
	}
	return fmt.Sprintf("Two runs of the same Deployment started at once, %d times, %.1f ms apart in the median: %d were wrong. They ended with %s.",
		p.Times, p.Apart, len(p.Wrong), strings.Join(exits, ", "))
}

func (s *soak) text() string {
	return fmt.Sprintf("%d runs one after the other: peak memory %.1f MiB in the first tenth and %.1f MiB in the last, at most %d leases between two runs and %d records; %d were wrong.",
		s.Times, s.Early, s.Late, s.Leases, s.Records, len(s.Wrong))
}
