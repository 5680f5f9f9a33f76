package notice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// Occasion is what people may want to be told of.
type Occasion string

// The occasions.
const (
	Failed         Occasion = "failed"         // the run has ended with another exit code than 0
	Undone         Occasion = "undone"         // something was taken back, or should have been
	Passed         Occasion = "passed"         // the run has passed
	ApprovalNeeded Occasion = "approvalNeeded" // a stage waits for somebody, or the run is parked
	EarlyWarning   Occasion = "earlyWarning"   // the first sign of trouble, which may pass
)

// Occasions are all of them.
func Occasions() []Occasion { return []Occasion{Failed, Undone, Passed, ApprovalNeeded, EarlyWarning} }

// Message is what people are told, made once and written down by each kind of notice in its own way. All of it is clean,
// one line a string, and not escaped for anybody.
type Message struct {
	Time      time.Time
	Occasions []Occasion // none: a test, for everybody
	Concern   report.Concern
	Title     string // who and what, in a few words
	Text      string // one sentence: the state of the cluster
	Cause     []string
	Criteria  []string // those that failed
	Fix       []string // steps, the most likely first
	Facts     []Fact
	Link      string // the pipeline; an http or https URL, or empty
	Summary   Summary
}

// Fact is a detail and what it is about.
type Fact struct{ Name, Value string }

// The most that a message has of a list.
const (
	maxFixes     = 5
	maxChanged   = 3
	maxCriteria  = 5
	maxWorkloads = 5
	maxText      = 1000 // characters of one line
	maxTitle     = 150
)

// isFor tells whether somebody who asked for some occasions is told.
func (m Message) isFor(on []Occasion) bool {
	return len(m.Occasions) == 0 || slices.ContainsFunc(m.Occasions, func(o Occasion) bool { return slices.Contains(on, o) })
}

// Sign is the concern as one character.
func (m Message) Sign() string {
	return map[report.Concern]string{report.Fine: "✅", report.Doubtful: "⚠️", report.Alarming: "❌"}[m.Concern]
}

// line makes text fit for a message.
func line(text string) string {
	return report.Sanitize(strings.Join(strings.Fields(report.Sanitize(text, 0, 0)), " "), 1, maxText)
}

// OfReport is what there is to say at the end of a run.
func OfReport(r gate.Report) Message {
	m := Message{
		Time: r.Run.Finished, Concern: report.ConcernOf(r), Text: line(r.Exit.State), Occasions: occasionsOf(r),
		Title: report.Sanitize(whoIn(report.Watched(r), r.Run.Namespace)+" "+endOf(r), 1, maxTitle),
	}
	if parked(r) {
		m.Concern = report.Doubtful
	}
	h, explained := report.HeadlineOf(r)
	if explained {
		m.Cause = append(m.Cause, h.Subject+": "+h.Cause)
		for _, change := range h.Changed[:min(len(h.Changed), maxChanged)] {
			m.Cause = append(m.Cause, "changed in this rollout: "+change)
		}
		if h.Place != "" {
			m.Cause = append(m.Cause, "manifest: "+h.Place)
		}
		m.Fix = h.Fix[:min(len(h.Fix), maxFixes)]
	}
	if r.Exit.Error != "" {
		m.Cause = append(m.Cause, line(r.Exit.Error))
	}
	failed := report.FailedCriteria(r)
	m.Criteria = failed[:min(len(failed), maxCriteria)]
	if r.Undo != nil {
		m.Facts = append(m.Facts, Fact{"Undo", undoText(*r.Undo)})
	}
	if code := r.Exit.Code; code != 0 {
		m.Facts = append(m.Facts, Fact{"Exit code", fmt.Sprintf("%d (%s)", code, r.Exit.Name)})
	}
	m.Facts = append(m.Facts, ofClusters(r.Clusters)...)
	m.Facts = append(m.Facts, Fact{"Took", report.Elapsed(r.Run.Finished.Sub(r.Run.Started))})
	m.Facts = append(m.Facts, factsOf(r.Run)...)
	m.Link = link(r.Run.Pipeline.URL)
	return m.cleaned().withSummary(summaryOfReport(r, h, explained))
}

// maxClusters is of how many clusters a message tells.
const maxClusters = 10

