package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// exitRefused is the exit code of a run that did not begin: the running version broke the criteria itself.
const exitRefused = 3

// exitCriteria is the exit code of a rollout that broke a criterion and was undone.
const exitCriteria = 12

// result is what came of one trial.
type result struct {
	Scenario string `json:"scenario"`
	Number   int    `json:"number"`
	Quiet    bool   `json:"quiet,omitempty"` // the rollout had to pass

	Right     bool   `json:"right"`
	Why       string `json:"why,omitempty"`       // it is not right
	FalseUndo bool   `json:"falseUndo,omitempty"` // a rollout that had to pass was undone

	Exit     int    `json:"exit"`
	ExitName string `json:"exitName"`
	Reason   string `json:"reason,omitempty"` // of the criterion that failed
	Early    bool   `json:"early,omitempty"`  // it failed before the end of the window
	Phase    string `json:"phase,omitempty"`  // in which the first bad request fell: rollout, settle or window

	Delay      *float64 `json:"delay,omitempty"`      // seconds from the first bad request to the undo
	Bad        float64  `json:"bad"`                  // requests that version 2 answered badly until the undo, or until the end
	Requests   float64  `json:"requests"`             // that version 2 answered until then
	BadInAll   float64  `json:"badInAll"`             // the ones that its last pods answered during the undo included
	Counted    float64  `json:"counted"`              // bad requests that the report has at the last look ...
	Scraped    float64  `json:"scraped"`              // ... and that Prometheus had by then
	Undo       string   `json:"undo,omitempty"`       // its result
	UndoTook   float64  `json:"undoTook,omitempty"`   // seconds until the old version was seen serving
	Recovered  *bool    `json:"recovered,omitempty"`  // the criterion held again after the undo
	Restarts   int      `json:"restarts,omitempty"`   // of the containers that run in the end
	FirstBadAt string   `json:"firstBadAt,omitempty"` // since version 2 was applied

	Refused int     `json:"refused,omitempty"` // how often the trial did not take place before it did
	Seconds float64 `json:"seconds"`           // of rolloutgate in all
	Output  string  `json:"output,omitempty"`  // of rolloutgate, when it is not right
	Error   string  `json:"error,omitempty"`   // of the harness: the trial was not played
}

// report is the part of report.json that is judged.
type report struct {
	Exit struct {
		Name string `json:"name"`
	} `json:"exit"`
	Findings []struct {
		Code  string `json:"code"`
		Cause string `json:"cause"`
	} `json:"findings"`
	Criteria []criterion `json:"criteria"`
	Undo     *struct {
		Result   string  `json:"result"`
		Duration float64 `json:"duration"`
	} `json:"undo"`
	Marks struct{ Applied, Complete, Undone time.Time } `json:"marks"`
	Run   struct{ Finished time.Time }                  `json:"run"`
}

type criterion struct {
	Name      string `json:"name"`
	Verdict   string `json:"verdict"`
	Reason    string `json:"reason"`
	Recovered *bool  `json:"recovered"`
	Samples   struct{ Judged, NoData, Errors, Scheduled int }
	Series    []struct {
		Time time.Time
		Bad  float64
	}
}

// readReport returns an empty one where there is none: a run that was refused has no report to show.
func readReport(file string) (report, error) {
	var r report
	err := harness.ReadJSON(file, &r)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return r, err
}

func newResult(s *scenario, number int) result {
	return result{Scenario: s.name, Number: number, Quiet: s.quiet()}
}

// judge compares what was seen with what had to come. The error says that the scenario did not take place.
func (r *result) judge(s *scenario, ran *harness.Ran, o observed) error {
	r.Exit, r.ExitName, r.Seconds, r.Restarts = ran.Exit, o.report.Exit.Name, ran.Seconds, o.serving.Restarts
	undone := o.report.Marks.Undone
	if o.report.Undo != nil {
		r.Undo, r.UndoTook = o.report.Undo.Result, o.report.Undo.Duration
	}
	end := undone
	if end.IsZero() {
		end = o.report.Run.Finished
	}
	r.Bad, r.Requests = served(o.processes, end)
	r.BadInAll, _ = served(o.processes, time.Now().Add(time.Hour))
	r.Counted, r.Scraped = o.counted(cmp.Or(s.criterion, "errors"))
	first, happened := firstBad(o.processes, s.onset)
	if happened {
		r.Phase = o.phase(first)
		r.FirstBadAt = first.Sub(o.report.Marks.Applied).Round(100 * time.Millisecond).String()
	}
	if s.quiet() {
		r.FalseUndo = !undone.IsZero()
		r.Why = r.wrongWhenQuiet(s, o)
	} else {
		r.Why = r.wrong(s, o, first, happened)
	}
	if r.Right = r.Why == ""; !r.Right {
		r.Output = ran.Output
	}
	switch {
	case ran.Exit == 0 && !s.quiet() && !happened:
		return errors.New("the fault did not happen")
	case ran.Exit == 0 && s.quiet() && (o.serving.Restarts != s.restarts || r.BadInAll == 0):
		return fmt.Errorf("the noise was another: %d restarts, %.0f bad requests", o.serving.Restarts, r.BadInAll)
	}
	return nil
}

