package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// The classes of cases. Readers show what stands before the point as a package.
const (
	junitRun      = "rolloutgate.run"
	junitRollout  = "rolloutgate.rollout"
	junitCriteria = "rolloutgate.criteria"
	junitStages   = "rolloutgate.stages"
	junitTests    = "rolloutgate.tests"
	junitDrill    = "rolloutgate.drill"
)

// junitJudged are the outcomes that are a failure: something was found bad. All others but a pass are errors.
var junitJudged = []gate.Outcome{
	gate.Invalid, gate.Refused, gate.RolloutFailed, gate.TimedOut, gate.CriteriaFailed, gate.Rejected, gate.UndoBroken, gate.NotUndone,
}

// junitBook makes the cases of one report.
type junitBook struct {
	gate.Report
	cases  []junitCase
	blamed map[int]bool // the findings that stand in a case of their own object
}

// junitCases are what happened in a run: the run itself, the writes, each workload, criterion, stage and test, and the undo.
func junitCases(r gate.Report) []junitCase {
	b := &junitBook{Report: r, blamed: map[int]bool{}}
	if len(r.Clusters) > 0 {
		return unique(append([]junitCase{b.verdict()}, clusterCases(r)...))
	}
	b.workloads()
	for _, c := range r.Criteria {
		b.criterion(c)
	}
	for _, s := range r.Stages {
		b.stage(s)
	}
	for _, e := range r.Timeline {
		if t, ok := e.Payload.(gate.Tested); ok {
			b.test(t)
		}
	}
	for _, e := range r.Drill {
		b.exercise(e)
	}
	if r.Undo != nil {
		b.undo()
	}
	if slices.Contains([]string{"run", "resume", "plan"}, r.Run.Command) {
		b.cases = append([]junitCase{b.apply()}, b.cases...)
	}
	return unique(append([]junitCase{b.verdict()}, b.cases...))
}

// unique gives a second case of the same class and name a number: GitLab drops it otherwise.
func unique(cases []junitCase) []junitCase {
	seen := map[[2]string]int{}
	for i := range cases {
		c := &cases[i]
		c.Name = oneLine(c.Name)
		key := [2]string{c.Class, c.Name}
		if seen[key]++; seen[key] > 1 {
			c.Name = fmt.Sprintf("%s (%d)", c.Name, seen[key])
		}
	}
	return cases
}

// verdict is the case of the run itself, which is always there. It explains what no other case does.
func (b *junitBook) verdict() junitCase {
	c := junitCase{Class: junitRun, Name: b.Run.Command, Time: junitSeconds(b.Run.Finished.Sub(b.Run.Started))}
	if b.Exit.Code != 0 {
		kind, message, text := b.Exit.Name, LastLine(b.Report), LastLine(b.Report)+"\n"
		if explains(b.Report) {
			f := b.Findings[0]
			kind = f.Code
			if slices.ContainsFunc(b.cases, func(c junitCase) bool { return c.blames(f.Code) }) {
				text += f.Code + ": " + f.Cause
			} else {
				text += findingText(f, b.Report)
			}
		} else if b.Exit.Error != "" {
			message += ": " + b.Exit.Error
			text += b.Exit.Error
		}
		c.ends(b.Exit.Code, kind, message, text)
		c.File, c.Line = fileOf(b.Exit.File), b.Exit.Line
	}
	return c
}

// ends says in the words of JUnit how a case has ended that ended as the run.
func (c *junitCase) ends(code int, kind, message, text string) {
	result := junitWhy(kind, message, text)
	if slices.ContainsFunc(junitJudged, func(o gate.Outcome) bool { return o.Code() == code }) {
		c.Failure = result
	} else {
		c.Error = result
	}
}

// blames tells whether the case says that something is the cause.
func (c junitCase) blames(code string) bool {
	return c.Failure != nil && c.Failure.Type == code || c.Error != nil && c.Error.Type == code
}

// junitWhy is a result with a text that repeats the message when there is no other.
func junitWhy(kind, message, text string) *junitResult {
	return &junitResult{Type: oneLine(kind), Message: cmp.Or(oneLine(message), oneLine(kind)), Text: junitText(Sanitize(strings.TrimSpace(cmp.Or(text, message)), 300, 1000))}
}

// junitSkip is the result of what the run did not come to.
func junitSkip(why string) *junitResult {
	return &junitResult{Message: cmp.Or(oneLine(why), "the run did not come to it")}
}