// ofClusters says how the run ended in each cluster, where there are several; of many in those that did not pass.
func ofClusters(all []gate.ClusterReport) []Fact {
	var facts []Fact
	for _, c := range all {
		if len(all) <= maxClusters || c.Report.Exit.Code != 0 {
			facts = append(facts, Fact{"Cluster " + line(c.Name), c.Report.Exit.Name + ": " + c.Report.Exit.State})
		}
	}
	return facts[:min(len(facts), maxClusters)]
}

// occasionsOf is what the end of a run is an occasion for.
func occasionsOf(r gate.Report) []Occasion {
	var all []Occasion
	if r.Exit.Code != 0 {
		all = append(all, Failed)
	}
	if r.Undo != nil && r.Undo.Result != gate.UndoNothing && r.Undo.Result != gate.UndoSkipped {
		all = append(all, Undone)
	}
	switch {
	case len(all) > 0:
	case parked(r):
		all = []Occasion{ApprovalNeeded}
	default:
		all = []Occasion{Passed}
	}
	return all
}

func parked(r gate.Report) bool { return r.Exit.Name == gate.Parked.Name() }

// whoIn names workloads and where they are.
func whoIn(names []string, namespace string) string {
	who := "rollout"
	if len(names) > 0 {
		who = names[0]
	}
	if len(names) > 1 {
		who += fmt.Sprintf(" and %d more", len(names)-1)
	}
	if namespace != "" {
		who += " in " + line(namespace)
	}
	return who
}

// endOf says how a run ended, and what became of the release.
func endOf(r gate.Report) string {
	if r.Run.Command == "undo" && r.Exit.Code == 0 {
		return "was taken back"
	}
	words, known := map[string]string{
		gate.Passed.Name():         "passed",
		gate.Parked.Name():         "is parked and waits to be resumed",
		gate.RolloutFailed.Name():  "failed",
		gate.TimedOut.Name():       "was not complete in time",
		gate.CriteriaFailed.Name(): "violated its success criteria",
		gate.Inconclusive.Name():   "could not be judged",
		gate.Rejected.Name():       "was rejected",
		gate.CalledOff.Name():      "was called off",
		gate.UndoBroken.Name():     "failed",
		gate.NotUndone.Name():      "failed",
		gate.Superseded.Name():     "was taken over by another deploy",
		gate.Interrupted.Name():    "was cancelled",
	}[r.Exit.Name]
	if !known {
		words = "was not rolled out (" + line(r.Exit.Name) + ")"
	}
	if r.Undo == nil {
		return words
	}
	return words + map[gate.UndoResult]string{
		gate.UndoVerified:   " and was undone",
		gate.UndoUnverified: ", and its undo is NOT verified",
		gate.UndoFailed:     ", and its undo FAILED",
		gate.UndoSkipped:    " and was left in place",
	}[r.Undo.Result]
}

// undoText is the state of the undo, in words.
func undoText(u gate.Undo) string {
	word, more := string(u.Result), ""
	switch u.Result {
	case gate.UndoVerified:
		more = "the previous version was seen serving"
	case gate.UndoUnverified:
		word, more = "NOT verified", "everything is written back, but was not seen serving in time"
	case gate.UndoFailed:
		word, more = "FAILED", "a person has to look"
	case gate.UndoNothing:
		word = "nothing to undo"
	case gate.UndoSkipped:
		more = "the new version was left in place"
	}
	if took := time.Duration(u.Duration * float64(time.Second)); took > 0 {
		word += " after " + report.Elapsed(took)
	}
	if more == "" {
		return word
	}
	return word + "; " + more
}

// factsOf is who ran what where, as far as that is known.
func factsOf(r gate.Run) []Fact {
	var facts []Fact
	for _, f := range []Fact{
		{"Context", r.Context}, {"Run", r.ID}, {"Commit", r.Pipeline.Commit}, {"By", r.Pipeline.Actor},
	} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	return facts
}

