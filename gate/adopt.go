package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// noticeTime is how long a living run that is taken over may take to notice it: its next renewal, and some time for that.
const noticeTime = record.Renew + 2*time.Second

// reserve takes the lock, and takes unfinished runs over that held one of the objects. What has to be written may be
// something else afterwards, so the answer is a new plan where anything has happened meanwhile.
func (r *run) reserve(plan patch.Plan, objects []manifest.Object) (patch.Plan, error) {
	if r.g.Store == nil {
		return plan, nil
	}
	dead, waited, err := r.acquire(plan.Writes)
	if OutcomeOf(err) == Denied {
		r.note("this account may not use leases, so nothing keeps another run from the same objects but the conditions of each write: %v", err)
		return plan, nil
	}
	if err != nil {
		return plan, r.fail(err)
	}
	if len(dead) == 0 && !waited && r.resumed == "" {
		return plan, nil
	}
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	unfinished, err := r.unfinished(ctx, dead)
	if err == nil && r.resumed != "" && !slices.ContainsFunc(unfinished, func(u record.Record) bool { return u.ID == r.resumed }) {
		var u record.Record // somebody has deleted its lease
		u, err = r.g.Store.LoadRecord(ctx, r.g.Namespace, r.resumed)
		unfinished = append(unfinished, u)
	}
	if err != nil {
		return plan, r.fail(err)
	}
	if len(unfinished) > 0 && r.g.TakeOver {
		wait(ctx, noticeTime)
	}
	r.report.Changes = nil
	if plan, err = r.plan(objects); err != nil {
		return plan, err
	}
	for _, u := range unfinished {
		if plan, err = r.adopt(ctx, plan, u); err != nil {
			return plan, r.fail(err)
		}
	}
	return plan, nil
}

// unfinished are the records of dead runs that have left something behind, the oldest first. A run that had ended, or
// that had not begun to write, has not.
func (r *run) unfinished(ctx context.Context, dead []record.Lease) ([]record.Record, error) {
	var all []record.Record
	for _, l := range dead {
		if slices.ContainsFunc(all, func(u record.Record) bool { return u.ID == l.Run }) {
			continue // it had leases in several namespaces
		}
		u, err := r.g.Store.LoadRecord(ctx, l.Home, l.Run)
		switch {
		case missing(err), err == nil && u.State.Ended():
			r.lock.drop(ctx, l.Run)
		case err != nil:
			return nil, err
		default:
			all = append(all, u)
		}
	}
	// What another one has taken over is in its record.
	return slices.DeleteFunc(all, func(u record.Record) bool {
		return slices.ContainsFunc(all, func(o record.Record) bool { return slices.Contains(o.TookOver, u.ID) })
	}), nil
}

// missing tells a run that is not on record from one whose record cannot be read.
func missing(err error) bool {
	var m *record.MissingError
	return errors.As(err, &m)
}

// adopt makes the writes of an unfinished run this run's own: an undo goes back to what was there before them.
func (r *run) adopt(ctx context.Context, plan patch.Plan, u record.Record) (patch.Plan, error) {
	r.tell(manifest.Ref{}, Adopted{Run: u.ID, Since: u.Started, Pipeline: u.Pipeline.URL})
	r.note("run %s did not come to its end; this run goes on from there, and an undo goes back to what was there before it", u.ID)
	r.tookOver, r.adopted = append(append(r.tookOver, u.TookOver...), u.ID), append(r.adopted, u)
	if r.g.Preflight == PreflightEnforce || r.g.Preflight == "" {
		r.g.Preflight = PreflightWarn // what runs is what the unfinished run has left: that it is bad is no reason to keep it
	}
	r.hide(patch.Plan{Writes: u.Writes()}.SecretValues())
	for _, w := range u.Writes() {
		if w.Action == patch.Unchanged {
			continue
		}
		if u.Lacks(w) {
			r.lack(w.Ref)
			continue
		}
		if err := r.g.Store.Trace(ctx, &w); err != nil {
			return plan, fmt.Errorf("finding out what run %s has left: %w", u.ID, err)
		}
		if w.Written == nil {
			continue
		}
		i := slices.IndexFunc(plan.Writes, func(o patch.Write) bool { return o.Ref == w.Ref })
		if i < 0 || plan.Writes[i].Action == patch.Unchanged {
			r.carried = append(r.carried, w)
			continue
		}
		rebased, err := r.g.Store.Rebase(ctx, w, plan.Writes[i])
		if err != nil {
			return plan, err
		}
		plan.Writes[i] = rebased
		if rebased.Base != nil { // this run may not come to its own write
			r.carried = append(r.carried, w)
		}
	}
	return plan, nil
}

// record is the run as it is kept: this one, or the one that it puts back.
func (r *run) record(state record.State) record.Record {
	if r.found != nil {
		out := *r.found
		out.State, out.Finished = state, now()
		return out
	}
	out := record.Record{
		ID: r.report.Run.ID, Version: r.g.Version, Namespace: r.g.Namespace, Pipeline: r.g.Pipeline, Started: r.report.Run.Started,
		State: state, Stages: r.stages, Carried: r.carried, TookOver: r.tookOver,
		LeaveOnCancel: r.g.LeaveOnCancel || r.g.NeverUndo,
	}
	for _, c := range r.g.Criteria {
		out.Criteria = append(out.Criteria, c.Name)
	}
	if state != record.Running {
		out.Finished, out.Outcome, out.Code = now(), r.report.Exit.Name, r.report.Exit.Code
		if len(r.findings) > 0 && r.report.Exit.Code != 0 {
			out.Cause = r.findings[0].Code
		}
	}
	return out
}