// apply is the case of the writes, or of the command that makes them. What the API server refuses fails it.
func (b *junitBook) apply() junitCase {
	c := junitCase{Class: junitRun, Name: "apply", Time: junitSeconds(0)}
	if ran := b.Command; ran != nil {
		c.Name, c.Time = "command", junitSeconds(time.Duration(ran.Duration*float64(time.Second)))
		if ran.Failure != "" && !b.Marks.Applied.IsZero() {
			c.Failure = junitWhy("CommandFailed", ran.Failure, strings.Join(append([]string{ran.Failure}, ran.Output...), "\n"))
			return c
		}
	}
	began := !b.Marks.Applied.IsZero()
	for i, f := range b.Findings {
		if explains(b.Report) && f.Terminal != diagnosis.TerminalContext && (f.Stage == "apply" || !began) && !b.blamed[i] {
			c.ends(b.Exit.Code, f.Code, f.Cause, findingText(f, b.Report))
			c.File, c.Line = fileOf(f.File), f.Line
			return c
		}
	}
	wrote := began || len(b.Workloads) > 0
	switch {
	case b.Exit.Code == 0, wrote:
	default: // why, the case of the run says
		c.Skipped = junitSkip("the run ended before it: " + b.Exit.State)
	}
	return c
}

// fileOf is the path of a manifest; standard input is none.
func fileOf(path string) string {
	if path == "-" {
		return ""
	}
	return oneLine(path)
}

// workloads makes a case of each workload that was watched, and of each that a finding is about.
func (b *junitBook) workloads() {
	seen := map[manifest.Ref]bool{}
	for _, s := range b.Workloads {
		if s.Watched {
			b.workload(s)
		}
		seen[s.Ref] = true
	}
	for i, f := range b.Findings {
		about := About(f)
		if !explains(b.Report) || f.Terminal == diagnosis.TerminalContext || f.Stage == "apply" || about.Name == "" || seen[about] {
			continue
		}
		seen[about], b.blamed[i] = true, true
		c := junitCase{Class: junitRollout, Name: b.nameOf(about), Time: junitSeconds(0), File: fileOf(f.File), Line: f.Line}
		c.Failure = junitWhy(f.Code, f.Cause, findingText(f, b.Report))
		b.cases = append(b.cases, c)
	}
}

func (b *junitBook) workload(s rollout.Status) {
	c := junitCase{Class: junitRollout, Name: b.nameOf(s.Ref), Time: junitSeconds(b.rolledOut(s.Ref))}
	for _, change := range b.Changes {
		if change.Object == s.Ref {
			c.File, c.Line = fileOf(change.Source.Path), change.Source.Line
		}
	}
	cause := b.blames(s.Ref)
	words := fmt.Sprintf("%d of %d pods are new, %d ready, %d available. %s", s.Updated, s.Desired, s.Ready, s.Available, s.Message)
	late := b.Exit.Code == gate.TimedOut.Code()
	switch {
	case s.Phase == rollout.Complete:
	case s.Phase == rollout.Superseded:
		c.Error = junitWhy(string(s.Phase), s.Message, words)
	case s.BrokenBefore:
		c.Skipped = junitSkip("it was in trouble before the run: " + s.Message)
	case cause != nil && (b.Exit.Code != 0 || b.Run.Command == "diagnose"):
		c.Failure = junitWhy(cause.Code, cause.Cause, findingText(*cause, b.Report))
		if cause.File != "" && fileOf(cause.File) != "" {
			c.File, c.Line = fileOf(cause.File), cause.Line
		}
	case s.Phase == rollout.Failed, late:
		c.Failure = junitWhy(cmp.Or(s.Reason, string(s.Phase)), cmp.Or(s.Message, words), words)
	default:
		c.Skipped = junitSkip("it was not complete when the run ended: " + words)
	}
	b.cases = append(b.cases, c)
}

// blames is the first finding that decides and is about an object.
func (b *junitBook) blames(ref manifest.Ref) *diagnosis.Finding {
	for i := range b.Findings {
		if f := &b.Findings[i]; About(*f) == ref && f.Terminal != diagnosis.TerminalContext {
			b.blamed[i] = true
			return f
		}
	}
	return nil
}

// nameOf is the name of an object, with the namespace where it is not that of the run.
func (b *junitBook) nameOf(ref manifest.Ref) string {
	if ref.Namespace != "" && ref.Namespace != b.Run.Namespace {
		return ref.Namespace + "/" + ref.String()
	}
	return ref.String()
}

// rolledOut is how long it took until the last that was said of a workload.
func (b *junitBook) rolledOut(ref manifest.Ref) time.Duration {
	begin := b.Marks.Applied
	if begin.IsZero() {
		begin = b.Run.Started
	}
	for _, e := range slices.Backward(b.Timeline) {
		if e.Object == ref && e.Type == gate.EventStatus && (b.Marks.Undone.IsZero() || e.Time.Before(b.Marks.Undone)) {
			return e.Time.Sub(begin)
		}
	}
	return 0
}

