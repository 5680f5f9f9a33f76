package gate

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// PreflightMode says what a preflight that finds something wrong means.
type PreflightMode string

// The modes; "" is PreflightEnforce.
const (
	PreflightEnforce PreflightMode = "enforce" // nothing is applied
	PreflightWarn    PreflightMode = "warn"    // it is noted
	PreflightOff     PreflightMode = "off"     // nothing is asked
)

// preflightTime is how long the questions of a preflight may take altogether.
const preflightTime = time.Minute

// fits checks that settle and window fit into the timeout, before anything starts.
func (r *run) fits() error {
	if len(r.g.Criteria) == 0 {
		return nil
	}
	longest := r.g.Timing.With(r.criteria.Facts.Scrape, r.criteria.Facts.Lag).Longest(r.g.Criteria)
	if longest < r.g.Timeout {
		return nil
	}
	return r.fail(invalidError{fmt.Errorf("the criteria alone take %s, and --timeout is %s\n  hint: raise --timeout, or shorten --settle and --window", wording.Duration(longest), wording.Duration(r.g.Timeout))})
}

// invalidError is something that the user has asked for and that cannot be.
type invalidError struct{ error }

// Outcome says what it means for the run.
func (invalidError) Outcome() Outcome { return Invalid }

// unreachableError is a way to a server that could not be found.
type unreachableError struct{ error }

// Outcome says what it means for the run.
func (u unreachableError) Outcome() Outcome {
	if OutcomeOf(u.error) == Denied {
		return Denied
	}
	return Retry
}

// reach finds the way to a server inside the cluster, once. On an error the exit is set and nothing was changed.
func (r *run) reach(ctx context.Context) error {
	if r.criteria.Querier != nil || r.g.Reach == nil {
		return nil
	}
	querier, how, end, err := r.g.Reach(ctx)
	if ended := r.interrupted(ctx, "finding the way to Prometheus"); ended != nil {
		return r.fail(ended)
	}
	if err != nil {
		return r.fail(unreachableError{err})
	}
	r.criteria.Querier, r.unreach = querier, end
	r.note("%s", how)
	return nil
}

// preflight asks every criterion about the running version. On an error the exit is set and nothing was changed.
func (r *run) preflight(targets []rollout.Target, live []rollout.Object) error {
	if len(r.g.Criteria) == 0 {
		return nil
	}
	if err := r.fits(); err != nil {
		return err
	}
	ctx, release := r.course.enter(Planning, preflightTime)
	defer release()
	if err := r.reach(ctx); err != nil || r.g.Preflight == PreflightOff {
		return err
	}
	r.step(Step{Name: StepPreflight, Criteria: len(r.g.Criteria)})
	pods, err := r.ask(ctx, targets, live)
	if err != nil {
		return err
	}
	if err := r.fits(); err != nil {
		return err
	}
	facts := r.criteria.Facts
	err = facts.Refusal(r.g.Criteria, r.g.Timing, !criteria.Known(pods, time.Now()))
	if err == nil {
		return nil
	}
	if r.g.Preflight == PreflightWarn {
		for line := range strings.Lines(err.Error()) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "hint:") {
				r.note("preflight: %s", line)
			}
		}
		return nil
	}
	r.refuseByCriteria(facts)
	return err
}

// ask asks the criteria once about the pods that run now. On an error that ends the run the exit is set.
func (r *run) ask(ctx context.Context, targets []rollout.Target, live []rollout.Object) ([]rollout.RunningPod, error) {
	pods, err := r.g.Cluster.PodsOf(ctx, live)
	if err != nil {
		r.note("the running pods could not be listed, so the preflight could not tell versions apart: %v", err)
	}
	r.findService(ctx, targets)
	err = r.criteria.Preflight(ctx, asWorkloads(targets), pods)
	if ended := r.interrupted(ctx, "asking the criteria"); ended != nil {
		return pods, r.fail(ended)
	}
	if err != nil {
		return pods, r.unasked(err)
	}
	r.tellFacts(r.criteria.Facts)
	return pods, nil
}

// findService gives ${service} its value: the one Service that selects the pods of the one workload. Nobody is asked
// when no criterion wants to know.
func (r *run) findService(ctx context.Context, targets []rollout.Target) {
	object, ref, wanted := r.criteria.WantsService(asWorkloads(targets))
	if !wanted {
		return
	}
	found, err := r.g.Cluster.ServicesOf(ctx, object)
	switch {
	case err != nil:
		r.note("${service} has no value: %v", err)
	case len(found) != 1:
		r.note("${service} has no value: %d Services select the pods of %s", len(found), ref)
	default:
		r.criteria.Vars.Service = found[0]
	}
}

// unasked is a server that does not answer before anything was changed.
func (r *run) unasked(err error) error {
	if r.g.Preflight == PreflightWarn {
		r.note("preflight: %s", strings.Split(err.Error(), "\n")[0])
		return nil
	}
	if OutcomeOf(err) == Internal {
		err = unreachableError{err}
	}
	return r.fail(err)
}

// tellFacts says what was found out, as far as a reader needs it.
func (r *run) tellFacts(f analysis.Facts) {
	if f.Scrape > 0 {
		r.tell(manifest.Ref{}, Source{Backend: cmp.Or(f.Backend, "Prometheus"), Scrape: f.Scrape})
	}
	if f.Skew.Abs() > 5*time.Second {
		r.note("the clock of Prometheus differs from this machine's by %s", f.Skew.Round(time.Second))
	}
	if f.Lag > 0 {
		r.note("the newest data in Prometheus is %s old; criteria are measured up to there", f.Lag)
	}
	for i, c := range f.Criteria {
		for _, n := range c.Notes {
			r.note("criterion %q: %s", c.Name, n)
		}
		before := Before{Criterion: c.Name, State: c.State, Problem: c.Problem}
		if c.Before != nil {
			before.Value = r.g.Criteria[i].Limit.Unit.Format(float64(*c.Before))
		}
		r.tell(manifest.Ref{}, before)
	}
}

// refuseByCriteria writes the findings of a run that does not begin.
func (r *run) refuseByCriteria(f analysis.Facts) {
	r.exit(Refused, nothingChanged)
	for i, c := range f.Criteria {
		criterion := r.g.Criteria[i]
		if criterion.Report || c.State == analysis.OK || c.State == analysis.Thin {
			continue
		}
		about := diagnosis.Criterion{Name: c.Name, Text: criterion.Text(), Reason: c.Problem}
		if criterion.Endpoint != nil {
			about.Source = analysis.SourceEndpoint
		}
		if c.State != analysis.Breach {
			r.findings = append(r.findings, diagnosis.CriterionUnusable(about))
			continue
		}
		about.Reason = ""
		if c.Before != nil {
			unit := criterion.Limit.Unit
			about.Reason = unit.Format(float64(*c.Before)) + " against " + string(criterion.Op) + " " + unit.Format(criterion.Limit.Value)
		}
		r.findings = append(r.findings, diagnosis.CriterionFailsBefore(about))
	}
}