// counted compares the bad requests of the report with those that Prometheus had at the same moment, the last look.
func (o observed) counted(name string) (counted, scraped float64) {
	for _, c := range o.report.Criteria {
		if n := len(c.Series); c.Name == name && n > 0 {
			return c.Series[n-1].Bad, seen(o.processes, c.Series[n-1].Time)
		}
	}
	return 0, 0
}

// phase is the one of the run in which a moment fell.
func (o observed) phase(at time.Time) string {
	complete := o.report.Marks.Complete
	switch {
	case complete.IsZero() || at.Before(complete):
		return "rollout"
	case at.Before(complete.Add(settle)):
		return "settle"
	}
	return "window"
}

// wrong says what is wrong with the end of a bad rollout; "" when it is right.
func (r *result) wrong(s *scenario, o observed, first time.Time, happened bool) string {
	undone := o.report.Marks.Undone
	if !undone.IsZero() && happened {
		delay := undone.Sub(first).Seconds()
		r.Delay = &delay
	}
	i := slices.IndexFunc(o.report.Criteria, func(c criterion) bool { return c.Name == s.criterion })
	if r.Exit != exitCriteria || i < 0 {
		return fmt.Sprintf("exit %d: %s", r.Exit, o.headline())
	}
	c := o.report.Criteria[i]
	r.Reason, r.Recovered = c.Reason, c.Recovered
	r.Early = c.Samples.Judged+c.Samples.NoData+c.Samples.Errors < c.Samples.Scheduled
	for _, other := range o.report.Criteria {
		if other.Name != s.criterion && other.Verdict == "fail" {
			return fmt.Sprintf("the criterion %s failed, too: %s", other.Name, other.Reason)
		}
	}
	switch {
	case c.Verdict != "fail":
		return fmt.Sprintf("the criterion %s is %s: %s", c.Name, c.Verdict, c.Reason)
	case !happened || undone.Before(first):
		return "it was undone before the fault began"
	case r.Undo != "verified":
		return "the undo is " + r.Undo
	case c.Recovered == nil:
		return "the criterion was not asked again after the undo"
	case !*c.Recovered:
		return "the criterion does not hold after the undo"
	}
	return o.serving.isNot(s.before)
}

// wrongWhenQuiet says what is wrong with the end of a rollout that had to pass.
func (r *result) wrongWhenQuiet(s *scenario, o observed) string {
	switch {
	case r.FalseUndo:
		return fmt.Sprintf("it was undone, exit %d: %s", r.Exit, o.headline())
	case r.Exit != 0:
		return fmt.Sprintf("exit %d: %s", r.Exit, o.headline())
	}
	return o.serving.isNot(s.after)
}

// isNot says in what way the cluster does not serve this release and nothing else.
func (s serving) isNot(w workload) string {
	if image := "registry.sandbox/web:" + w.Release; s.Image != image {
		return fmt.Sprintf("the cluster runs %s in the end, not %s", s.Image, image)
	}
	if int(s.Ready) != w.Replicas || s.Pods != w.Replicas {
		return fmt.Sprintf("%d of %d pods are ready in the end, and there are %d", s.Ready, w.Replicas, s.Pods)
	}
	return ""
}

// headline is what the report says first.
func (o observed) headline() string {
	if len(o.report.Findings) > 0 {
		return o.report.Findings[0].Code + ": " + o.report.Findings[0].Cause
	}
	var reasons []string
	for _, c := range o.report.Criteria {
		reasons = append(reasons, fmt.Sprintf("%s: %s (%s)", c.Name, c.Verdict, c.Reason))
	}
	if len(reasons) == 0 {
		return "it says nothing"
	}
	return strings.Join(reasons, ", ")
}

// progress is the line of a finished trial.
func (r *result) progress() string {
	mark, rest := "ok   ", fmt.Sprintf("passed; %.0f of %.0f bad (%.0f of %.0f counted), %d restarts", r.Bad, r.Requests, r.Counted, r.Scraped, r.Restarts)
	if !r.Quiet {
		rest = fmt.Sprintf("%s; %.0f of %.0f bad (%.0f of %.0f counted), first in the %s", r.Reason, r.Bad, r.Requests, r.Counted, r.Scraped, r.Phase)
	}
	switch {
	case r.Error != "":
		mark, rest = "ERROR", r.Error
	case !r.Right:
		mark, rest = "WRONG", r.Why
	}
	delay := "     -"
	if r.Delay != nil {
		delay = fmt.Sprintf("%5.1fs", *r.Delay)
	}
	return fmt.Sprintf("%s %-16s %2d  %4.0fs  undone after %s  %s", mark, r.Scenario, r.Number, r.Seconds, delay, rest)
}
