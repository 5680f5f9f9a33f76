package gate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// planTime is how long the API server may take for all answers of a plan. One that hangs is no reason to hang.
const planTime = 2 * time.Minute

// plan asks the cluster what would happen. On an error the exit is set and nothing was changed.
func (r *run) plan(objects []manifest.Object) (patch.Plan, error) {
	r.step(Step{Name: StepPlan, Objects: len(objects)})
	if err := errors.Join(checkTuning(objects), CheckObjects(objects, r.known)); err != nil {
		return patch.Plan{}, r.fail(err)
	}
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	plan, err := r.g.Cluster.Plan(ctx, objects)
	r.hide(plan.SecretValues())
	for _, n := range plan.Notes {
		r.note("%s", n)
	}
	if ended := r.interrupted(ctx, "asking the API server what would change"); ended != nil {
		return plan, r.fail(ended)
	}
	if err != nil {
		return plan, r.fail(err)
	}
	if len(plan.Refusals) > 0 {
		others, err := r.conflictsWithGitOps(ctx, plan)
		if len(others) > 0 {
			err = errors.Join(err, r.refuse(others))
		}
		return plan, err
	}
	r.considerPlan(plan)
	if lacks := strings.Join(plan.CannotUndo, ", "); lacks != "" && !r.g.NeverUndo && r.report.Run.Command == "run" {
		return plan, r.fail(deniedError{fmt.Errorf("this account could not undo a bad rollout: it cannot %s\n  hint: grant it, or give up on undoing with --undo=never", lacks)})
	}
	r.config = changedConfig(plan)
	if r.g.RestartOnConfigChange {
		plan = restarts(plan, r.config, time.Now())
	}
	if plan, err = r.withPrunes(ctx, plan); err != nil {
		if ended := r.interrupted(ctx, "asking the API server what is to be pruned"); ended != nil {
			return plan, r.fail(ended)
		}
		return plan, r.fail(err)
	}
	for _, w := range slices.Concat(plan.Writes, plan.Prunes) {
		if w.Test == 0 { // whether there is something to test, the stages tell
			r.planned(w)
		}
	}
	if r.resumed == "" {
		r.forgottenPins(plan)
	}
	if plan, err = r.withPins(ctx, plan); err != nil {
		if ended := r.interrupted(ctx, "asking the API server about Services"); ended != nil {
			return plan, r.fail(ended)
		}
		return plan, r.fail(err)
	}
	return plan, r.deployedByGitOps(ctx, plan)
}

// planned tells of a write that is to be.
func (r *run) planned(w patch.Write) {
	for _, warning := range w.Warnings {
		r.note("%s: the API server warns: %s", w.Ref, warning)
	}
	if why := patch.OneWay(w); why != "" && !r.stays(w) {
		r.note("%s: an undo could not bring it back: %s", w.Ref, why)
	}
	if w.Replaces != "" {
		r.note("%s: the one of an earlier run is deleted first, and an undo does not bring it back", w.Ref)
	}
	r.report.Changes = append(r.report.Changes, Change{Object: w.Ref, Source: w.Source, Action: string(w.Action), Diff: w.Diff()})
	r.tell(w.Ref, Planned{w.Action})
}

// tryBack says what an undo of the plan would meet.
func (r *run) tryBack(plan patch.Plan) {
	if lacks := strings.Join(plan.CannotUndo, ", "); lacks != "" {
		r.note("this account could not undo a bad rollout: it cannot %s; run would refuse to begin, unless --undo=never", lacks)
		return
	}
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	for _, w := range plan.Writes {
		if r.stays(w) {
			continue
		}
		if err := r.g.Cluster.TryBack(ctx, w); err != nil {
			r.note("%s: an undo could not bring it back: the API server would refuse what is there now: %v", w.Ref, err)
		}
	}
}

// hide keeps values of Secrets out of everything that this run says, from now on.
func (r *run) hide(secrets []string) {
	r.secrets = append(r.secrets, secrets...)
	r.redact = newRedactor(r.secrets)
	if r.g.Secrets != nil && len(secrets) > 0 {
		r.g.Secrets(secrets)
	}
}

// deniedError is something that the account may not do.
type deniedError struct{ error }

// Outcome says what it means for the run.
func (deniedError) Outcome() Outcome { return Denied }

// refuse turns what the API server would not take into findings, and into the exit code of the worst of them.
func (r *run) refuse(refusals []patch.Refusal) error {
	outcome := Refused
	var errs []error
	for _, refusal := range refusals {
		f := diagnosis.ExplainApply(refusal.Err, refusal.Object)
		r.findings = append(r.findings, f)
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", refusal.Object.Source.Path, refusal.Object.Source.Line, refusal.Object.Ref(), f.Cause))
		if o := outcomeOfRefusal(f.Refusal()); o != Refused {
			outcome = o
		}
	}
	r.exit(outcome, nothingChanged)
	return errors.New(r.redact.text(errors.Join(errs...).Error()))
}

// outcomeOfRefusal is what a refusal means: who has to do something about it.
func outcomeOfRefusal(refusal diagnosis.Refusal) Outcome {
	switch refusal {
	case diagnosis.RefusedAsInvalid:
		return Invalid
	case diagnosis.RefusedToAccount:
		return Denied
	case diagnosis.RefusedForNow:
		return Retry
	}
	return Refused
}
