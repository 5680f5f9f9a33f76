package gate

import (
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Event is something that a run tells while it goes on, and one line of its timeline. What happened is in Payload, as
// values; words are made of it in gate/report, once.
type Event struct {
	Time time.Time `json:"time"`
	Type EventType `json:"type"`
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
	EventStep        EventType = "step"        // Step
	EventPlan        EventType = "plan"        // Planned
	EventApplied     EventType = "applied"     // Applied, Replaced
	EventStatus      EventType = "status"      // Status
	EventWaiting     EventType = "waiting"     // Waiting
	EventWarning     EventType = "warning"     // Warning, Foreign, Trouble
	EventMeasurement EventType = "measurement" // Source, Before, Measured
	EventVerdict     EventType = "verdict"     // Judged
	EventUndo        EventType = "undo"        // Taken, Freed
	EventRun         EventType = "run"         // Queued, Adopted, Asked, Decided
	EventTest        EventType = "test"        // Said, Tested
)

// Payload is one of the types below.
type Payload interface {
	eventType() EventType
	redacted(redactor) Payload
}

// Step is the beginning of a step.
type Step struct {
	Name StepName
	// Stage is set when the run has several: its name. Stages are the names of all of them in their order, where writing
	// begins.
	Stage  string
	Stages []string
	// Objects, Workloads and Criteria count what the step is about; zero where it is not about that.
	Objects, Workloads, Criteria int
	// What is what the step is about, in a word: of a test its command.
	What string
	// Limit is the time that the step may take; zero where none is set. Of an analysis it is the window, which follows
	// on Settle.
	Limit, Settle time.Duration
}

// StepName names a step of a run.
type StepName string

// The steps.
const (
	StepPlan      StepName = "plan"
	StepPreflight StepName = "preflight"
	StepApply     StepName = "apply"
	StepWatch     StepName = "watch"
	StepTest      StepName = "test"
	StepHold      StepName = "hold"
	StepAnalyze   StepName = "analyze"
	StepBacktest  StepName = "backtest"
	StepDiagnose  StepName = "diagnose"
	StepUndo      StepName = "undo"
	StepRecheck   StepName = "recheck"
	StepDrill     StepName = "drill"
)

// Planned is one object of the plan: what would be, or will be, done to it.
type Planned struct{ Action patch.Action }

// Applied is one object that was written.
type Applied struct {
	Action patch.Action
	Pin    *patch.Pin   // of a Service that was pinned; nil for all others
	Split  *patch.Split // of an HTTPRoute whose requests were split; nil for all others
}

// Replaced is an old pod of a DaemonSet that was deleted, so that its node gets a new one.
type Replaced struct{ Pod, Node string }

// Status is a workload that has come further, or has not.
type Status struct{ rollout.Status }

// Waiting says that nothing changed for a while, and what is awaited.
type Waiting struct {
	Since, Limit time.Duration
	Workloads    []rollout.Status // those that are not complete, at most three
	More         int              // how many beyond these; with none at all the criteria are awaited, or the test
	Test         bool             // that goes on
	Stage        string           // empty where there is only one
	Hold         time.Duration    // what is left of the stage's hold; zero outside of it
	Approve      string           // the run that has to be approved; empty while nobody is asked
	Staged       []rollout.Status // of the stage that is held or waits for somebody: what runs
}

// Warning is a finding that may decide later.
type Warning struct{ Code, Cause string }

// Foreign is a change that somebody else made to an object of this run while it went on, and that took nothing over.
type Foreign struct{ Kept []patch.Kept }

// Trouble is something that this run could not do, and that decides nothing.
type Trouble struct{ Text string }

// Source is the server that answers the criteria, and how often it scrapes what it is asked about.
type Source struct {
	Backend string
	Scrape  time.Duration
}

// Before is what a criterion said about the running version, before anything was changed.
type Before struct {
	Criterion string
	Value     string // with its unit; empty when there was none
	State     analysis.State
	Problem   string
}

// Measured is one answer to a criterion.
type Measured struct {
	Criterion string
	Value     string // with its unit; empty when there was none
	Events    float64
	Limit     string // with its operator, or in words when it follows a baseline
	State     analysis.State
	Note      string // why there is no value
	// Number and Bound are the value and its limit as numbers; nil when there was none, or it follows a baseline.
	Number, Bound *analysis.Number
}

// Judged is the verdict on the rollout.
type Judged struct {
	Outcome Outcome
	// Code and Cause are those of the headline; empty when there is none.
	Code, Cause string
	// Nothing is set for a rollout that passed and runs no pod.
	Nothing bool
}

// Taken is one object of an undo.
type Taken struct {
	Action patch.UndoAction
	Kept   []patch.Kept
	// Why says why the object was left alone, Failure why it could not be put back.
	Why, Failure string
}

// Freed is a pod that was deleted because it kept a StatefulSet from moving.
type Freed struct {
	Pod string
	// Undone is set when the pod was of the revision that was taken back, and not of the one before this run.
	Undone bool
}

// Queued says that another run is going on at the same objects, and is waited for.
type Queued struct {
	Run      string
	Since    time.Time
	Pipeline string // its link; empty when it is not known
	Limit    time.Duration
}

// Adopted says that another run, which did not come to its end, was taken over.
type Adopted struct {
	Run      string
	Since    time.Time
	Pipeline string
}

// Asked says that the stage goes on only when somebody says so, and who may.
type Asked struct {
	Stage, Run string
	By         string // a regular expression for their name; empty: everybody who may write the lease
	Limit      time.Duration
}

// Decided is what somebody has said about the stage.
type Decided struct {
	Stage, By, Reason string
	Approved          bool
}

// Said is a line that the command of a test has printed.
type Said struct {
	Line   string
	Missed int // lines that are missing here, instead of one
}

// Tested is how the command of a test has ended.
type Tested struct {
	Stage   string
	Took    time.Duration
	Failure string // empty: it has passed
}

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
func (Queued) eventType() EventType   { return EventRun }
func (Adopted) eventType() EventType  { return EventRun }
func (Asked) eventType() EventType    { return EventRun }
func (Decided) eventType() EventType  { return EventRun }
func (Said) eventType() EventType     { return EventTest }
func (Tested) eventType() EventType   { return EventTest }

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
	if _, chatter := p.(Said); e.Type != EventWaiting && !chatter && !again && len(r.report.Timeline) < maxTimeline {
		r.report.Timeline = append(r.report.Timeline, e)
	}
	if r.g.Progress != nil {
		r.g.Progress(e)
	}
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
