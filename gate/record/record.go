// Package record is a run as it is kept while it goes on and after it has ended: what it was about to write, what was
// there before, and how far it came.
//
// Takes: what a run knows, and what is found of other runs. Returns: bytes to keep, records read from such bytes, and
// what one run has to do about another. Never: talks to a cluster, or decides whether a rollout is good.
package record

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// NewID names a run: ten letters and digits that no other run has.
func NewID() string { return rand.Text()[:10] }

// Record is one run. It is written before the first write of the run, so that after its death another process can tell
// of each object what became of it: it is as before, or as this run wrote it, or somebody else's. It holds the data of
// Secrets.
type Record struct {
	// Schema is the version of this form; see [Decode].
	Schema    int       `json:"schemaVersion"`
	ID        string    `json:"id"`
	Version   string    `json:"version"` // of the program that wrote it
	Namespace string    `json:"namespace"`
	Pipeline  Pipeline  `json:"pipeline,omitzero"`
	Started   time.Time `json:"started"`
	// Locked is when it had its lock: runs of the same objects came one after the other in this order. It is the time of the
	// API server.
	Locked   time.Time `json:"locked,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	State    State     `json:"state"`
	// Outcome is how the run ended, as in its report: exit.name, exit.code, and the code of the first finding.
	Outcome string `json:"outcome,omitempty"`
	Code    int    `json:"code"`
	Cause   string `json:"cause,omitempty"`
	// Stages are those of the run, in their order, with those that are still to come.
	Stages []Stage `json:"stages"`
	// Carried are writes of unfinished runs that this one has taken over. They came before its own. Where this run has
	// written the same object, that write goes back behind them; see [patch.Rebase].
	Carried []patch.Write `json:"carried,omitempty"`
	// TookOver are the runs that this one has taken over.
	TookOver []string `json:"tookOver,omitempty"`
	// Criteria are the names of the criteria that judge the run. What they ask is not on record: it may hold credentials.
	Criteria []string `json:"criteria,omitempty"`
	// Delivery says in which stages the release goes out, as the run was asked to; it is read by the run alone.
	Delivery json.RawMessage `json:"delivery,omitempty"`
	// Options are what was said of single objects.
	Options []Options `json:"options,omitempty"`
	// Scope says what a command was expected to change, where one has made the release; nil where the run has.
	Scope *Scope `json:"scope,omitempty"`
	// Manager, Force and Restart are how the run writes: its field manager, whether it takes the fields of others, and whether
	// it restarts what reads a changed ConfigMap or Secret.
	Manager string `json:"manager,omitempty"`
	Force   bool   `json:"force,omitempty"`
	Restart bool   `json:"restart,omitempty"`
	// LeaveOnCancel says that the run was to be left as it is when it is cancelled.
	LeaveOnCancel bool `json:"leaveOnCancel,omitempty"`
	// WithoutSecrets says that the data of Secrets was left out, so that a Secret cannot be put back from this record.
	WithoutSecrets bool `json:"withoutSecrets,omitempty"`
	// Set is what the run prunes by; its Name is empty for one that prunes nothing.
	Set Set `json:"set,omitzero"`
	// Prunes are the objects of earlier runs of the set that it deletes at its end, in that order; of a run that has ended,
	// those that it has deleted. Pruning says that it may have begun with that.
	Prunes  []patch.Write `json:"prunes,omitempty"`
	Pruning bool          `json:"pruning,omitempty"`
	// Leftovers are objects of earlier runs of the set that stay for now, each as it was found in Written.
	Leftovers []patch.Write `json:"leftovers,omitempty"`
}

// Stage is one stage of a run on record.
type Stage struct {
	Name   string        `json:"name"`
	Judge  bool          `json:"judge,omitempty"`
	Writes []patch.Write `json:"writes"`
	// Passed says that the stage was judged to be good.
	Passed bool `json:"passed,omitempty"`
}

// Pipeline says who runs, as far as the CI system tells. All of it is text from outside.
type Pipeline struct {
	System string `json:"system,omitempty"`
	URL    string `json:"url,omitempty"`
	Commit string `json:"commit,omitempty"`
	Actor  string `json:"actor,omitempty"`
}

// State is how far a run on record is.
type State string

// The states.
const (
	Running State = "running" // or dead: that its lease says
	Parked  State = "parked"  // the stages so far have passed, and it waits for somebody
	Passed  State = "passed"
	Undone  State = "undone" // everything is back, and that was seen
	// Partly is an undo that failed, was partial or was not seen to its end: it can be tried again.
	Partly State = "undo-failed"
	// Continued is a run that another one has taken over.
	Continued State = "continued"
	// Left is a run that ended without an undo and without having passed: as asked, or because it could not be judged, or
	// because somebody else has taken over.
	Left State = "left"
)

// Ended says that no process has anything left to do.
func (s State) Ended() bool { return s != Running && s != Parked }

// Unfinished says that something is left to be put back, or to be seen to be back.
func (s State) Unfinished() bool { return !s.Ended() || s == Partly }

// Writes are all writes of the run that may have been carried out, in the order of writing, those that it carries for
// others first.
func (r Record) Writes() []patch.Write {
	all := slices.Clone(r.Carried)
	for _, s := range r.Stages {
		all = append(all, s.Writes...)
	}
	return append(all, r.Prunes...)
}

// Targets are the objects that the run writes, each once, in the order of writing.
func (r Record) Targets() []manifest.Ref {
	var refs []manifest.Ref
	known := map[manifest.Ref]bool{}
	for _, w := range r.Writes() {
		if w.Action != patch.Unchanged && !known[w.Ref] {
			refs, known[w.Ref] = append(refs, w.Ref), true
		}
	}
	return refs
}

// Summary is what a list of runs shows of one, without anything of its objects' content but their images.
type Summary struct {
	ID       string         `json:"id"`
	Version  string         `json:"version,omitempty"`
	State    State          `json:"state"`
	Outcome  string         `json:"outcome,omitempty"`
	Code     int            `json:"code"`
	Cause    string         `json:"cause,omitempty"`
	Started  time.Time      `json:"started"`
	Locked   time.Time      `json:"locked,omitzero"`
	Finished time.Time      `json:"finished,omitzero"`
	Pipeline Pipeline       `json:"pipeline,omitzero"`
	Objects  []manifest.Ref `json:"objects,omitempty"` // that it writes
	Images   []ImageChange  `json:"images,omitempty"`
	TookOver []string       `json:"tookOver,omitempty"`
	// MoreObjects and MoreImages are how many had no room.
	MoreObjects int    `json:"moreObjects,omitempty"`
	MoreImages  int    `json:"moreImages,omitempty"`
	Set         string `json:"set,omitempty"`
}

// maxObjects and maxImages are how many bytes the objects and the images of a summary may have: all annotations of an object
// have 256 KiB together.
const maxObjects, maxImages = 140 << 10, 70 << 10

// ImageChange is the image of one container, before and after. Either is empty where there was none.
type ImageChange struct {
	Object    manifest.Ref `json:"object"`
	Container string       `json:"container"`
	From      string       `json:"from,omitempty"`
	To        string       `json:"to,omitempty"`
}

// Summary tells the run in short.
func (r Record) Summary() Summary {
	s := Summary{
		ID: r.ID, Version: r.Version, State: r.State, Outcome: r.Outcome, Code: r.Code, Cause: r.Cause, Started: r.Started, Locked: r.Locked,
		Finished: r.Finished, Pipeline: r.Pipeline, Objects: r.Targets(), TookOver: r.TookOver, Set: r.Set.Name,
	}
	all, last := r.Writes(), map[manifest.Ref]int{}
	for i, w := range all {
		if w.Action != patch.Unchanged {
			last[w.Ref] = i
		}
	}
	for i, w := range all {
		if n, written := last[w.Ref]; (!written || n <= i) && w.Action != patch.Pruned {
			s.Images = append(s.Images, imageChanges(w)...)
		}
	}
	s.Objects, s.MoreObjects = within(s.Objects, maxObjects)
	s.Images, s.MoreImages = within(s.Images, maxImages)
	return s
}

// within are the first of several values, as many as have room as JSON, and how many are left out.
func within[T any](all []T, most int) (first []T, more int) {
	for i, v := range all {
		text, err := json.Marshal(v)
		if most -= len(text) + 1; err != nil || most < 0 {
			return all[:i], len(all) - i
		}
	}
	return all, 0
}

// Wrote tells whether the run writes an object; known is false when the summary has no room for all.
func (s Summary) Wrote(r manifest.Ref) (wrote, known bool) {
	wrote = slices.Contains(s.Objects, r)
	return wrote, wrote || s.MoreObjects == 0
}

// Newest is for sorting: the run that had its lock last comes first.
func Newest(a, b Summary) int {
	return cmp.Or(b.locked().Compare(a.locked()), cmp.Compare(a.ID, b.ID))
}

// locked is when a run had its lock, or when it began where it could have none.
func (s Summary) locked() time.Time {
	if s.Locked.IsZero() {
		return s.Started
	}
	return s.Locked
}

// Precedes tells whether another run has written one of the objects of this one later, and was not put back. Where one of
// them has more objects than are listed, it may have.
func (s Summary) Precedes(later Summary) bool {
	if later.State == Undone || !later.locked().After(s.locked()) {
		return false
	}
	theirs := map[manifest.Ref]bool{}
	for _, r := range later.Objects {
		theirs[r] = true
	}
	return s.MoreObjects+later.MoreObjects > 0 || slices.ContainsFunc(s.Objects, func(r manifest.Ref) bool { return theirs[r] })
}

// imageChanges compares the images of the pod template before a write and after it.
func imageChanges(w patch.Write) []ImageChange {
	after := w.Written
	if after == nil {
		after = w.After
	}
	if after == nil {
		after = w.Sent
	}
	from, to := images(w.Origin()), images(after)
	var changes []ImageChange
	for _, c := range to {
		was := ""
		if i := slices.IndexFunc(from, func(o corev1.Container) bool { return o.Name == c.Name }); i >= 0 {
			was = from[i].Image
		}
		if was != c.Image {
			changes = append(changes, ImageChange{Object: w.Ref, Container: c.Name, From: was, To: c.Image})
		}
	}
	return changes
}

func images(u *unstructured.Unstructured) []corev1.Container {
	t := rollout.PodTemplate(rollout.Typed(u))
	if t == nil {
		return nil
	}
	return slices.Concat(t.Spec.InitContainers, t.Spec.Containers)
}

// Without returns the record without the data of Secrets, to be kept where others can read it.
func (r Record) Without() Record {
	r.WithoutSecrets = true
	r.Carried, r.Prunes = withoutData(r.Carried), withoutData(r.Prunes)
	r.Leftovers = slices.DeleteFunc(slices.Clone(r.Leftovers), aboutSecret)
	r.Stages = slices.Clone(r.Stages)
	for i := range r.Stages {
		r.Stages[i].Writes = withoutData(r.Stages[i].Writes)
	}
	return r
}

// Lacks tells whether the record lacks the data that it takes to put a write back.
func (r Record) Lacks(w patch.Write) bool {
	return r.WithoutSecrets && w.Action != patch.Unchanged && aboutSecret(w)
}

// HasSecrets tells whether the record has the data of Secrets: then it may be kept only where they may be.
func (r Record) HasSecrets() bool {
	return !r.WithoutSecrets && slices.ContainsFunc(slices.Concat(r.Writes(), r.Leftovers), aboutSecret)
}

func aboutSecret(w patch.Write) bool { return w.Ref.Group == "" && w.Ref.Kind == "Secret" }

func withoutData(writes []patch.Write) []patch.Write {
	writes = slices.Clone(writes)
	for i, w := range writes {
		if aboutSecret(w) {
			writes[i] = patch.Write{Ref: w.Ref, Resource: w.Resource, Action: w.Action, Source: w.Source, Manager: w.Manager, At: w.At, Command: w.Command}
		}
	}
	return writes
}

// String names the run for a person: its id and its pipeline.
func (s Summary) String() string {
	if s.Pipeline.URL != "" {
		return fmt.Sprintf("run %s (%s)", s.ID, s.Pipeline.URL)
	}
	return "run " + s.ID
}
