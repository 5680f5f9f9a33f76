package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// result is what became of one case.
type result struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Tier   string   `json:"tier"`
	Quiet  bool     `json:"quiet,omitempty"`
	Expect string   `json:"expect,omitempty"`
	Moves  bool     `json:"moves,omitempty"`  // others write meanwhile, or end the run: judged by what is in the cluster afterwards
	Failed []string `json:"failed,omitempty"` // of a world that moves: what does not hold afterwards

	Right    bool      `json:"right"`
	Why      string    `json:"why,omitempty"` // it is not right
	Rank     int       `json:"rank"`          // of the expected code among the findings, from 1; 0: not among them
	Early    bool      `json:"early"`         // the verdict came before the timeout
	Exit     int       `json:"exit"`
	ExitName string    `json:"exitName"`
	Findings []finding `json:"findings"`

	Seconds       float64     `json:"seconds"`                 // of rolloutgate in all
	Sign          string      `json:"sign,omitempty"`          // the first by which one could know
	SignToVerdict *float64    `json:"signToVerdict,omitempty"` // seconds; absent when there was no sign, or nothing was applied
	Kubectl       kubectlSaid `json:"kubectl"`
	Event         string      `json:"event,omitempty"` // the newest warning in the end

	Output string `json:"output,omitempty"` // of rolloutgate, when it is not right

	Error string `json:"error,omitempty"` // of the harness: the case was not played
}

// finding is what the harness reads of a report.
type finding struct {
	Code      string    `json:"code"`
	Detail    string    `json:"detail,omitempty"`
	FieldPath string    `json:"fieldPath,omitempty"`
	Terminal  string    `json:"terminal"`
	Cause     string    `json:"cause"`
	FirstSeen time.Time `json:"firstSeen"`
}

// kubectlSaid is what a person with kubectl is told.
type kubectlSaid struct {
	Command string  `json:"command"` // rollout status; apply, when the API server refused the manifest
	Line    string  `json:"line"`    // the last; of apply, all that it complains of
	Exit    int     `json:"exit"`
	Seconds float64 `json:"seconds"`
	Named   bool    `json:"named"` // the line says more than that it did not work out
	// Waiting is set when it was still waiting a while after rolloutgate had answered, and was stopped: what it ends with
	// at the timeout is known.
	Waiting bool `json:"waiting,omitempty"`
}

func newResult(c *testCase) result {
	r := result{Name: c.name, Title: c.Title, Tier: c.Tier, Quiet: c.Quiet, Expect: c.Expect, Moves: c.moves()}
	if c.Exit != 0 {
		r.Expect = fmt.Sprintf("exit %d", c.Exit)
	}
	return r
}

// report is the part of report.json that is judged.
type report struct {
	Exit struct {
		Name string `json:"name"`
	} `json:"exit"`
	Findings []finding `json:"findings"`
}

