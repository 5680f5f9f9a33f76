package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// compareTime is how long it may take to find out what a command has changed.
	compareTime = 30 * time.Second
	// whyTime is how long what a failed command has changed is watched, so that the cluster can say why.
	whyTime = 10 * time.Second
)

// Wrap lets a command make the release: it reads what the command is expected to change, puts it on record, carries the
// command out, and finds out what it has changed. Everything after that is as in Run.
func (g Gate) Wrap(ctx context.Context, c Command) (Report, error) {
	r := g.begin(ctx, "run")
	r.scope = &record.Scope{Command: c.Argv, Workloads: c.Workloads, Also: c.Also, Selector: c.Selector}
	return r.wrap(c)
}

// wrap is the straight way with a command in the place of writing.
func (r *run) wrap(c Command) (Report, error) {
	if err := r.canWrap(); err != nil {
		return r.failed(err)
	}
	r.report.Command = &CommandReport{Argv: c.Argv, ExitCode: -1}
	plan, err := r.snapshot()
	if err != nil {
		return r.end(), err
	}
	if plan, err = r.reserve(plan, r.snapshot); err != nil {
		return r.end(), err
	}
	if err := r.preflight(targetsOfSnapshot(plan), liveOf(plan)); err != nil {
		return r.end(), err
	}
	r.mayKeep(plan)
	stages := []Stage{{Name: "all", Writes: plan.Writes, Judge: true}}
	r.stages, r.changes = onRecord(stages), true
	if err := r.keep(stages); err != nil {
		return r.failed(err)
	}
	r.begins()
	r.writes, r.begun = slices.Clone(r.carried), 1
	verdict := r.release(c, stages[0])
	if len(r.g.UndoCommand) == 0 {
		r.noteHelm(c.Argv)
	}
	r.conclude(verdict)
	r.plot()
	return r.end(), nil
}

// canWrap refuses what a run of manifests can do and one of a command cannot.
func (r *run) canWrap() error {
	switch d := r.g.Delivery; {
	case r.g.RunCommand == nil:
		return invalidError{errors.New("nobody here can carry a command out")}
	case len(d.Parts) > 0 || d.Drain || d.HelmTests:
		return invalidError{errors.New("stages do not go with a command: it changes all pods at once, and nothing can be held back\n  hint: give the manifests to rolloutgate instead, for example with helm template")}
	case r.g.RestartOnConfigChange:
		return invalidError{errors.New("--restart-on-config-change does not go with a command: what it writes is its own business\n  hint: let the command restart what reads the ConfigMap")}
	}
	return r.fits()
}

// snapshot reads what the command is expected to change. On an error the exit is set and nothing was changed.
func (r *run) snapshot() (patch.Plan, error) {
	r.step(Step{Name: StepSnapshot})
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	plan, err := r.g.Cluster.Snapshot(ctx, *r.scope)
	r.hide(plan.SecretValues())
	for _, n := range plan.Notes {
		r.note("%s", n)
	}
	if ended := r.interrupted(ctx, "reading what the command is to change"); ended != nil {
		return plan, r.fail(ended)
	}
	if err != nil {
		return plan, r.fail(err)
	}
	if len(plan.Writes) == 0 && r.scope.Selector == "" {
		return plan, r.fail(invalidError{errors.New("nothing is named that the command is to change")})
	}
	if lacks := strings.Join(plan.CannotUndo, ", "); lacks != "" && !r.g.NeverUndo && len(r.g.UndoCommand) == 0 {
		return plan, r.fail(deniedError{fmt.Errorf("this account could not undo a bad release: it cannot %s\n  hint: grant it, let --undo-command do it, or give up on undoing with --undo=never", lacks)})
	}
	for _, w := range plan.Writes { // so that the record says what is to stay, should the run be killed with its command
		r.consider(w.Ref, annotationsOf(w.Before))
	}
	return plan, r.deployedByGitOps(ctx, workloadsOf(plan))
}

