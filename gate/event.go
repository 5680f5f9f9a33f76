package gate

import (
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Event is something that a run tells while it goes on, and one line of its timeline. What happened is in Payload, as
// values; words are made of it in gate/report, once.
type Event struct {
	Time time.Time `json:"time"`
	Type EventType `json:"type"`
	// Cluster is the name of the part of the run that it is about; empty where the run has only one, and for what is about all.
	Cluster string `json:"cluster,omitempty"`
	// Object is zero for events of the whole run.
	Object manifest.Ref `json:"object,omitzero"`
	// Text is what Payload says in words. It is empty until gate/report renders the event.
	Text    string  `json:"text"`
	Payload Payload `json:"-"`
}

// EventType tells what an Event is about. It follows from the payload, and is what a reader of JSON goes by.
type EventType string

// The types of events, in the order in which a run meets them.
const (
	EventStep        EventType = "step"         // Step
	EventPlan        EventType = "plan"         // Planned
	EventApplied     EventType = "applied"      // Applied, Replaced
	EventStatus      EventType = "status"       // Status
	EventWaiting     EventType = "waiting"      // Waiting
	EventWarning     EventType = "warning"      // Warning, Foreign, Trouble
	EventMeasurement EventType = "measurement"  // Source, Before, Measured
	EventVerdict     EventType = "verdict"      // Judged
	EventUndo        EventType = "undo"         // Taken, Freed, KeptPod
	EventRun         EventType = "run"          // Queued, Adopted, Asked, Decided
	EventTest        EventType = "test"         // Said, Tested
	EventCommand     EventType = "command"      // Printed, Ran
	EventStarted     EventType = "run-started"  // Started, the first of all
	EventFinished    EventType = "run-finished" // Finished, the last
)

// Payload is one of the types below.
type Payload interface {
	eventType() EventType
	redacted(redactor) Payload
}

// Started is the beginning of a run. It is told, and is no line of the timeline.
type Started struct {
	SchemaVersion string          `json:"schemaVersion"`
	Run           string          `json:"run"`     // its id
	Command       string          `json:"command"` // run, plan, watch, analyze, diagnose, drill, undo, resume
	Version       string          `json:"version"`
	Namespace     string          `json:"namespace"`
	Context       string          `json:"context,omitempty"`
	Pipeline      record.Pipeline `json:"pipeline,omitzero"` // the job that runs this, as far as the CI system tells
}

// Finished is the end of a run: its report in short. It is made of the report when that is complete.
type Finished struct {
	Run  string `json:"run"` // its id
	Exit Exit   `json:"exit"`
	// Code and Cause are those of the headline; empty when there is none.
	Code      string           `json:"code,omitempty"`
	Cause     string           `json:"cause,omitempty"`
	Took      time.Duration    `json:"took"`
	Undo      UndoResult       `json:"undo,omitempty"`    // empty when the run did not come to it
	Undoing   float64          `json:"undoing,omitempty"` // seconds from the first write of the undo to its proof
	Workloads []rollout.Status `json:"workloads,omitempty"`
	Criteria  []CriterionEnd   `json:"criteria,omitempty"`
}

// CriterionEnd is the verdict on one criterion.
type CriterionEnd struct {
	Name       string           `json:"name"`
	Verdict    analysis.Verdict `json:"verdict"`
	ReportOnly bool             `json:"reportOnly,omitempty"` // it decides nothing
}

// Step is the beginning of a step.
type Step struct {
	Name StepName `json:"name"`
	// Stage is set when the run has several: its name. Stages are the names of all of them in their order, where writing
	// begins.
	Stage  string   `json:"stage,omitempty"`
	Stages []string `json:"stages,omitempty"`
	// Objects, Workloads and Criteria count what the step is about; zero where it is not about that.
	Objects   int `json:"objects,omitempty"`
	Workloads int `json:"workloads,omitempty"`
	Criteria  int `json:"criteria,omitempty"`
	// What is what the step is about, in a word: of a test its command.
	What string `json:"what,omitempty"`
	// Limit is the time that the step may take; zero where none is set. Of an analysis it is the window, which follows
	// on Settle.
	Limit  time.Duration `json:"limit,omitempty"`
	Settle time.Duration `json:"settle,omitempty"`
}

// StepName names a step of a run.
type StepName string

// The steps.
const (
	StepPlan      StepName = "plan"
	StepPreflight StepName = "preflight"
	StepApply     StepName = "apply"
	StepSnapshot  StepName = "snapshot" // what a command is expected to change is read
	StepCommand   StepName = "command"
	StepWatch     StepName = "watch"
	StepTest      StepName = "test"
	StepHold      StepName = "hold"
	StepAnalyze   StepName = "analyze"
	StepBacktest  StepName = "backtest"
	StepDiagnose  StepName = "diagnose"
	StepUndo      StepName = "undo"
	StepRecheck   StepName = "recheck"
	StepPrune     StepName = "prune"
	StepDrill     StepName = "drill"
)

// Planned is one object of the plan: what would be, or will be, done to it.
type Planned struct {
	Action patch.Action `json:"action"`
}

// Applied is one object that was written.
type Applied struct {
	Action patch.Action `json:"action"`
	Pin    *patch.Pin   `json:"pin,omitempty"`   // of a Service that was pinned; nil for all others
	Split  *patch.Split `json:"split,omitempty"` // of an HTTPRoute whose requests were split; nil for all others
}

// Replaced is an old pod of a DaemonSet that was deleted, so that its node gets a new one.
type Replaced struct {
	Pod  string `json:"pod"`
	Node string `json:"node"`
}

// Status is a workload that has come further, or has not.
type Status struct{ rollout.Status }

// Waiting says that nothing changed for a while, and what is awaited.
type Waiting struct {
	Since     time.Duration    `json:"since"`
	Limit     time.Duration    `json:"limit,omitempty"`
	Workloads []rollout.Status `json:"workloads,omitempty"` // those that are not complete, at most three
	More      int              `json:"more,omitempty"`      // how many beyond these; with none at all the criteria are awaited, or the test
	Test      bool             `json:"test,omitempty"`      // that goes on
	Command   string           `json:"command,omitempty"`   // that goes on, in a word: nothing else is awaited then
	Stage     string           `json:"stage,omitempty"`     // empty where there is only one
	Hold      time.Duration    `json:"hold,omitempty"`      // what is left of the stage's hold; zero outside of it
	Approve   string           `json:"approve,omitempty"`   // the run that has to be approved; empty while nobody is asked
	Staged    []rollout.Status `json:"staged,omitempty"`    // of the stage that is held or waits for somebody: what runs
}

// Warning is a finding that may decide later.
type Warning struct {
	Code  string `json:"code"`
	Cause string `json:"cause"`
}

// Foreign is a change that somebody else made to an object of this run while it went on, and that took nothing over.
type Foreign struct {
	Kept []patch.Kept `json:"kept"`
}

// Trouble is something that this run could not do, and that decides nothing.
type Trouble struct {
	Text string `json:"text"`
}

// Source is the server that answers the criteria, and how often it scrapes what it is asked about.
type Source struct {
	Backend string        `json:"backend"`
	Scrape  time.Duration `json:"scrape,omitempty"`
}

// Before is what a criterion said about the running version, before anything was changed.
type Before struct {
	Criterion string         `json:"criterion"`
	Value     string         `json:"value,omitempty"` // with its unit; empty when there was none
	State     analysis.State `json:"state"`
	Problem   string         `json:"problem,omitempty"`
}

// Measured is one answer to a criterion.
type Measured struct {
	Criterion string         `json:"criterion"`
	Value     string         `json:"value,omitempty"`  // with its unit; empty when there was none
	Events    float64        `json:"events,omitempty"` // behind the value; zero where it is not one of counts
	Limit     string         `json:"limit"`            // with its operator, or in words when it follows a baseline
	State     analysis.State `json:"state"`
	Note      string         `json:"note,omitempty"` // why there is no value
	// ReportOnly is set when the criterion decides nothing (enforce: false).
	ReportOnly bool `json:"reportOnly,omitempty"`
	// Number and Bound are the value and its limit as numbers; nil when there was none, or it follows a baseline.
	Number *analysis.Number `json:"number,omitempty"`
	Bound  *analysis.Number `json:"bound,omitempty"`
}

// Judged is the verdict on the rollout.
type Judged struct {
	Outcome Outcome `json:"outcome"`
	// Code and Cause are those of the headline; empty when there is none.
	Code  string `json:"code,omitempty"`
	Cause string `json:"cause,omitempty"`
	// Nothing is set for a rollout that passed and runs no pod.
	Nothing bool `json:"nothing,omitempty"`
}

// Taken is one object of an undo.
type Taken struct {
	Action patch.UndoAction `json:"action"`
	Kept   []patch.Kept     `json:"kept,omitempty"` // parts that stayed as they are, because somebody else has written them since
	// Why says why the object was left alone, Failure why it could not be put back.
	Why     string `json:"why,omitempty"`
	Failure string `json:"failure,omitempty"`
}

// Freed is a pod that was deleted because it kept a StatefulSet from moving.
type Freed struct {
	Pod string `json:"pod"`
	// Undone is set when the pod was of the revision that was taken back, and not of the one before this run.
	Undone bool `json:"undone,omitempty"`
}

// Queued says that another run is going on at the same objects, and is waited for.
type Queued struct {
	Run      string        `json:"run"`
	Since    time.Time     `json:"since"`
	Pipeline string        `json:"pipeline,omitempty"` // its link; empty when it is not known
	Limit    time.Duration `json:"limit,omitempty"`
}

// Adopted says that another run, which did not come to its end, was taken over.
type Adopted struct {
	Run      string    `json:"run"`
	Since    time.Time `json:"since"`
	Pipeline string    `json:"pipeline,omitempty"` // its link; empty when it is not known
}

// Asked says that the stage goes on only when somebody says so, and who may.
type Asked struct {
	Stage string        `json:"stage"`
	Run   string        `json:"run"`
	By    string        `json:"by,omitempty"` // a regular expression for their name; empty: everybody who may write the lease
	Limit time.Duration `json:"limit,omitempty"`
}

// Decided is what somebody has said about the stage.
type Decided struct {
	Stage    string `json:"stage"`
	By       string `json:"by"`
	Reason   string `json:"reason,omitempty"`
	Approved bool   `json:"approved"`
}

// Said is a line that the command of a test has printed.
type Said struct {
	Line   string `json:"line,omitempty"`
	Missed int    `json:"missed,omitempty"` // lines that are missing here, instead of one
}

// Tested is how the command of a test has ended.
type Tested struct {
	Stage   string        `json:"stage"`
	Took    time.Duration `json:"took"`
	Failure string        `json:"failure,omitempty"` // empty: it has passed
}

// Printed is a line that the command has printed which makes the release, or takes it back.
type Printed struct {
	Line   string `json:"line,omitempty"`
	Missed int    `json:"missed,omitempty"` // lines that are missing here, instead of one
}

// Ran is how such a command has ended.
type Ran struct {
	Command string        `json:"command"` // in a word
	Took    time.Duration `json:"took"`
	Failure string        `json:"failure,omitempty"` // empty: exit code 0
	Undo    bool          `json:"undo,omitempty"`    // it takes the release back
}

func (Printed) eventType() EventType  { return EventCommand }
func (Ran) eventType() EventType      { return EventCommand }
func (Step) eventType() EventType     { return EventStep }
func (Planned) eventType() EventType  { return EventPlan }
func (Applied) eventType() EventType  { return EventApplied }
func (Replaced) eventType() EventType { return EventApplied }
func (Status) eventType() EventType   { return EventStatus }
func (Waiting) eventType() EventType  { return EventWaiting }
func (Warning) eventType() EventType  { return EventWarning }
func (Foreign) eventType() EventType  { return EventWarning }
func (Trouble) eventType() EventType  { return EventWarning }
func (Source) eventType() EventType   { return EventMeasurement }
func (Before) eventType() EventType   { return EventMeasurement }
func (Measured) eventType() EventType { return EventMeasurement }
func (Judged) eventType() EventType   { return EventVerdict }
func (Taken) eventType() EventType    { return EventUndo }
func (Freed) eventType() EventType    { return EventUndo }
func (KeptPod) eventType() EventType  { return EventUndo }
func (Queued) eventType() EventType   { return EventRun }
func (Adopted) eventType() EventType  { return EventRun }
func (Asked) eventType() EventType    { return EventRun }
func (Decided) eventType() EventType  { return EventRun }
func (Said) eventType() EventType     { return EventTest }
func (Tested) eventType() EventType   { return EventTest }
func (Started) eventType() EventType  { return EventStarted }
func (Finished) eventType() EventType { return EventFinished }

// NewEvent is what happened to an object, or to the whole run when it is zero.
func NewEvent(at time.Time, object manifest.Ref, p Payload) Event {
	return Event{Time: at, Type: p.eventType(), Object: object, Payload: p}
}

// maxTimeline bounds the report of a run that flaps for hours.
const maxTimeline = 2000

// tell records what happened to an object, or to the whole run when it is zero, and hands it on without secrets.
func (r *run) tell(object manifest.Ref, p Payload) {
	e := NewEvent(now(), object, p.redacted(r.redact))
	again := false
	if s, ok := p.(Status); ok {
		said := statusText{s.Phase, s.Message}
		again, r.said[object] = r.said[object] == said, said
	}
	if e.Type != EventWaiting && !isChatter(p) && !again && len(r.report.Timeline) < maxTimeline {
		r.report.Timeline = append(r.report.Timeline, e)
	}
	if r.g.Progress != nil {
		r.g.Progress(e)
	}
}

// isChatter tells what commands print: it is shown, and no line of the timeline.
func isChatter(p Payload) bool {
	switch p.(type) {
	case Said, Printed:
		return true
	}
	return false
}

// step tells of a step of the whole run.
func (r *run) step(s Step) { r.tell(manifest.Ref{}, s) }

// statusText is what a reader sees of a status: the counts may change without a line of the timeline.
type statusText struct {
	phase   rollout.Phase
	message string
}

// now is the time of an event or a mark in a report.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// judged is the payload of a verdict with its headline.
func judged(o Outcome, findings []diagnosis.Finding) Judged {
	if len(findings) == 0 || o == Passed {
		return Judged{Outcome: o}
	}
	return Judged{Outcome: o, Code: findings[0].Code, Cause: findings[0].Cause}
}