func (b *junitBook) criterion(r analysis.Result) {
	c := junitCase{Class: junitCriteria, Name: r.Name}
	var took time.Duration
	if n := len(r.Series); n > 0 {
		took = r.Series[n-1].Time.Sub(r.Series[0].Time)
	}
	c.Time = junitSeconds(took)
	text := strings.Join(append([]string{r.Reason, "criterion: " + cmp.Or(r.Text, r.Query), "query: " + r.Query}, r.Contributors...), "\n")
	switch {
	case r.Verdict == analysis.Pass:
	case r.ReportOnly:
		c.Skipped = junitSkip(fmt.Sprintf("%s, which decides nothing: %s", r.Verdict, r.Reason))
	case r.Verdict == analysis.Fail:
		c.Failure = junitWhy("CriterionFailed", r.Reason, text)
	case r.Verdict == analysis.Inconclusive && b.Exit.Code != 0 && b.Exit.Code != gate.Inconclusive.Code():
		c.Skipped = junitSkip("the run ended for another reason: " + r.Reason)
	default:
		c.Error = junitWhy(string(r.Verdict), cmp.Or(r.Reason, r.LastError), text+"\n"+r.LastError)
	}
	b.cases = append(b.cases, c)
}

func (b *junitBook) stage(s gate.StageReport) {
	c := junitCase{Class: junitStages, Name: s.Name, Time: junitSeconds(s.Finished.Sub(s.Started))}
	switch {
	case s.State == gate.StagePlanned:
		c.Skipped = junitSkip("planned")
	case s.State == gate.StageNotBegun:
		c.Skipped = junitSkip("the run ended before it")
	case s.State == gate.StageEnded && b.Exit.Code != 0:
		kind := b.Exit.Name
		if explains(b.Report) {
			kind = b.Findings[0].Code
		}
		c.ends(b.Exit.Code, kind, "the run ended in it: "+b.Exit.State, "")
	}
	b.cases = append(b.cases, c)
}

func (b *junitBook) test(t gate.Tested) {
	c := junitCase{Class: junitTests, Name: t.Stage, Time: junitSeconds(t.Took)}
	if t.Failure != "" {
		text := t.Failure
		for _, f := range b.Findings {
			if f.Code == "StageTestFailed" {
				text = findingText(f, b.Report)
			}
		}
		c.Failure = junitWhy("StageTestFailed", t.Failure, text)
	}
	b.cases = append(b.cases, c)
}

func (b *junitBook) exercise(e gate.Exercise) {
	c := junitCase{Class: junitDrill, Name: e.Fault, Time: junitSeconds(time.Duration((e.Noticed + e.Undoing) * float64(time.Second)))}
	switch {
	case e.Caught:
	case e.Exit == "":
		c.Skipped = junitSkip(e.Why)
	default:
		c.Failure = junitWhy("NotCaught", e.Why, e.What+": "+e.Why)
	}
	b.cases = append(b.cases, c)
}

// undo is the case of putting things back.
func (b *junitBook) undo() {
	u := b.Undo
	c := junitCase{Class: junitRun, Name: "undo", Time: junitSeconds(time.Duration(u.Duration * float64(time.Second)))}
	if b.Run.Command == "undo" {
		c.Name = "objects" // the command is the case undo
	}
	var lines []string
	for _, o := range u.Objects {
		line := o.Object.String() + " " + o.Action
		if o.Result != "ok" {
			line += ": " + o.Result
		}
		lines = append(lines, line)
		for _, k := range keptSentences(o.Kept, maxKept) {
			lines = append(lines, "  "+k)
		}
	}
	kind, message := string(u.Result), "the undo is "+string(u.Result)
	if len(u.Findings) > 0 {
		kind, message = u.Findings[0].Code, message+": "+u.Findings[0].Cause
		lines = append(lines, findingText(u.Findings[0], b.Report))
	}
	text := strings.Join(lines, "\n")
	switch u.Result {
	case gate.UndoVerified:
		c.Output = &junitOutput{junitText(Sanitize(text, 300, 1000))}
	case gate.UndoNothing, gate.UndoSkipped:
		c.Skipped = junitSkip(b.Exit.State)
	case gate.UndoUnverified:
		c.Error = junitWhy(kind, message, text)
	default:
		c.Failure = junitWhy(kind, message, text)
	}
	b.cases = append(b.cases, c)
}

// findingText is a finding as a console shows it, without colours.
func findingText(f diagnosis.Finding, r gate.Report) string {
	p := &page{Options: Options{Width: 100}}
	p.finding(f, depth{proofs: 6, logLines: logLines, fixes: 5, changes: 4, roomy: true}, r.Run.Started, nil)
	return strings.TrimSpace(p.String())
}
