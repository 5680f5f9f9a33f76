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

// SchemaVersion is the version of Report as JSON. Fields are only ever added within one version.
const SchemaVersion = "1"

// Report is the result of one run: everything that any rendering needs. Its JSON form is an interface.
type Report struct {
	SchemaVersion string `json:"schemaVersion"`
	Run           Run    `json:"run"`
	Exit          Exit   `json:"exit"`
	// Command is the command that has made the release; nil where the run has.
	Command *CommandReport `json:"command,omitempty"`
	// Changes lists what was written, in the order of writing; in a plan, what would be.
	Changes   []Change            `json:"changes"`
	Stages    []StageReport       `json:"stages,omitempty"` // in their order, where there are several
	Workloads []rollout.Status    `json:"workloads"`
	Objects   []Treated           `json:"objects,omitempty"` // those that were treated alone
	Pods      []Pods              `json:"pods,omitempty"`    // how many there were, oldest first: one each time that changed
	Findings  []diagnosis.Finding `json:"findings"`          // most important first; [0] is the headline
	Layers    []diagnosis.Layered `json:"layers,omitempty"`  // around the headline's workload: where the fault is and is not
	Criteria  []analysis.Result   `json:"criteria"`
	Backtest  []analysis.Replay   `json:"backtest,omitempty"` // of analyze --backtest
	Drill     []Exercise          `json:"drill,omitempty"`    // of drill
	Undo      *Undo               `json:"undo,omitempty"`     // nil when the run did not come to it
	Logs      []KeptLog           `json:"logs,omitempty"`     // files beside the report
	Marks     Marks               `json:"marks,omitzero"`     // on the time axis of the criteria
	// Clusters are the parts of a run in several clusters, in the order of their waves. What they have in common is above: how
	// it ended altogether, and the findings and the undo of all.
	Clusters []ClusterReport `json:"clusters,omitempty"`
	Timeline []Event         `json:"timeline"`
	// Notes are things worth knowing that decided nothing: what could not be read, what was applied but not watched.
	Notes []string `json:"notes,omitempty"`
	// HadPassed is the run that resume was to go on with where it had passed already: its release is in place, and an undo of it
	// takes that back.
	HadPassed string `json:"-"`
}

// ClusterReport is the part of a run in one cluster.
type ClusterReport struct {
	Name string `json:"name"`
	Wave int    `json:"wave"` // counted from 1
	// Report is that of a run in this cluster alone. Where the part was taken back after it had passed, its undo is that one.
	Report Report `json:"report"`
}

// Marks are the moments by which a plot of a criterion is read; zero where the run did not come to it. When a criterion
// was first violated is in its result.
type Marks struct {
	Applied  time.Time `json:"applied,omitzero"`  // the first write
	Complete time.Time `json:"complete,omitzero"` // every workload was complete: the criteria settle from here
	Undone   time.Time `json:"undone,omitzero"`   // the undo was sent
}

// Run says which run this was.
type Run struct {
	ID        string    `json:"id"`
	Command   string    `json:"command"` // run, plan, watch, analyze, diagnose, drill
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Finished  time.Time `json:"finished"`
	Namespace string    `json:"namespace"`
	Context   string    `json:"context,omitempty"`
	// Pipeline is the job that runs this, as far as the CI system tells.
	Pipeline record.Pipeline `json:"pipeline,omitzero"`
}

// Exit is the verdict of the run and the state that the cluster was left in.
type Exit struct {
	Code int    `json:"code"`
	Name string `json:"name"`
	// State is one sentence for the last line: "deployment/web is back at its previous version (verified)".
	State string `json:"state"`
	// Error is why the run could not be carried out, where no finding says it; empty otherwise. File and Line are the
	// place in a manifest or the config file that it is about.
	Error string `json:"error,omitempty"`
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
}

// Change is one object and what was done to it, in kubectl's words: created, configured, unchanged, pruned.
type Change struct {
	Object manifest.Ref    `json:"object"`
	Source manifest.Source `json:"source"`
	Action string          `json:"action"`
	// Diff is a unified diff from the live object to the applied one, Secret values masked; empty when unchanged.
	Diff string `json:"diff,omitempty"`
}

// Treated is an object that a run treats otherwise than all others; what is not there was not said.
type Treated struct {
	Object   manifest.Ref `json:"object"`
	Wait     *bool        `json:"wait,omitempty"`
	Timeout  float64      `json:"timeout,omitempty"` // seconds
	Undo     *bool        `json:"undo,omitempty"`
	Criteria []string     `json:"criteria,omitzero"` // the only ones that look at its pods
	// Ready, Failed and Message are expressions that say how far it is.
	Ready   string `json:"ready,omitempty"`
	Failed  string `json:"failed,omitempty"`
	Message string `json:"message,omitempty"`
}

// Undo is what became of putting things back.
type Undo struct {
	// Run is the run whose writes were taken back, and State how it had ended; only of the command undo.
	Run   string       `json:"run,omitempty"`
	State record.State `json:"state,omitempty"`

	Result   UndoResult          `json:"result"`
	Objects  []Undone            `json:"objects"`
	Duration float64             `json:"duration"` // seconds, from the first write of the undo to its proof
	Findings []diagnosis.Finding `json:"findings,omitempty"`
	// Command is the command that has taken the release back; nil where the run has.
	Command *CommandReport `json:"command,omitempty"`
	// KeptPod was left out of it on purpose; nil when none was.
	KeptPod *KeptPod `json:"keptPod,omitempty"`
}

// CommandReport is how a command went.
type CommandReport struct {
	Argv     []string `json:"argv"`
	ExitCode int      `json:"exitCode"` // -1: it was ended by a signal, or could not be started
	Duration float64  `json:"duration"` // seconds
	// Failure is empty for a command that has ended well.
	Failure string `json:"failure,omitempty"`
	// Output is the end of what it has printed.
	Output []string `json:"output,omitempty"`
}

// UndoResult is the word for the whole undo.
type UndoResult string

// The results of an undo.
const (
	UndoVerified   UndoResult = "verified"   // everything is back, and the old version was seen serving
	UndoUnverified UndoResult = "unverified" // everything is written back, but was not seen serving in time
	UndoFailed     UndoResult = "failed"
	UndoNothing    UndoResult = "nothing-to-undo"
	UndoSkipped    UndoResult = "skipped" // by --undo=never or --on-cancel=leave
)

// Undone is one object of an undo.
type Undone struct {
	Object manifest.Ref `json:"object"`
	Action string       `json:"action"` // restored, deleted, recreated, left, kept
	// Result is "ok", or why not: the API server's words, or who changed the object after this run.
	Result string `json:"result"`
	// Kept are the parts that stayed as they are, because somebody else has written them since.
	Kept []patch.Kept `json:"kept,omitempty"`
}
