// Package patch is what a run writes, and how it takes that back.
//
// Takes: objects before a write, as sent, and as the API server returned them. Returns: differences between them, and
// the object that undoes a write without undoing anybody else's. Never: talks to a cluster.
package patch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Action is what a write does to its object, in kubectl's words.
type Action string

// The actions.
const (
	Created    Action = "created"
	Configured Action = "configured"
	Unchanged  Action = "unchanged"
	// Pruned is an object of an earlier release that is deleted, because this one does not have it any more.
	Pruned Action = "pruned"
	// Cleared is a hook that has done its work, and that the run itself deletes.
	Cleared Action = "deleted"
	// Removed is an object that a command has deleted.
	Removed Action = "removed"
	// Unpinned is a Service that gets traffic for all its pods again.
	Unpinned Action = "given back to all its pods"
	// Unsplit is an HTTPRoute that is as it was before the run.
	Unsplit Action = "sends all requests to its own Services again"
)

// Write is one object that a run writes, and all that an undo needs. As JSON it can be kept and read again by another
// process. It holds the data of Secrets.
type Write struct {
	Ref      manifest.Ref      `json:"ref"`
	Resource manifest.Resource `json:"resource"`
	Action   Action            `json:"action"`
	Source   manifest.Source   `json:"source"`
	// Manager is the field manager that writes.
	Manager string `json:"manager"`
	// Before is the object before this run, managed fields included; nil when there was none. It is the snapshot.
	Before *unstructured.Unstructured `json:"before,omitempty"`
	// Base, when it is set, is what an undo goes back to instead of Before; see [Rebase].
	Base *Base `json:"base,omitempty"`
	// Sent is what is sent to the API server.
	Sent *unstructured.Unstructured `json:"sent,omitempty"`
	// After is what the API server said the object would become; nil where it could not be asked: its kind or its
	// namespace is made by the same run.
	After *unstructured.Unstructured `json:"after,omitempty"`
	// Merge is a JSON merge patch that is written before Sent is applied, where an apply alone would be refused: a
	// field that the API server has added by default is in the way of what is sent.
	Merge json.RawMessage `json:"merge,omitempty"`
	// Added says that Sent is added to the object by a plain patch of Manager, and not applied: an apply would take away
	// what Sent does not have.
	Added bool `json:"added,omitempty"`
	// Written is the object as the API server returned it for this write; nil until then, and nil when the answer was
	// lost. For an unchanged object it is Before, and for one that is pruned it is what was deleted.
	Written *unstructured.Unstructured `json:"written,omitempty"`
	// At is the API server's time of the write; before it, that of the plan.
	At time.Time `json:"at,omitzero"`
	// Warnings are what the API server warned of when it was asked what the write would do.
	Warnings []string `json:"warnings,omitempty"`
	// Deferred says that the kind is defined by a CRD of the same run, so that Resource is not known yet.
	Deferred bool `json:"deferred,omitempty"`
	// Command says that a command writes the object, and not this run: what it has written is found by comparing the object
	// before and after, see [Write.Found]. Until then, Action says only whether the object was there.
	Command bool `json:"command,omitempty"`
	// Until is the moment until which the command may have written, where its run has died: what came later is somebody
	// else's. Zero: it was seen to end, or nobody knows.
	Until time.Time `json:"until,omitzero"`
	// Hook says that the object is to do its work at its moment in the run, as a migration: what it has done no undo takes
	// back.
	Hook bool `json:"hook,omitempty"`
	// Test is the number of the stage, from 1, that the object tests; 0: none. It is a hook then, and no part of the release.
	Test int `json:"test,omitempty"`
	// Replaces is the UID of an older object of that name, which is deleted first. To the write there is none before it.
	Replaces string `json:"replaces,omitempty"`
	// Pin says that the write makes a Service send traffic to the pods of one revision alone, as far as it is a step that
	// does; nil for all others.
	Pin *Pin `json:"pin,omitempty"`
	// Split says that the write makes an HTTPRoute send a share of its requests to other Services, as far as it is a step
	// that does; nil for all others.
	Split *Split `json:"split,omitempty"`
	// OfRun says that the object is no part of the release: the run makes it for itself, and deletes it at its end.
	OfRun bool `json:"ofRun,omitempty"`
	// Step counts the earlier writes of the same run to the same object. Before is that of the first one.
	Step int `json:"step,omitempty"`
	// Stepped are the paths of the fields in which the steps differ, as in spec.minReadySeconds; empty where there is one.
	Stepped []string `json:"stepped,omitempty"`
	// Last is the object as the step before has written it: what this one is written to. It is nil for the first one.
	Last *unstructured.Unstructured `json:"-"`
	// Ended says that the run itself has deleted the object again, because it has done its work.
	Ended bool `json:"-"`
	// Prepared says that only the owners were changed for this write, and that it was not carried out: its process is dead.
	Prepared bool `json:"-"`
	// Object is the manifest with its namespace filled in, for file and line.
	Object manifest.Object `json:"-"`
}

