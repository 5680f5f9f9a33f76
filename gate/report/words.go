package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// EventText is what an event says, in words without the name of its object and without a time. It is text of the
// cluster where the event is: whoever prints it makes it harmless.
func EventText(e gate.Event) string {
	switch p := e.Payload.(type) {
	case gate.Step:
		return stepText(p)
	case gate.Planned:
		return plannedText(p.Action)
	case gate.Applied:
		return appliedText(p)
	case gate.Status:
		return statusText(p.Status)
	case gate.Waiting:
		return waitingText(p)
	case gate.Warning:
		return p.Code + ": " + p.Cause
	case gate.Foreign:
		return foreignText(p.Kept)
	case gate.Trouble:
		return p.Text
	case gate.Source:
		return sourceText(p)
	case gate.Before:
		return beforeText(p)
	case gate.Measured:
		return measuredText(p)
	case gate.Judged:
		return judgedText(p)
	case gate.Taken:
		return takenText(p)
	case gate.Replaced:
		return fmt.Sprintf("pod %s on node %s is replaced", p.Pod, p.Node)
	case gate.Freed:
		return freedText(p)
	case gate.KeptPod:
		return p.Object.String() + " is kept: its controller does not own it any more, and no Service finds it"
	case gate.Queued:
		return fmt.Sprintf("waiting, for at most %s, for run %s, which began at %s%s", Duration(p.Limit), p.Run, p.Since.UTC().Format("15:04:05"), linked(p.Pipeline))
	case gate.Asked:
		return askedText(p)
	case gate.Decided:
		return decidedText(p)
	case gate.Said:
		return saidText(p)
	case gate.Tested:
		return testedText(p)
	case gate.Printed:
		return saidText(gate.Said(p))
	case gate.Ran:
		return ranText(p)
	case gate.Started:
		return fmt.Sprintf("run %s has begun: %s in namespace %s", p.Run, p.Command, p.Namespace)
	case gate.Finished:
		return strings.TrimSuffix(fmt.Sprintf("%s (exit %d): %s: %s", p.Exit.Name, p.Exit.Code, p.Exit.State, p.Exit.Error), ": ")
	case gate.Adopted:
		return fmt.Sprintf("taking over run %s, which began at %s and did not come to its end%s", p.Run, p.Since.UTC().Format("2006-01-02 15:04:05"), linked(p.Pipeline))
	}
	return e.Text // read from JSON
}

// appliedText says of a Service that was pinned which pods have its traffic now, and of a route how much goes to the new
// ones.
func appliedText(a gate.Applied) string {
	switch {
	case a.Split != nil:
		return fmt.Sprintf("%g%% of the requests to the new pods", a.Split.Percent)
	case a.Pin == nil:
		return string(a.Action)
	case a.Pin.To == a.Pin.Old:
		return "pinned to the old pods (" + a.Pin.To + ")"
	}
	return "pinned to the new pods (" + a.Pin.To + ")"
}

func saidText(s gate.Said) string {
	if s.Missed > 0 {
		return "| … " + counted(s.Missed, "line is", "lines are") + " missing"
	}
	return "| " + s.Line
}

func testedText(t gate.Tested) string {
	if t.Failure != "" {
		return fmt.Sprintf("the test of stage %s has failed after %s: %s", t.Stage, Duration(t.Took), t.Failure)
	}
	return fmt.Sprintf("the test of stage %s has passed after %s", t.Stage, Duration(t.Took))
}

func ranText(r gate.Ran) string {
	what := r.Command
	if r.Undo {
		what = "the undo command " + what
	}
	if r.Failure != "" {
		return fmt.Sprintf("%s has failed after %s: %s", what, Duration(r.Took), r.Failure)
	}
	return fmt.Sprintf("%s has ended well after %s", what, Duration(r.Took))
}

func askedText(a gate.Asked) string {
	text := fmt.Sprintf("stage %s waits for at most %s until somebody says so: rolloutgate approve %s, or reject %s", a.Stage, Duration(a.Limit), a.Run, a.Run)
	if a.By != "" {
		text += " (as " + a.By + ")"
	}
	return text
}

func decidedText(d gate.Decided) string {
	what := "rejected"
	if d.Approved {
		what = "approved"
	}
	text := fmt.Sprintf("stage %s was %s by %s", d.Stage, what, d.By)
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	return text
}

func stepText(s gate.Step) string {
	text := string(s.Name)
	switch s.Name {
	case gate.StepPlan:
		text += ": " + counted(s.Objects, "object", "objects")
	case gate.StepPreflight:
		text += ": " + counted(s.Criteria, "criterion", "criteria") + " against the running version"
	case gate.StepWatch:
		text += ": " + counted(s.Workloads, "workload", "workloads") + ", for at most " + Duration(s.Limit)
	case gate.StepAnalyze:
		text += ": " + counted(s.Criteria, "criterion", "criteria") + ", "
		if s.Settle > 0 {
			text += "settling " + Duration(s.Settle) + ", then "
		}
		text += "watching " + Duration(s.Limit)
	case gate.StepSnapshot:
		text += ": what the command is to change is read"
	case gate.StepCommand, gate.StepTest:
		text += ": " + s.What + ", for at most " + Duration(s.Limit)
	case gate.StepHold:
		text += ": for " + Duration(s.Limit)
	case gate.StepBacktest:
		text += ": the windows of the last " + Duration(s.Limit)
	case gate.StepDrill:
		if s.Stage == "" {
			return text + ": the copy as it should be"
		}
		return text + ": the fault " + s.Stage
	case gate.StepUndo:
		text += ", for at most " + Duration(s.Limit)
	case gate.StepPrune:
		text += ": " + counted(s.Objects, "object", "objects")
	case gate.StepRecheck:
		text += ": do the criteria hold again? for at most " + Duration(s.Limit)
	}
	if s.Stage != "" {
		text += " (stage " + s.Stage + ")"
	}
	return text
}