// judge compares the report with the case.
func (r *result) judge(c *testCase, ran *harness.Ran, reportFile string) error {
	text, err := os.ReadFile(reportFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var read report
	if err == nil {
		if err := json.Unmarshal(text, &read); err != nil {
			return fmt.Errorf("reading report.json: %w", err)
		}
	}
	r.Exit, r.ExitName, r.Findings, r.Seconds = ran.Exit, read.Exit.Name, read.Findings, ran.Seconds
	r.Early = ran.Exit != 0 && ran.Seconds < time.Duration(c.Timeout).Seconds()-1
	if c.Exit == ran.Exit && ran.Exit != 0 {
		r.Findings = append([]finding{{Code: r.Expect, Cause: r.ExitName}}, r.Findings...)
	}
	r.Rank = 1 + slices.IndexFunc(r.Findings, func(f finding) bool { return f.Code == r.Expect })
	r.Why = r.wrong(c)
	if err != nil && r.Why != "" {
		r.Why += "; there is no report: " + firstError(ran.Output)
	}
	if r.Right = r.Why == ""; !r.Right {
		r.Output = ran.Output
	}
	return nil
}

// wrong says what is wrong with an answer; "" when it is right.
func (r *result) wrong(c *testCase) string {
	if c.moves() {
		return r.wrongAmid(c)
	}
	if c.Quiet {
		if r.Exit == 0 {
			return ""
		}
		when := "at the timeout"
		if r.Early {
			when = "early"
		}
		return fmt.Sprintf("false alarm %s: exit %d, %s", when, r.Exit, r.headline())
	}
	var first finding
	if len(r.Findings) > 0 {
		first = r.Findings[0]
	}
	switch {
	case r.Exit == 0:
		return "it passed"
	case first.Code != r.Expect:
		return "it says " + r.headline()
	case !strings.Contains(first.Detail, c.Detail):
		return fmt.Sprintf("its detail is %q, not %q", first.Detail, c.Detail)
	case c.At != "" && first.FieldPath != c.At:
		return fmt.Sprintf("it points at %q, not %q", first.FieldPath, c.At)
	case c.Early && !r.Early:
		return "it waited until the timeout"
	}
	return ""
}

// wrongAmid says what is wrong with what a world that moves is left in.
func (r *result) wrongAmid(c *testCase) string {
	wrong := r.Failed
	if !slices.Contains(c.Exits, r.Exit) {
		wrong = append([]string{fmt.Sprintf("exit %d: %s", r.Exit, r.headline())}, wrong...)
	} else if c.Expect != "" && r.Exit != exitInvalid && r.Exit != exitRefused && r.topOne() != c.Expect {
		wrong = append([]string{"it says " + r.headline()}, wrong...)
	}
	return strings.Join(wrong, "; ")
}

func (r *result) headline() string {
	if len(r.Findings) == 0 {
		return "nothing"
	}
	return r.Findings[0].Code + ": " + r.Findings[0].Cause
}

// topOne is the code of the headline.
func (r *result) topOne() string {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Code
}

// falseAlarm is a healthy rollout that was failed.
func (r *result) falseAlarm() bool { return r.Quiet && !r.Right && r.Error == "" }

func newKubectlSaid(what string, ran *harness.Ran) *kubectlSaid {
	line := lastLine(ran.Output)
	if what == "apply" && ran.Exit != 0 {
		line = complaint(ran.Output)
	}
	return &kubectlSaid{Command: what, Line: line, Exit: ran.Exit, Seconds: ran.Seconds, Named: ran.Exit != 0 && names(line)}
}

// general are the endings of kubectl that fit any trouble.
var general = []string{
	"timed out waiting for the condition", "exceeded its progress deadline", "Waiting for ", "successfully rolled out",
	"no status viewer has been implemented", "watch closed before", "context deadline exceeded", "object has been deleted",
}

// names tells whether a line of kubectl could tell one cause from another.
func names(line string) bool {
	return line != "" && !slices.ContainsFunc(general, func(g string) bool { return strings.Contains(line, g) })
}

// complaint is what an apply says besides the objects that it has applied: its errors end with advice, not with the cause.
func complaint(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, " serverside-applied") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// firstError is where a program that ended without a report says why; what follows are hints or a stack.
func firstError(text string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "error: ") || strings.Contains(line, "panic: ") {
			return strings.TrimSpace(line)
		}
	}
	return lastLine(text)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

func seconds(d time.Duration) *float64 {
	s := max(d.Seconds(), 0)
	return &s
}

// progress is the line of a finished case.
func (r *result) progress() string {
	mark, rest := "ok   ", cmp.Or(r.topOne(), r.ExitName)
	if r.Moves {
		rest = fmt.Sprintf("exit %d", r.Exit)
	}
	switch {
	case r.Error != "":
		mark, rest = "ERROR", r.Error
	case !r.Right && r.Moves:
		mark, rest = "WRONG", r.Why
	case !r.Right && r.Quiet:
		mark, rest = "ALARM", r.Why
	case !r.Right:
		mark, rest = "WRONG", fmt.Sprintf("not %s: %s", r.Expect, r.Why)
	}
	took := "-"
	if r.SignToVerdict != nil {
		took = fmt.Sprintf("%.0fs", *r.SignToVerdict)
	}
	return fmt.Sprintf("%s %-36s %4.0fs (%s after the first sign)  %s", mark, r.Name, r.Seconds, took, rest)
}