// Origin is the object to which an undo of the write goes back; nil when there was none.
func (w Write) Origin() *unstructured.Unstructured {
	if w.Base != nil {
		return w.Base.Object
	}
	return w.Before
}

// Plan is what a run would write, in the order of writing.
type Plan struct {
	Writes []Write
	// Prunes are the objects of an earlier release that are deleted when everything else has passed, in that order.
	Prunes   []Write
	Refusals []Refusal
	// CannotUndo says what the account lacks to put a bad rollout back.
	CannotUndo []string
	Notes      []string
}

// Changes tells whether carrying the plan out would write anything of the release.
func (p Plan) Changes() bool {
	return len(p.Prunes) > 0 || slices.ContainsFunc(p.Writes, func(w Write) bool { return w.Action != Unchanged && w.Test == 0 })
}

// Refusal is one object that the API server will not take.
type Refusal struct {
	Object manifest.Object
	Err    error
}

// Error is a write that failed although its dry-run went through.
type Error struct {
	Object manifest.Object
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("applying %s: %v", e.Object.Ref(), e.Err) }

// Unwrap returns what the API server said.
func (e *Error) Unwrap() error { return e.Err }

// StaleError is an object that is not any more what it was when the write was planned. A new plan helps.
type StaleError struct {
	Ref  manifest.Ref
	What string // happened to it
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("%s %s while this run was planning", e.Ref, e.What)
}

// HeldError is an object that is deleted, and not gone: its finalizers have to be served first.
type HeldError struct {
	Ref        manifest.Ref
	Finalizers []string
}

func (e *HeldError) Error() string {
	if len(e.Finalizers) == 0 {
		return fmt.Sprintf("%s is being deleted and is not gone yet", e.Ref)
	}
	return fmt.Sprintf("%s is being deleted and is not gone yet: it waits for its finalizers %s", e.Ref, strings.Join(e.Finalizers, ", "))
}

// UndoAction is what an undo did to one object.
type UndoAction string

// The actions of an undo.
const (
	Restored UndoAction = "restored"
	Deleted  UndoAction = "deleted"
	Left     UndoAction = "left" // nothing of this run is left in it that could be taken back
	// AsWritten is what was written and is to stay, as somebody has asked.
	AsWritten UndoAction = "kept"
	// Recreated is an object that the run had pruned or its command deleted, and that was created again.
	Recreated UndoAction = "recreated"
	// NotWritten is a write whose answer was lost and that never arrived.
	NotWritten UndoAction = "not written"
)

// Undone is what became of one write in an undo.
type Undone struct {
	Write  Write
	Action UndoAction
	// Restored is the object as the API server returned it for the restoring write; nil when nothing was restored.
	Restored *unstructured.Unstructured
	At       time.Time
	// Altered says that the API server keeps the object different from what was to be restored: an admission webhook.
	Altered bool
	// Kept are the parts that stayed as they are, because somebody else has written them since.
	Kept []Kept
	Why  string // why the object was left alone, in words
	Err  error  // why it could not be put back
}

// Kept is a part of an object that somebody else wrote.
type Kept struct {
	Path    string    `json:"path"`              // as findings have it: spec.template.spec.containers[name=app].image
	Manager string    `json:"manager,omitempty"` // the field manager that wrote it; empty when it is not known
	Time    time.Time `json:"time,omitzero"`
}

// Exact tells whether everything of this run that nobody else has changed is as it was before.
func (u Undone) Exact() bool { return u.Restored != nil && !u.Altered }
