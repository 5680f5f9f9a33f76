package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Exit codes of rolloutgate, as its documentation has them.
const (
	exitPassed     = 0
	exitRefused    = 3  // nothing was changed
	exitFailed     = 10 // and everything is back
	exitTimeout    = 11 // and everything is back
	exitSuperseded = 30
	exitRetry      = 75 // nothing was changed
	exitInt        = 130
	exitTerm       = 143
	exitKilled     = -1 // it has said nothing
)

// endings are the ways in which a command may end: its exit code, and where the release has to be then.
type endings map[int]side

// own is how a run ends when nothing happens to it.
func own(bad bool) endings {
	if bad {
		return endings{exitFailed: before}
	}
	return endings{exitPassed: after}
}

// endingsOf says how a run may end after something happened to it. A run that has its verdict may still end with it.
func (l leads) endingsOf(bad bool) endings {
	e := own(bad)
	switch l {
	case dies:
		return endings{exitKilled: either}
	case interrupts:
		e[exitInt] = before
	case terminates:
		e[exitTerm] = before
	case hurries:
		e[exitInt], e[exitKilled] = before, either
	case stumbles:
		e[exitFailed], e[exitRetry] = before, before
	case sleeps:
		e[exitFailed], e[exitRetry], e[exitTimeout] = before, before, before
	}
	return e
}

// The states in which the record of a run can be, as far as they matter here.
const (
	none    = "" // there is no record
	running = "running"
	passed  = "passed"
	undone  = "undone"
)

// follower is a command that comes after the end of a run.
type follower struct {
	name  string
	about string
	args  func(s scenario) []string
	later bool // two minutes later, and from another machine
	again bool // after a run that takes over and is killed as well
	// endings says how it may end, by the state of the run before it.
	endings func(state string, s scenario) endings
}

// followers are the commands of which each has to put it right.
func followers() []follower {
	return []follower{
		{name: "undo", about: "`rolloutgate undo`", args: func(scenario) []string { return undoArgs() }, endings: endingsOfUndo},
		{name: "run-good", about: "`run` with a good version", args: func(s scenario) []string { return s.runArgs(good) },
			endings: func(string, scenario) endings { return endings{exitPassed: after} }},
		{name: "run-bad", about: "`run` with a bad version", args: func(s scenario) []string { return s.runArgs(bad) }, endings: endingsOfBad},
		{name: "resume", about: "`rolloutgate resume`", args: func(scenario) []string { return resumeArgs() }, endings: endingsOfResume},
		{name: "killed-again", about: "a `run` that takes over and is killed as well, then `undo`", args: func(scenario) []string { return undoArgs() },
			again: true, endings: endingsOfUndo},
		{name: "later", about: "nothing for two minutes, then `run` with a good version on another machine",
			args: func(s scenario) []string { return s.runArgs(good) }, later: true,
			endings: func(string, scenario) endings { return endings{exitPassed: after} }},
	}
}

// endingsOfUndo: what is on record goes back, whatever became of it. Without a record nothing was written.
func endingsOfUndo(state string, _ scenario) endings {
	if state == none {
		return endings{exitRefused: before}
	}
	return endings{exitPassed: before}
}

// endingsOfBad: a bad version goes back to the last one that was known to be good. That is not what a dead run has left,
// but what was there before it, unless that run has passed.
func endingsOfBad(state string, _ scenario) endings {
	if state == passed {
		return endings{exitFailed: again}
	}
	return endings{exitFailed: before}
}

// endingsOfResume: it goes on where the run was, which then ends as it would have. What has passed stays as it is, and with
// what was taken back, or was never there, nobody goes on.
func endingsOfResume(state string, s scenario) endings {
	switch state {
	case running:
		return own(s.bad)
	case passed:
		return endings{exitPassed: after}
	}
	return endings{exitRefused: before}
}

// The arguments of commands. The patience is short, for nothing in the sandbox takes long.
func runArgs(v version) []string {
	return append([]string{"run", "-f", v.file()}, judging()...)
}

func judging() []string {
	return []string{"--timeout", "90s", "--undo-timeout", "60s", "--grace", "ImageNotFound=2s", "--grace", "PodAntiAffinityUnsatisfied=2s", "--wait-for-lock", "100s"}
}

// runArgs are those of a run in the stages of the scenario.
func (s scenario) runArgs(v version) []string {
	args := append(runArgs(v), s.stages...)
	if s.set != "" {
		args = append(args, "--prune", s.set)
	}
	return args
}

func undoArgs() []string   { return []string{"undo", "--undo-timeout", "60s", "--wait-for-lock", "100s"} }
func resumeArgs() []string { return append([]string{"resume"}, judging()...) }

// wrongExit says what is wrong with how a command has ended; empty when nothing is.
func (e endings) wrongExit(name string, exit int) string {
	if _, ok := e[exit]; ok {
		return ""
	}
	var codes []string
	for _, code := range slices.Sorted(maps.Keys(e)) {
		codes = append(codes, exitText(code))
	}
	return fmt.Sprintf("%s ended with %s and not with %s", name, exitText(exit), strings.Join(codes, " or "))
}

// side is where the release has to be after an exit code. After one that is not allowed it is where all others lead, so
// that what is there can be told.
func (e endings) side(exit int) side {
	if s, ok := e[exit]; ok {
		return s
	}
	sides := map[side]bool{}
	var last side
	for _, s := range e {
		sides[s], last = true, s
	}
	if len(sides) > 1 {
		return either
	}
	return last
}

func exitText(code int) string {
	if code == exitKilled {
		return "a signal"
	}
	return fmt.Sprintf("exit %d", code)
}

var lastLinePattern = regexp.MustCompile(`^rolloutgate: .*\(exit (\d+)\)`)

// wrongLastLine says what is wrong with the last line that a command has printed: it names the exit code.
func wrongLastLine(name, output string, exit int) string {
	if exit == exitKilled {
		return ""
	}
	line := lastLine(output)
	match := lastLinePattern.FindStringSubmatch(line)
	switch {
	case match == nil:
		return fmt.Sprintf("the last line of %s does not say how it ended: %q", name, line)
	case match[1] != strconv.Itoa(exit):
		return fmt.Sprintf("the last line of %s does not fit exit %d: %q", name, exit, line)
	}
	return ""
}

// lastLine is the last line of what a command has printed for people. Standard output and error come through two pipes,
// so that an error may come in after the line that was printed after it.
func lastLine(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	last := lines[len(lines)-1]
	if strings.HasPrefix(last, "error: ") || strings.HasPrefix(last, "  hint: ") || strings.HasPrefix(last, "warning: ") {
		for _, line := range slices.Backward(lines) {
			if lastLinePattern.MatchString(line) {
				return line
			}
		}
	}
	return last
}
