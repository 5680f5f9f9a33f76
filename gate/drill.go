package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/drill"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// Workshop is what a drill needs of a cluster beyond a run.
type Workshop interface {
	// Copies are those that drills have made in a namespace, of the kind of one object.
	Copies(ctx context.Context, like *unstructured.Unstructured) ([]*unstructured.Unstructured, error)
	// RemoveCopy deletes a copy with everything below it, and returns when it is gone. That it is gone already is no error.
	RemoveCopy(ctx context.Context, u *unstructured.Unstructured) error
}

// Drill is a rehearsal of bad releases, on a copy of a workload.
type Drill struct {
	Workshop Workshop
	Live     *unstructured.Unstructured // the workload as it is
	Faults   []drill.Fault
	Options  drill.Options
	Ends     time.Time // by the clock of the API server: when it will have ended in any case
}

// Exercise is one fault of a drill, and what became of it.
type Exercise struct {
	Fault string `json:"fault"`
	What  string `json:"what"` // what was wrong with the copy, in words
	// Caught says that the rollout was found bad and that its undo was verified.
	Caught bool `json:"caught"`
	// Why is why it was not caught; empty when it was.
	Why string `json:"why,omitempty"`
	// Exit is how the run of the variant ended; empty when there was none.
	Exit    string     `json:"exit,omitempty"`
	Code    string     `json:"code,omitempty"`    // of the headline cause
	Cause   string     `json:"cause,omitempty"`   // and its words
	Noticed float64    `json:"noticed,omitempty"` // seconds from the first write to the undo's
	Undo    UndoResult `json:"undo,omitempty"`
	Undoing float64    `json:"undoing,omitempty"` // seconds that the undo took until its proof
	// Missing is what the run said that it could not look at: rights, metrics.
	Missing []string `json:"missing,omitempty"`
}

// Drill makes a copy of a workload, lets it become complete, and runs a broken variant of it for each fault as Run would
// run a release, with everything that the gate is told. The copy is removed whatever happens. The report says for each
// fault whether it was noticed and taken back; the error is not nil when the drill could not be made.
func (g Gate) Drill(ctx context.Context, d Drill) (Report, error) {
	g.KeepLogs, g.KeepBadPod = false, false // it breaks its copies on purpose
	g.Objects = rehearsed(g.Objects)
	quiet := g
	quiet.Signals = nil // they are for the runs of the variants
	r := quiet.begin(ctx, "drill")
	copied, err := drill.Of(d.Live, drill.Holder{Process: g.Here.Self, Ends: d.Ends})
	if err == nil && g.NeverUndo {
		err = errors.New("a drill of the undo needs an undo\n  hint: leave --undo=never out")
	}
	if err != nil {
		return r.failed(invalidError{err})
	}
	for _, n := range copied.Notes {
		r.note("%s", n)
	}
	r.noteKeeper(d.Live, refOf(d.Live), "it does not know the copy of this drill, but a run at the original would be refused, unless --gitops=warn")
	x := rehearsal{run: r, gate: g, drill: d, copied: copied}
	if err := x.clear(ctx); err != nil {
		return r.failed(err)
	}
	err = x.perform(ctx)
	x.remove(ctx)
	return r.end(), err
}

// rehearsed are rows without what would leave nothing to rehearse: a copy is waited for, and goes back.
func rehearsed(rows []ObjectRow) []ObjectRow {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].Wait, rows[i].Undo = nil, nil
	}
	return rows
}

// rehearsal is one drill while it goes on.
type rehearsal struct {
	run    *run
	gate   Gate
	drill  Drill
	copied drill.Copy
}

// clear removes what killed drills have left. A drill that is going on is left alone: it has the same name for its copy.
func (x *rehearsal) clear(ctx context.Context) error {
	found, err := x.drill.Workshop.Copies(ctx, x.copied.Object)
	if err != nil {
		return fmt.Errorf("looking for copies that earlier drills have left: %w", err)
	}
	for _, u := range found {
		name := refOf(u).String()
		holder, known := drill.HolderOf(u)
		alive := known && !holder.Dead(time.Now(), x.gate.Here)
		switch {
		case alive && u.GetName() == x.copied.Object.GetName():
			return busyError{fmt.Errorf("another drill is at work on %s\n  hint: wait for it; if it is gone, wait until %s or delete %s", name, holder.Ends.UTC().Format("15:04:05 MST"), name)}
		case alive:
			continue
		}
		if err := x.drill.Workshop.RemoveCopy(ctx, u); err != nil {
			return fmt.Errorf("removing %s, which a drill has left: %w", name, err)
		}
		x.run.note("%s was removed: a drill that did not end has left it", name)
	}
	return nil
}

