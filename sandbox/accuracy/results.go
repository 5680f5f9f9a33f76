package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// What the tool is held to. The sizes count only when all cases of all tiers were played.
const (
	goodEnough    = 95 // percent of the bad rollouts whose cause is named first
	enoughCases   = 80
	enoughHealthy = 15
)

// results are those of one or more runs.
type results struct {
	Machine    string          `json:"machine"`
	Kubernetes string          `json:"kubernetes"`
	Whole      map[string]bool `json:"whole"` // tiers of which all cases were played
	Cases      []result        `json:"cases"`
}

// add takes over the cases of another run; a case that both have played counts as the later run saw it.
func (r *results) add(other results) {
	r.Machine, r.Kubernetes = cmp.Or(other.Machine, r.Machine), cmp.Or(other.Kubernetes, r.Kubernetes)
	if r.Whole == nil {
		r.Whole = map[string]bool{}
	}
	for tier, whole := range other.Whole {
		r.Whole[tier] = r.Whole[tier] || whole
	}
	for _, c := range other.Cases {
		r.Cases = slices.DeleteFunc(r.Cases, func(old result) bool { return old.Name == c.Name })
		r.Cases = append(r.Cases, c)
	}
}

func (r *results) sort() {
	slices.SortFunc(r.Cases, func(a, b result) int {
		return cmp.Or(cmp.Compare(b.Tier, a.Tier), cmp.Compare(a.Name, b.Name))
	})
}

// The kinds of cases.
const (
	bad = iota
	healthy
	moving
)

func (r *result) kind() int {
	switch {
	case r.Moves:
		return moving
	case r.Quiet:
		return healthy
	}
	return bad
}

// played are the cases of one kind that the harness could play.
func (r *results) played(kind int) []result {
	var some []result
	for _, c := range r.Cases {
		if c.kind() == kind && c.Error == "" {
			some = append(some, c)
		}
	}
	return some
}

// summary is what is counted.
type summary struct {
	bad, right, quiet, alarms, errors int
	moving, kept                      int // a world that moves
	signToVerdict                     []float64
	applied, named                    int // of kubectl rollout status
	refused, refusedNamed             int // of kubectl apply
	waiting                           int
	total                             []float64 // of rolloutgate, for the same cases as kubectl
}

func (r *results) summarize() summary {
	var s summary
	for _, c := range r.Cases {
		if c.Error != "" {
			s.errors++
		}
	}
	for _, c := range r.played(healthy) {
		s.quiet++
		if c.falseAlarm() {
			s.alarms++
		}
	}
	for _, c := range r.played(moving) {
		s.moving++
		s.kept += harness.Count(c.Right)
	}
	for _, c := range r.played(bad) {
		s.bad++
		if c.Right {
			s.right++
		}
		if c.SignToVerdict != nil {
			s.signToVerdict = append(s.signToVerdict, *c.SignToVerdict)
		}
		if c.Kubectl.Command == "apply" {
			s.refused++
			s.refusedNamed += harness.Count(c.Kubectl.Named)
			continue
		}
		s.applied++
		s.named += harness.Count(c.Kubectl.Named)
		s.waiting += harness.Count(c.Kubectl.Waiting)
		s.total = append(s.total, c.Seconds)
	}
	return s
}

// topOne is the share of bad rollouts whose cause was named first, in percent.
func (s summary) topOne() float64 {
	if s.bad == 0 {
		return 100
	}
	return 100 * float64(s.right) / float64(s.bad)
}

// Problems are the reasons for which the run fails.
func (r *results) Problems() []string {
	var out []string
	s := r.summarize()
	if s.errors > 0 {
		out = append(out, fmt.Sprintf("%d cases could not be played", s.errors))
	}
	if s.topOne() < goodEnough {
		out = append(out, fmt.Sprintf("the cause came first in %d of %d bad rollouts, which is less than %d %%", s.right, s.bad, goodEnough))
	}
	if s.kept < s.moving {
		out = append(out, fmt.Sprintf("%d of %d runs in a world that moves went wrong", s.moving-s.kept, s.moving))
	}
	if s.alarms > 0 {
		out = append(out, fmt.Sprintf("%d of %d healthy rollouts were failed", s.alarms, s.quiet))
	}
	if r.Whole[simulated] && r.Whole[realNode] {
		if n := s.bad + s.quiet + s.moving; n < enoughCases {
			out = append(out, fmt.Sprintf("there are %d cases, fewer than %d", n, enoughCases))
		}
		if s.quiet < enoughHealthy {
			out = append(out, fmt.Sprintf("there are %d healthy cases, fewer than %d", s.quiet, enoughHealthy))
		}
	}
	return out
}

// Text is what the terminal shows in the end.
func (r *results) Text() string {
	var b strings.Builder
	for _, c := range r.Cases {
		fmt.Fprintln(&b, c.progress())
	}
	for _, c := range r.Cases {
		if !c.Right {
			fmt.Fprintf(&b, "\n%s\n%s", c.progress(), harness.Indented(c.Output))
		}
	}
	s := r.summarize()
	fmt.Fprintf(&b, "\n%d bad rollouts, cause first in %d (%.1f %%); %d healthy ones, %d false alarms; %d in a world that moves, %d right; %d errors\n",
		s.bad, s.right, s.topOne(), s.quiet, s.alarms, s.moving, s.kept, s.errors)
	fmt.Fprintf(&b, "first sign to verdict: median %.0fs, 90th percentile %.0fs; kubectl rollout status named the cause in %d of %d\n",
		harness.Percentile(s.signToVerdict, 50), harness.Percentile(s.signToVerdict, 90), s.named, s.applied)
	return b.String()
}
