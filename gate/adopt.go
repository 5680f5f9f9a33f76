package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// noticeTime is after which a run that was taken over writes nothing more, whether it could look at its lease or not.
const noticeTime = record.Validity

// reserve takes the lock, and takes unfinished runs over that held one of the objects. What has to be written may be
// something else afterwards, so the plan is made again where anything has happened meanwhile.
func (r *run) reserve(plan patch.Plan, again func() (patch.Plan, error)) (patch.Plan, error) {
	if r.g.Store == nil {
		return plan, nil
	}
	dead, waited, err := r.acquire(slices.Concat(plan.Writes, plan.Prunes))
	if OutcomeOf(err) == Denied {
		r.noLease(err)
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
	r.awaitEnd(ctx, dead)
	unfinished, err := r.unfinished(ctx, dead)
	if err == nil && r.resumed != "" && !slices.ContainsFunc(unfinished, func(u record.Record) bool { return u.ID == r.resumed }) {
		var u record.Record // somebody has deleted its lease
		u, err = r.g.Store.LoadRecord(ctx, r.g.Namespace, r.resumed)
		unfinished = append(unfinished, u)
	}
	if err != nil {
		return plan, r.fail(err)
	}
	for _, u := range unfinished {
		r.goesOnPinned(u)
	}
	r.report.Changes, r.pruning.unfinished = nil, unfinished
	if plan, err = again(); err != nil {
		return plan, err
	}
	for _, u := range unfinished {
		r.unfinishedRun(u)
		if plan, err = r.adopt(ctx, plan, u); err != nil {
			return plan, r.fail(err)
		}
	}
	return plan, nil
}

// noLease says what it means that the account may not use leases.
func (r *run) noLease(err error) {
	r.note("this account may not use leases, so nothing keeps another run from the same objects but the conditions of each write: %v", err)
}

// awaitEnd waits until runs that were alive when they were taken over have noticed it: what they write until then counts.
func (r *run) awaitEnd(ctx context.Context, dead []record.Lease) {
	if !r.g.TakeOver || len(dead) == 0 {
		return
	}
	seen := func(l record.Lease) bool {
		return l.Parked || l.Process.Machine == r.g.Here.Self.Machine && l.Dead(r.g.Store.Now(), r.g.Here)
	}
	for began := time.Now(); time.Since(began) < noticeTime && ctx.Err() == nil; wait(ctx, time.Second) {
		if !slices.ContainsFunc(dead, func(l record.Lease) bool { return !seen(l) }) {
			return // their processes are gone
		}
	}
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
		const lost = "run %s did not come to its end, and it is not on record here%s: an undo goes back to what it has left"
		switch {
		case missing(err) && l.Kept != "" && l.Kept != string(KeepInCluster):
			r.note(lost, l.Run, "")
			r.lock.drop(ctx, l.Run)
		case OutcomeOf(err) == Denied:
			r.note(lost, l.Run, fmt.Sprintf(" for this account (%v)", err))
			r.lock.drop(ctx, l.Run)
		case missing(err), err == nil && u.State.Ended():
			r.lock.drop(ctx, l.Run)
		case err != nil:
			return nil, err
		default:
			all = append(all, u)
		}
	}
	slices.SortFunc(all, func(a, b record.Record) int { return record.Newest(b.Summary(), a.Summary()) })
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
	if u.State == record.Parked {
		r.note("run %s was parked; this run goes on from there, and an undo goes back to what was there before it", u.ID)
	} else {
		r.note("run %s did not come to its end; this run goes on from there, and an undo goes back to what was there before it", u.ID)
	}
	r.tookOver = append(append(r.tookOver, u.TookOver...), u.ID)
	r.adopted = append(append(r.adopted, u), r.unaware(ctx, u)...)
	if r.g.Preflight == PreflightEnforce || r.g.Preflight == "" {
		r.g.Preflight = PreflightWarn // what runs is what the unfinished run has left: that it is bad is no reason to keep it
	}
	r.hide(patch.Plan{Writes: u.Writes()}.SecretValues())
	r.goOnTreating(u)
	left, err := r.trace(ctx, u)
	if err != nil {
		return plan, err
	}
	for _, w := range left {
		if w.Action == patch.Unchanged {
			continue
		}
		if w.Written == nil && !w.Prepared && w.Action != patch.Removed {
			continue
		}
		i := slices.IndexFunc(plan.Writes, func(o patch.Write) bool { return o.Ref == w.Ref })
		if i >= 0 && r.goesOnWith(u.ID, w, plan.Writes[i]) {
			w.Object, plan.Writes[i] = plan.Writes[i].Object, w
			continue
		}
		if i < 0 && w.Action != patch.Pruned {
			if n := slices.IndexFunc(plan.Prunes, func(o patch.Write) bool { return o.Ref == w.Ref }); n >= 0 {
				if plan.Prunes[n], err = r.g.Store.Rebase(ctx, w, plan.Prunes[n]); err != nil {
					return plan, err
				}
			}
		}
		if i < 0 || plan.Writes[i].Action == patch.Unchanged {
			r.carried = append(r.carried, w)
			continue
		}
		if w.Action == patch.Removed { // this run makes it again, or finds it as somebody has
			plan.Writes[i].Base = &patch.Base{Object: w.Origin()}
			r.carried = append(r.carried, w)
			continue
		}
		rebased, err := r.g.Store.Rebase(ctx, w, plan.Writes[i])
		if err != nil {
			return plan, err
		}
		plan.Writes[i] = rebased
		if rebased.Base != nil || rebased.Replaces != "" || w.Prepared { // this run may not come to its own write
			r.carried = append(r.carried, w)
		}
	}
	return plan, nil
}

// unaware are the records of runs that another one has taken over which died before it could say so in them.
func (r *run) unaware(ctx context.Context, u record.Record) []record.Record {
	var all []record.Record
	for _, id := range u.TookOver {
		if earlier, err := r.g.Store.LoadRecord(ctx, u.Namespace, id); err == nil && !earlier.State.Ended() {
			all = append(all, earlier)
		}
	}
	return all
}

// record is the run as it is kept: this one, or the one that it puts back.
func (r *run) record(state record.State) record.Record {
	if r.found != nil {
		out := *r.found
		out.State, out.Finished = state, now()
		return out
	}
	out := record.Record{
		ID: r.report.Run.ID, Version: r.g.Version, Namespace: r.g.Namespace, Pipeline: r.g.Pipeline, Started: r.report.Run.Started, Locked: r.locked,
		State: state, Stages: r.stages, Carried: r.carried, TookOver: r.tookOver,
		Scope: r.scopeOnRecord(), LeaveOnCancel: r.g.LeaveOnCancel || r.g.NeverUndo, Manager: r.g.FieldManager, Force: r.g.Force, Restart: r.g.RestartOnConfigChange,
		Options: r.optionsOnRecord(),
	}
	r.keepSet(&out)
	if d := r.g.Delivery; len(d.Parts) > 0 || d.Drain || d.HelmTests || d.Upgrade != nil {
		out.Delivery, _ = json.Marshal(r.g.Delivery) // names and numbers
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