// busyError is a drill that has to wait for another one.
type busyError struct{ error }

// Outcome says what it means for the run.
func (busyError) Outcome() Outcome { return Retry }

// perform brings the copy up and tries the faults, one after another.
func (x *rehearsal) perform(ctx context.Context) error {
	report, err := x.release(ctx, "", x.plain(), x.copied.Object)
	if err != nil || report.Exit.Code != Passed.Code() {
		return x.noCopy(ctx, report, err)
	}
	for _, f := range x.drill.Faults {
		if why := x.untried(f); why != "" {
			x.note(Exercise{Fault: f.Name, What: f.What, Why: why})
			continue
		}
		variant, err := f.Break(x.copied, x.drill.Options)
		if err != nil {
			return x.run.fail(invalidError{fmt.Errorf("making the fault %q: %w", f.Name, err)})
		}
		g := x.plain()
		if f.NeedsCriteria {
			g = x.judging()
		}
		report, err := x.release(ctx, f.Name, g, variant)
		if ctx.Err() != nil {
			x.run.exit(cancelledBy(signalOf(context.Cause(ctx))), "the drill was cancelled")
			return nil
		}
		if err != nil && len(report.Changes) == 0 { // what hinders this one hinders the others as well
			x.run.report.Findings = append(x.run.report.Findings, report.Findings...)
			x.run.report.Exit = report.Exit
			return err
		}
		e := exercised(f, report)
		x.note(e)
		if !e.Caught {
			if again, err := x.reset(ctx); !again {
				return err
			}
		}
	}
	x.noteErrors()
	x.conclude()
	return nil
}

// noteErrors says what a drill without the fault of errors leaves open.
func (x *rehearsal) noteErrors() {
	switch {
	case slices.ContainsFunc(x.drill.Faults, func(f drill.Fault) bool { return f.NeedsCriteria }):
	case len(x.gate.Criteria) == 0:
		x.run.note("answers with errors were not tried: there are no criteria, so nobody would notice them")
	default:
		x.run.note("answers with errors were not tried: --fault errors --errors-with NAME=VALUE does it")
	}
}

// plain is the gate for faults that show without metrics.
func (x *rehearsal) plain() Gate {
	g := x.judging()
	g.Criteria, g.Querier, g.Fetcher, g.Reach = nil, nil, nil, nil
	return g
}

// judging is the gate for those that do not. The copy is new, and nobody sends it requests: what its criteria lack is for the
// run to say, and no reason not to begin. Nothing of a drill is kept on record: the next one removes what it leaves.
func (x *rehearsal) judging() Gate {
	g := x.gate
	g.Keep, g.History = KeepNothing, 0
	if g.Preflight != PreflightOff {
		g.Preflight = PreflightWarn
	}
	return g
}

// release runs one version of the copy as any release.
func (x *rehearsal) release(ctx context.Context, stage string, g Gate, u *unstructured.Unstructured) (Report, error) {
	x.run.step(Step{Name: StepDrill, Stage: stage})
	g.Progress = func(e Event) {
		if e.Type == EventStarted {
			return // it is a part of this one
		}
		x.run.report.Timeline = append(x.run.report.Timeline, e)
		if x.gate.Progress != nil {
			x.gate.Progress(e)
		}
	}
	source := manifest.Source{Path: "the drill of " + refOf(x.drill.Live).String()}
	report, err := g.Run(ctx, []manifest.Object{{Unstructured: u.DeepCopy(), Source: source}})
	for _, n := range report.Notes {
		x.run.note("%s", n)
	}
	return report, err
}

// noCopy ends a drill whose copy did not come up: nothing can be tried on it.
func (x *rehearsal) noCopy(ctx context.Context, report Report, err error) error {
	x.run.report.Findings, x.run.report.Workloads, x.run.report.Layers = report.Findings, report.Workloads, report.Layers
	if err != nil || ctx.Err() != nil {
		x.run.report.Exit = report.Exit
		return err
	}
	state := "nothing was tried: the copy of " + refOf(x.drill.Live).String() + " does not become complete"
	if len(report.Findings) > 0 {
		state += ": " + report.Findings[0].Code
	}
	x.run.exit(Inconclusive, state)
	return nil
}

