package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// planTime is how long the API server may take for all answers of a plan. One that hangs is no reason to hang.
const planTime = 2 * time.Minute

// plan asks the cluster what would happen. On an error the exit is set and nothing was changed.
func (r *run) plan(ctx context.Context, objects []manifest.Object) (cluster.Plan, error) {
	r.tell(EventStep, manifest.Ref{}, "plan: %s", count(len(objects), "object", "objects"))
	if err := checkTuning(objects); err != nil {
		r.exit(Invalid, "nothing was changed")
		return cluster.Plan{}, err
	}
	limited, cancel := context.WithTimeout(ctx, planTime)
	defer cancel()
	plan, err := r.g.Cluster.Plan(limited, objects)
	secrets := plan.SecretValues()
	r.redact = newRedactor(secrets)
	if r.g.Secrets != nil && len(secrets) > 0 {
		r.g.Secrets(secrets)
	}
	r.report.Notes = append(r.report.Notes, plan.Notes...)
	r.changedConfig = plan.ChangedConfig()
	if err == nil && len(plan.Refusals) > 0 {
		err = r.refuse(plan.Refusals)
		return plan, err
	}
	if err != nil {
		r.exit(r.before(ctx, err), "nothing was changed")
		return plan, err
	}
	if lacks := strings.Join(plan.CannotUndo, ", "); lacks != "" && !r.g.NeverUndo && r.report.Run.Command == "run" {
		r.exit(Denied, "nothing was changed")
		return plan, fmt.Errorf("this account could not undo a bad rollout: it cannot %s\n  hint: grant it, or give up on undoing with --undo=never", lacks)
	}
	for _, i := range plan.Items {
		for _, warning := range i.Warnings {
			r.report.Notes = append(r.report.Notes, fmt.Sprintf("%s: the API server warns: %s", i.Ref(), warning))
		}
		r.report.Changes = append(r.report.Changes, Change{Object: i.Ref(), Source: i.Object.Source, Action: string(i.Action), Diff: i.Diff()})
		r.tell(EventPlan, i.Ref(), "%s", planned(i.Action))
	}
	return plan, nil
}

func planned(a cluster.Action) string {
	switch a {
	case cluster.Created:
		return "will be created"
	case cluster.Configured:
		return "will be changed"
	}
	return "is as it should be"
}

// refuse turns what the API server would not take into findings, and into the exit code of the worst of them.
func (r *run) refuse(refusals []cluster.Refusal) error {
	outcome := Refused
	var errs []error
	for _, refusal := range refusals {
		f := diagnosis.ExplainApply(refusal.Err, refusal.Object)
		r.report.Findings = append(r.report.Findings, f)
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", refusal.Object.Source.Path, refusal.Object.Source.Line, refusal.Object.Ref(), f.Cause))
		switch f.Code {
		case "SchemaInvalid":
			outcome = Invalid
		case "ApplyForbidden":
			outcome = Denied
		case "ApiUnavailable", "AdmissionWebhookDown", "OptimisticLockConflict":
			outcome = Retry
		}
	}
	r.exit(outcome, "nothing was changed")
	return errors.New(r.redact.text(errors.Join(errs...).Error()))
}

// before is the outcome of an error that came before anything was changed.
func (r *run) before(ctx context.Context, err error) Outcome {
	var invalid *manifest.Error
	switch {
	case ctx.Err() != nil:
		return cancelledBy(ctx)
	case errors.As(err, &invalid):
		return Invalid
	case cluster.IsDenied(err):
		return Denied
	case cluster.IsUnreachable(err), cluster.IsTransient(err):
		return Retry
	}
	return Refused
}

// cancelledBy is the outcome for the signal that ended the context.
func cancelledBy(ctx context.Context) Outcome {
	var c Cancelled
	if errors.As(context.Cause(ctx), &c) && c.Signal == syscall.SIGTERM {
		return Terminated
	}
	return Interrupted
}

// apply writes the plan. What it has written is returned also with an error.
func (r *run) apply(ctx context.Context, plan cluster.Plan) ([]cluster.Change, error) {
	r.tell(EventStep, manifest.Ref{}, "apply")
	return r.g.Cluster.Apply(ctx, plan, func(c cluster.Change) {
		if c.Action != cluster.Unchanged {
			r.tell(EventApplied, c.Ref(), "%s", c.Action)
		}
	})
}

// abandon ends a run whose apply did not go through: what was written is put back.
func (r *run) abandon(ctx context.Context, changes []cluster.Change, err error) {
	var applying *cluster.ApplyError
	if errors.As(err, &applying) {
		r.report.Findings = append(r.report.Findings, diagnosis.ExplainApply(applying.Err, applying.Object))
	}
	if !written(changes) {
		r.exit(r.before(ctx, err), "nothing was changed")
		return
	}
	e := ending{outcome: RolloutFailed}
	switch {
	case ctx.Err() != nil:
		e.outcome = cancelledBy(ctx)
	case errors.Is(err, errTimeout):
		e.outcome = TimedOut
	}
	r.conclude(ctx, e, changes)
}

func written(changes []cluster.Change) bool {
	for _, c := range changes {
		if c.Action != cluster.Unchanged {
			return true
		}
	}
	return false
}