// workloadsOf are the workloads of a snapshot alone: who keeps them keeps the release. What their pods read may be anybody's,
// and the command need not change it.
func workloadsOf(p patch.Plan) patch.Plan {
	p.Writes = slices.DeleteFunc(slices.Clone(p.Writes), func(w patch.Write) bool {
		return !rollout.Watched(w.Ref.GroupKind()) && (w.Before == nil || rollout.PodTemplate(rollout.Typed(w.Before)) == nil)
	})
	return p
}

// release carries the command out and judges what has come of it.
func (r *run) release(c Command, s Stage) Verdict {
	ctx, release := r.course.enter(Writing, r.remaining())
	if err := r.mayWrite(ctx); err != nil {
		release()
		v, _ := r.unwritten(ctx, err)
		return v
	}
	ran := r.execute(ctx, c.Argv, false, r.g.Timeout)
	r.report.Command = ran
	var cut Verdict // where the command was not left to end by itself
	ended := context.Cause(ctx)
	if ended != nil && ran.Failure != "" || errors.As(ended, new(Cancelled)) || r.course.yielded() != nil {
		cut, _ = r.unwritten(ctx, ended)
	}
	release()
	if err := r.findOut(s.Writes); err != nil {
		r.note("what the command has changed could not be found out: %v", err)
		r.writes = append(slices.Clone(r.carried), s.Writes...) // the undo looks again
		if cut.Outcome == Passed {
			cut = Verdict{Outcome: RolloutFailed, Target: -1}
		}
	}
	switch {
	case cut.Outcome == TimedOut:
		r.why(ran, s)
		return cut
	case cut.Outcome != Passed:
		if cut.Outcome == RolloutFailed {
			r.findings = append(r.findings, commandFinding(ran))
		}
		return cut
	case ran.Failure != "":
		return r.why(ran, s)
	}
	if r.untouched() {
		r.note("the command has ended well, and has changed nothing of what it was said to change")
	}
	r.timeAfterCommand()
	return r.watchStage(s, nil)
}

// findOut finds out what the command has changed, and puts it on record.
func (r *run) findOut(before []patch.Write) error {
	ctx, cancel := context.WithTimeout(r.course.root, compareTime)
	defer cancel()
	var after []patch.Write
	err := insist(ctx, func() (err error) {
		var notes []string
		after, notes, err = r.g.Cluster.Compare(ctx, *r.scope, before)
		for _, n := range notes {
			r.note("%s", n)
		}
		return err
	})
	if err != nil {
		return err
	}
	asSent := patch.Plan{Writes: slices.Clone(after)} // as a plan would have it
	for i := range asSent.Writes {
		asSent.Writes[i].Sent, asSent.Writes[i].After = after[i].Written, after[i].Written
	}
	r.hide(asSent.SecretValues())
	r.config = changedConfig(asSent)
	r.considerFound(after)
	for i, w := range after {
		changed := w.Action != patch.Unchanged && (w.Written != nil || w.Before != nil)
		if !changed && !rollout.Watched(w.Ref.GroupKind()) {
			continue
		}
		r.report.Changes = append(r.report.Changes, Change{Object: w.Ref, Action: string(w.Action), Diff: asSent.Writes[i].Diff()})
		if changed {
			r.tell(w.Ref, Applied{Action: w.Action})
		}
	}
	r.writes = append(slices.Clone(r.carried), after...)
	r.stages[0].Writes, r.scope.Found = after, true
	return r.keepOn()
}