// linked is the link of a pipeline, after a sentence.
func linked(pipeline string) string {
	if pipeline == "" {
		return ""
	}
	return ": " + pipeline
}

func plannedText(a patch.Action) string {
	switch a {
	case patch.Created:
		return "will be created"
	case patch.Configured:
		return "will be changed"
	case patch.Pruned:
		return "will be pruned"
	}
	return "is as it should be"
}

func statusText(s rollout.Status) string {
	if s.Message == "" {
		return strings.ToLower(string(s.Phase))
	}
	return s.Message
}

func waitingText(w gate.Waiting) string {
	limit := ""
	if w.Limit > 0 {
		limit = " of " + Duration(w.Limit)
	}
	return fmt.Sprintf("waiting %s%s: %s", Duration(w.Since), limit, AwaitedText(w))
}

// AwaitedText says what is awaited, as EventText does, without how long.
func AwaitedText(w gate.Waiting) string {
	var parts []string
	for _, s := range w.Workloads {
		parts = append(parts, fmt.Sprintf("%s: %s", s.Ref, statusText(s)))
	}
	switch {
	case len(parts) > 0:
	case w.Command != "":
		parts = []string{w.Command}
	case w.Test:
		parts = []string{"the test of the stage"}
	case w.Approve != "":
		parts = append(staged(w), fmt.Sprintf("stage %s is to be approved: rolloutgate approve %s, or reject %s", w.Stage, w.Approve, w.Approve))
	case w.Hold > 0:
		parts = append(staged(w), fmt.Sprintf("stage %s is held for another %s", w.Stage, Duration(w.Hold.Round(time.Second))))
	default:
		parts = []string{"the criteria"}
	}
	if w.More > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", w.More))
	}
	return strings.Join(parts, "; ")
}

// staged is what runs in a stage.
func staged(w gate.Waiting) []string {
	var parts []string
	for _, s := range w.Staged {
		parts = append(parts, fmt.Sprintf("%s: %s", s.Ref, statusText(s)))
	}
	return parts
}

func sourceText(s gate.Source) string {
	if s.Scrape <= 0 {
		return s.Backend + " answers"
	}
	return fmt.Sprintf("%s answers; its series are scraped every %s", s.Backend, Duration(s.Scrape))
}

func beforeText(b gate.Before) string {
	value, problem := b.Value, ""
	if value == "" {
		value = "no value"
	}
	if b.Problem != "" {
		problem = ": " + b.Problem
	}
	return fmt.Sprintf("%s before: %s %s%s", b.Criterion, value, b.State, problem)
}

func measuredText(m gate.Measured) string {
	value := m.Value
	switch {
	case value == "":
		value = "no value: " + m.Note
	case m.Events > 0:
		value += " of " + events(m.Events)
	}
	return fmt.Sprintf("%s: %s (limit %s) %s", m.Criterion, value, m.Limit, m.State)
}

func judgedText(j gate.Judged) string {
	text := j.Outcome.Name()
	if j.Code != "" {
		text += ": " + j.Code + ": " + j.Cause
	}
	if j.Nothing {
		text += ", but nothing runs"
	}
	return text
}

func takenText(t gate.Taken) string {
	var text string
	switch {
	case t.Failure != "":
		text = fmt.Sprintf("could not be %s: %s", t.Action, t.Failure)
	case t.Action == patch.Left:
		return "left alone: " + t.Why
	case t.Action == patch.AsWritten:
		return "stays as this run wrote it, as asked"
	default:
		text = string(t.Action)
	}
	if len(t.Kept) > 0 {
		text += "; " + keptText(t.Kept)
	}
	return text
}

func freedText(f gate.Freed) string {
	if f.Undone {
		return fmt.Sprintf("deleted pod %s of the undone revision, which blocked the others", f.Pod)
	}
	return fmt.Sprintf("deleted pod %s of the previous revision, which never got ready and blocked the new one", f.Pod)
}

// keptText says what an undo left to others, at most three parts of it.
func keptText(kept []patch.Kept) string { return strings.Join(keptSentences(kept, 3), "; ") }

// keptSentences are the parts of an object that an undo left as they are, and who wrote them; the last sentence counts
// those that are too many.
func keptSentences(kept []patch.Kept, most int) []string {
	var sentences []string
	for _, k := range kept[:min(len(kept), most)] {
		sentences = append(sentences, k.Path+" stays: changed by "+writer(k))
	}
	if more := len(kept) - most; more > 0 {
		sentences = append(sentences, fmt.Sprintf("and %d more", more))
	}
	return sentences
}

// foreignText says what others changed while the run went on, at most three parts of it.
func foreignText(changed []patch.Kept) string {
	var parts []string
	for _, k := range changed[:min(len(changed), 3)] {
		parts = append(parts, k.Path+" by "+writer(k))
	}
	if more := len(changed) - 3; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return "changed meanwhile: " + strings.Join(parts, ", ")
}

// writer names who wrote something, and when.
func writer(k patch.Kept) string {
	name := k.Manager
	if name == "" {
		name = "somebody else"
	}
	if !k.Time.IsZero() {
		name += " at " + k.Time.UTC().Format("15:04:05 UTC")
	}
	return name
}

// counted is a number and its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Duration is a time in whole seconds without its zero parts: 45s, 5m, 1m30s.
func Duration(d time.Duration) string { return wording.Duration(d) }
