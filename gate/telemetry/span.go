package telemetry

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// Span is a part of a run: the run itself, one of its stages, or a step.
type Span struct {
	Name       string
	Parent     int // its index among the spans of the run; -1 for the run itself
	Start, End time.Time
	Attributes []Attribute
	Events     []SpanEvent
	// Failed says that this is where the run went wrong, and Error why; Error may be empty.
	Failed bool
	Error  string
}

// SpanEvent is something that happened during a span.
type SpanEvent struct {
	Time       time.Time
	Name       string
	Attributes []Attribute
}

// Limits of one trace. A collector may refuse more, and nobody reads it.
const (
	maxSpans      = 1000
	maxSpanEvents = 100 // of one span
	maxText       = 300 // characters of a text
)

// Wanted tells whether Spans makes anything of an event. The others of a long run need not be kept.
func Wanted(e gate.Event) bool {
	switch e.Payload.(type) {
	case gate.Step, gate.Applied, gate.Replaced, gate.Warning, gate.Trouble, gate.Judged, gate.Taken, gate.Freed, gate.KeptPod,
		gate.Queued, gate.Adopted, gate.Asked, gate.Decided, gate.Tested, gate.Ran:
		return true
	}
	return false
}

// Spans are the parts of a run that has ended, each behind its parent; the first one is the run. A step lasts until the
// next one begins. The texts of events are made harmless, as those of all other sinks.
func Spans(r gate.Report, events []gate.Event) []Span {
	if len(r.Clusters) > 0 {
		return clusterSpans(r, events)
	}
	t := &tree{report: r, stage: -1, step: -1, judged: -1}
	t.spans = []Span{{
		Name: "rolloutgate " + r.Run.Command, Parent: -1, Start: r.Run.Started, End: r.Run.Finished, Attributes: ofRun(r),
	}}
	for _, e := range events {
		if step, ok := e.Payload.(gate.Step); ok {
			t.begin(e.Time, step)
		} else {
			t.note(e)
		}
	}
	t.endStage(r.Run.Finished)
	t.fail()
	return t.spans
}

// clusterSpans are a span of the whole run, and below it the spans of the run in each cluster.
func clusterSpans(r gate.Report, events []gate.Event) []Span {
	all := []Span{{Name: "rolloutgate " + r.Run.Command, Parent: -1, Start: r.Run.Started, End: r.Run.Finished, Attributes: ofRun(r)}}
	if r.Exit.Code != 0 {
		all[0].Failed, all[0].Error = true, cause(r)
	}
	for _, c := range r.Clusters {
		var own []gate.Event
		for _, e := range events {
			if e.Cluster == c.Name {
				own = append(own, e)
			}
		}
		base := len(all)
		for i, s := range Spans(c.Report, own) {
			if s.Parent += base; i == 0 {
				s.Parent, s.Name = 0, "cluster "+text(c.Name)
				s.Attributes = append(s.Attributes, Attribute{"rolloutgate.cluster", text(c.Name)}, Attribute{"rolloutgate.wave", c.Wave})
			}
			all = append(all, s)
		}
	}
	return all[:min(len(all), maxSpans)]
}

// tree is a trace as it grows.
type tree struct {
	report gate.Report
	spans  []Span
	stage  int    // the open one; -1 for none
	name   string // its name
	step   int    // the open one; -1 for none
	judged int    // the last step that can be what went wrong
}

// begin opens the span of a step, and that of its stage if it is the first of it.
func (t *tree) begin(at time.Time, s gate.Step) {
	if t.stage < 0 || t.name != s.Stage {
		t.endStage(at)
	}
	t.endStep(at)
	parent := 0
	if s.Stage != "" {
		if t.stage < 0 {
			t.stage, t.name = t.add(Span{Name: "stage " + text(s.Stage), Start: at, Attributes: []Attribute{{"rolloutgate.stage", text(s.Stage)}}}), s.Stage
		}
		parent = max(t.stage, 0)
	}
	t.step = t.add(Span{Name: string(s.Name), Parent: parent, Start: at, Attributes: ofStep(s)})
	if s.Name != gate.StepDiagnose && s.Name != gate.StepUndo && s.Name != gate.StepRecheck && t.step >= 0 {
		t.judged = t.step
	}
}

// add appends a span, unless there are too many; then it is -1.
func (t *tree) add(s Span) int {
	if len(t.spans) >= maxSpans {
		return -1
	}
	t.spans = append(t.spans, s)
	return len(t.spans) - 1
}

func (t *tree) endStep(at time.Time) {
	if t.step >= 0 {
		t.spans[t.step].End = at
	}
	t.step = -1
}

func (t *tree) endStage(at time.Time) {
	t.endStep(at)
	if t.stage >= 0 {
		t.spans[t.stage].End = at
	}
	t.stage, t.name = -1, ""
}

// note puts an event into the span that is open.
func (t *tree) note(e gate.Event) {
	if !Wanted(e) {
		return
	}
	in := &t.spans[max(t.step, 0)]
	if len(in.Events) >= maxSpanEvents {
		return
	}
	attributes := []Attribute{{"rolloutgate.text", text(report.EventText(e))}}
	if e.Object.Name != "" {
		attributes = append(attributes, Attribute{"rolloutgate.object", text(e.Object.String())})
	}
	in.Events = append(in.Events, SpanEvent{Time: e.Time, Name: string(e.Type), Attributes: attributes})
}

// fail marks what went wrong: the run, the step in which that showed, with its stage, and an undo that is not proven.
func (t *tree) fail() {
	r := t.report
	if r.Exit.Code == 0 {
		return
	}
	why := cause(r)
	t.mark(0, why)
	if t.judged >= 0 {
		t.mark(t.judged, why)
		t.mark(t.spans[t.judged].Parent, why)
	}
	if r.Undo == nil || r.Undo.Result == gate.UndoVerified {
		return
	}
	for i := range slices.Backward(t.spans) {
		if t.spans[i].Name == string(gate.StepUndo) {
			t.mark(i, "the undo is "+string(r.Undo.Result))
			return
		}
	}
}

func (t *tree) mark(i int, why string) {
	t.spans[i].Failed, t.spans[i].Error = true, why
}

// cause is why a run did not pass: the headline of its findings, why it could not be carried out, or the state that it has
// left.
func cause(r gate.Report) string {
	if len(r.Findings) > 0 {
		return text(r.Findings[0].Code + ": " + r.Findings[0].Cause)
	}
	return text(cmp.Or(r.Exit.Error, r.Exit.State))
}

// text is text of the cluster or of a person, as one line of bounded length.
func text(s string) string {
	return report.Sanitize(strings.ReplaceAll(report.Sanitize(s, 0, maxText), "\n", " "), 1, maxText)
}