// why says why a command has failed: what it has changed is watched for a moment, because the cluster knows more than the
// command does.
func (r *run) why(ran *CommandReport, s Stage) Verdict {
	own := commandFinding(ran)
	verdict := Verdict{Outcome: RolloutFailed, Target: -1}
	targets := r.targetsOf(slices.DeleteFunc(slices.Clone(r.writes), func(w patch.Write) bool { return w.Action == patch.Unchanged }))
	r.targets = r.targetsOf(r.writes)
	if len(targets) == 0 {
		r.findings = append(r.findings, own)
		return verdict
	}
	r.step(Step{Name: StepWatch, Workloads: len(targets), Limit: whyTime})
	f, stop := r.follow(targets)
	defer stop()
	f.stage = s
	ctx, release := r.course.enter(Watching, whyTime)
	v := f.until(ctx, Watching, false)
	release()
	r.report.Workloads = f.statuses()
	if v.Outcome == Interrupted || v.Outcome == Terminated || v.Outcome == Superseded {
		return v
	}
	var seen []diagnosis.Finding
	if v.Outcome != Passed {
		r.step(Step{Name: StepDiagnose})
		seen = slices.DeleteFunc(f.explain(v), diagnosis.OnlyLate)
	}
	if v.Finding != nil || len(seen) > 0 && seen[0].Blames() {
		r.findings = append(append(r.findings, seen...), own)
	} else {
		r.findings = append(append(r.findings, own), seen...)
	}
	return verdict
}

func commandFinding(ran *CommandReport) diagnosis.Finding {
	return diagnosis.CommandFailed(commandName(ran.Argv), ran.Failure, ran.Output)
}

// noteHelm says what an undo by this run means for a release of Helm's.
func (r *run) noteHelm(argv []string) {
	if commandName(argv) != "helm" {
		return
	}
	r.note("an undo of this run puts the objects back, and `helm history` does not know of it: add --undo-command 'helm rollback %s' to let Helm do it", helmRelease(argv))
}

// helmRelease is the name of the release in a command line of Helm's, as far as it can be told without knowing all flags.
func helmRelease(argv []string) string {
	for i, word := range argv {
		if word != "upgrade" && word != "install" {
			continue
		}
		for _, next := range argv[i+1:] {
			if next == "--install" || next == "-i" {
				continue
			}
			if strings.HasPrefix(next, "-") {
				break
			}
			return next
		}
	}
	return "RELEASE"
}

// targetsOfSnapshot are the workloads of a snapshot, before the command.
func targetsOfSnapshot(p patch.Plan) []rollout.Target {
	var targets []rollout.Target
	for _, w := range p.Writes {
		if w.Before != nil && rollout.Watched(w.Ref.GroupKind()) {
			targets = append(targets, rollout.Target{Ref: w.Ref, Resource: w.Resource, Applied: rollout.Typed(w.Before), Previous: rollout.Typed(w.Before)})
		}
	}
	return targets
}

// traceCommand finds out what the command of a dead run has left, which may have ended without anybody looking.
func (r *run) traceCommand(ctx context.Context, u record.Record) ([]patch.Write, error) {
	var own, all []patch.Write
	for i, w := range u.Writes() {
		switch {
		case u.Lacks(w):
			r.lack(w.Ref)
		case i < len(u.Carried):
			if err := r.g.Store.Trace(ctx, &w); err != nil {
				return nil, fmt.Errorf("finding out what run %s has left: %w", u.ID, err)
			}
			all = append(all, w)
		default:
			if signed, known := r.signs[u.ID]; known && !u.Scope.Found {
				w.Until = signed.Add(record.Validity)
			}
			own = append(own, w)
		}
	}
	after, notes, err := r.g.Cluster.Compare(ctx, *u.Scope, own)
	if err != nil {
		return nil, fmt.Errorf("finding out what the command of run %s has left: %w", u.ID, err)
	}
	for _, n := range notes {
		r.note("%s", n)
	}
	r.hide(patch.Plan{Writes: after}.SecretValues())
	for _, w := range after { // what is on record is known, and the rest only from what the command has written
		r.consider(w.Ref, annotationsOf(w.Written, w.Before))
	}
	return append(all, after...), nil
}

// scopeOnRecord is the scope as it is kept: the command is only shown, and without what is known to be secret.
func (r *run) scopeOnRecord() *record.Scope {
	if r.scope == nil {
		return nil
	}
	scope := *r.scope
	scope.Command = slices.Clone(scope.Command)
	for i := range scope.Command {
		scope.Command[i] = r.redact.text(scope.Command[i])
	}
	return &scope
}