// ofEvent is what there is to say while the run goes on; false for most events.
func ofEvent(e gate.Event, run gate.Run) (Message, bool) {
	m := Message{Time: e.Time, Concern: report.Doubtful, Text: report.EventText(e), Link: link(run.Pipeline.URL)}
	s := newSummary(run)
	if e.Cluster != "" {
		m.Text = "cluster " + e.Cluster + ": " + m.Text
	}
	switch p := e.Payload.(type) {
	case gate.Asked:
		run.ID, s.Run.ID = p.Run, p.Run
		m.Occasions = []Occasion{ApprovalNeeded}
		m.Title = fmt.Sprintf("%s waits for approval: stage %s", whoIn(nil, run.Namespace), line(p.Stage))
		if e.Cluster != "" {
			m.Title += " in cluster " + line(e.Cluster)
		}
		m.Facts = []Fact{
			{"Approve", "rolloutgate approve " + p.Run + inNamespace(run, e)}, {"Reject", "rolloutgate reject " + p.Run + inNamespace(run, e)},
			{"Time to answer", report.Duration(p.Limit)},
		}
		s.Approval = &Approval{Stage: line(p.Stage), By: line(p.By), Limit: p.Limit.Seconds()}
	case gate.Warning:
		m.Occasions = []Occasion{EarlyWarning}
		m.Title = "early warning: " + whoIn([]string{line(e.Object.String())}, run.Namespace)
		s.Cause = &Cause{Code: line(p.Code), Workload: line(e.Object.String()), Text: line(p.Cause)}
	case gate.Measured:
		if p.State != analysis.Breach || p.ReportOnly {
			return m, false
		}
		m.Occasions = []Occasion{EarlyWarning}
		m.Title = "early warning: " + whoIn(nil, run.Namespace) + ": criterion " + line(p.Criterion)
		s.Criteria = []Criterion{{Name: line(p.Criterion), Verdict: string(p.State), Value: line(p.Value), Limit: line(p.Limit)}}
	default:
		return m, false
	}
	if m.Occasions[0] == EarlyWarning {
		m.Facts = append(m.Facts, Fact{"Run goes on", "nothing is decided yet"})
	}
	m.Title = report.Sanitize(m.Title, 1, maxTitle)
	m.Facts = append(m.Facts, factsOf(run)...)
	return m.cleaned().withSummary(s), true
}

// inNamespace are the flags that a person needs who is not in the run's namespace, or not in the cluster that the event is of.
func inNamespace(r gate.Run, e gate.Event) string {
	flags := ""
	if r.Namespace != "" {
		flags = " -n " + r.Namespace
	}
	if e.Cluster != "" && r.Context != "" {
		flags += " --context " + r.Context
	}
	return flags
}

// Test is a message that proves that people are reached.
func Test(run gate.Run, now time.Time) Message {
	m := Message{
		Time: now, Concern: report.Fine, Title: "rolloutgate: this is a test",
		Text: "Notices of rolloutgate arrive here. Nothing was rolled out.", Link: link(run.Pipeline.URL), Facts: factsOf(run),
	}
	return m.cleaned().withSummary(newSummary(run))
}

// cleaned makes every text of a message one clean line.
func (m Message) cleaned() Message {
	m.Title, m.Text = line(m.Title), line(m.Text)
	for _, list := range []*[]string{&m.Cause, &m.Criteria, &m.Fix} {
		clean := make([]string, len(*list))
		for i, text := range *list {
			clean[i] = line(text)
		}
		*list = clean
	}
	facts := make([]Fact, len(m.Facts))
	for i, f := range m.Facts {
		facts[i] = Fact{f.Name, line(f.Value)}
	}
	m.Facts = facts
	return m
}

// paragraphs are all of a message between its text and its facts: a heading and lines, which are steps where numbered.
func (m Message) paragraphs() []paragraph {
	all := []paragraph{{"Why", m.Cause, false}, {"Criteria", m.Criteria, false}, {"What to do", m.Fix, len(m.Fix) > 1}}
	return slices.DeleteFunc(all, func(p paragraph) bool { return len(p.lines) == 0 })
}

type paragraph struct {
	heading  string
	lines    []string
	numbered bool
}

// numberedLines are its lines with their numbers.
func (p paragraph) numberedLines() []string {
	lines := slices.Clone(p.lines)
	for i := range lines {
		if p.numbered {
			lines[i] = fmt.Sprintf("%d. %s", i+1, lines[i])
		}
	}
	return lines
}
