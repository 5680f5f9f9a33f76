package main

import (
	"fmt"
	"strings"
)

// result is what became of one case.
type result struct {
	Name     string `json:"name"`
	Scenario string `json:"scenario"` // without the version
	End      string `json:"end"`
	Follower string `json:"follower"`

	Right  bool     `json:"right"`
	Wrong  []string `json:"wrong,omitempty"`  // what does not hold
	Missed bool     `json:"missed,omitempty"` // the run did not come to the point
	State  string   `json:"state,omitempty"`  // of the run's record when the follower began
	Run    *command `json:"run,omitempty"`
	Then   *command `json:"then,omitempty"` // the follower
	Writes []write  `json:"writes,omitempty"`

	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"` // of the harness: the case was not played
}

// command is how a process ended.
type command struct {
	Exit    int     `json:"exit"` // -1: by a signal
	Line    string  `json:"line"` // the last one
	Seconds float64 `json:"seconds"`
	Output  string  `json:"output,omitempty"`
}

func ended(p *process) *command {
	return &command{Exit: p.ran.Exit, Line: lastLine(p.ran.Output), Seconds: p.ran.Seconds, Output: p.ran.Output}
}

// mostWrong is how many reasons are kept of one case.
const mostWrong = 12

// complain keeps what is wrong; empty texts are nothing, and what was said is not said again.
func (r *result) complain(wrong ...string) {
	for _, w := range wrong {
		if w != "" && len(r.Wrong) < mostWrong {
			r.Wrong = append(r.Wrong, w)
		}
	}
}

// progress is one line about a case.
func (r *result) progress() string {
	word := "right"
	switch {
	case r.Error != "":
		word = "ERROR"
	case !r.Right:
		word = "WRONG"
	case r.Missed:
		word = "missed"
	}
	line := fmt.Sprintf("%-6s %4.0fs  %s: %s", word, r.Seconds, r.Name, r.story())
	switch {
	case r.Error != "":
		line += ": " + r.Error
	case len(r.Wrong) > 0:
		line += ": " + r.Wrong[0]
		if more := len(r.Wrong) - 1; more > 0 {
			line += fmt.Sprintf(" (and %d more)", more)
		}
	}
	return line
}

// story is how the commands have ended.
func (r *result) story() string {
	var parts []string
	if r.Run != nil {
		parts = append(parts, exitText(r.Run.Exit))
	}
	if r.Then != nil {
		state := r.State
		if state == none {
			state = "no record"
		}
		parts = append(parts, state, exitText(r.Then.Exit))
	}
	return strings.Join(parts, ", ")
}

// details is everything about a case that is not right.
func (r *result) details() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.progress())
	for _, w := range r.Wrong {
		fmt.Fprintf(&b, "  - %s\n", w)
	}
	for _, w := range r.Writes {
		fmt.Fprintf(&b, "  %3d %s: %d\n", w.Number, w, w.Status)
	}
	return b.String()
}