// untried is why a fault cannot be tried at all; empty when it can.
func (x *rehearsal) untried(f drill.Fault) string {
	switch {
	case f.NeedsCriteria && len(x.gate.Criteria) == 0:
		return "there are no criteria, so nobody looks at what a program answers"
	case f.NeedsCriteria && x.drill.Options.ErrorsWith == "":
		return "not tried: nobody has said which variable makes the program answer with errors (--errors-with NAME=VALUE)"
	}
	return ""
}

func (x *rehearsal) note(e Exercise) { x.run.report.Drill = append(x.run.report.Drill, e) }

// reset makes the copy anew, for the next fault. Where it does not, the exit is set.
func (x *rehearsal) reset(ctx context.Context) (again bool, err error) {
	if err := x.drill.Workshop.RemoveCopy(ctx, x.copied.Object); err != nil {
		return false, x.run.fail(fmt.Errorf("making the copy anew: %w", err))
	}
	report, err := x.release(ctx, "", x.plain(), x.copied.Object)
	if err != nil || report.Exit.Code != Passed.Code() {
		return false, x.noCopy(ctx, report, err)
	}
	return true, nil
}

// exercised is what the run of a variant means.
func exercised(f drill.Fault, r Report) Exercise {
	e := Exercise{Fault: f.Name, What: f.What, Exit: r.Exit.Name, Missing: r.Notes}
	if len(r.Findings) > 0 {
		e.Code, e.Cause = r.Findings[0].Code, r.Findings[0].Cause
	}
	if !r.Marks.Undone.IsZero() {
		e.Noticed = r.Marks.Undone.Sub(r.Marks.Applied).Seconds()
	}
	if r.Undo != nil {
		e.Undo, e.Undoing = r.Undo.Result, r.Undo.Duration
	}
	switch code := r.Exit.Code; {
	case code == Passed.Code():
		e.Why = "the rollout passed"
	case code == Inconclusive.Code():
		e.Why = "the rollout could not be judged, and was kept"
		if len(r.Criteria) > 0 && r.Criteria[0].Reason != "" {
			e.Why += ": " + r.Criteria[0].Reason
		}
	case e.Undo != UndoVerified:
		e.Why = "it was noticed, but not put back: " + r.Exit.State
	case !slices.Contains([]int{RolloutFailed.Code(), TimedOut.Code(), CriteriaFailed.Code()}, code):
		e.Why = r.Exit.State
	}
	e.Caught = e.Why == ""
	return e
}

// conclude sets the exit: the drill is good when every fault was caught and put back.
func (x *rehearsal) conclude() {
	var missed []string
	for _, e := range x.run.report.Drill {
		if !e.Caught {
			missed = append(missed, e.Fault)
		}
	}
	all := len(x.run.report.Drill)
	if len(missed) == 0 {
		x.run.exit(Passed, wording.Plural(all, "fault")+" caught and put back")
		return
	}
	x.run.exit(RolloutFailed, fmt.Sprintf("%d of %d faults not caught: %s", len(missed), all, strings.Join(missed, ", ")))
}

// remove takes the copy away, whatever has happened before. It has time of its own: a signal does not take it.
func (x *rehearsal) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.run.g.UndoTimeout)
	defer cancel()
	name := refOf(x.copied.Object).String()
	if err := x.drill.Workshop.RemoveCopy(ctx, x.copied.Object); err != nil {
		x.run.note("%s could not be removed: %v; the next drill removes it", name, err)
		x.run.exit(UndoBroken, name+" could not be removed")
		return
	}
	if x.run.report.Exit.State != "" {
		x.run.report.Exit.State += "; " + name + " was removed again"
	}
}

func refOf(u *unstructured.Unstructured) manifest.Ref { return manifest.Object{Unstructured: u}.Ref() }

// Longest is how long a drill of so many faults takes at most: each is a run with its undo, and perhaps a copy that is made
// anew.
func (g Gate) Longest(faults int) time.Duration {
	g = g.withDefaults()
	return time.Duration(2*faults+1)*(g.Timeout+g.UndoTimeout) + g.UndoTimeout
}
