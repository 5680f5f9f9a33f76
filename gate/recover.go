package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// Which names a run on record: by its id, or as the newest that wrote all of some objects; with neither it is the newest
// of the namespace.
type Which struct {
	Run     string
	Objects []manifest.Ref
	// Unfinished asks for something only when that run has not come to its end, and was not to be left as it is then.
	Unfinished bool
	// Part says that the run has parts in other clusters: where it is not on record, there is nothing to put back.
	Part bool
}

// Undo puts back what a run on record has written: one that was interrupted, one whose undo did not come to its end, and
// one that has passed, hours later. What others have changed since stays. The exit is Passed when everything is back and
// was seen to be.
func (g Gate) Undo(ctx context.Context, which Which) (Report, error) {
	r := g.begin(ctx, "undo")
	found, err := r.find(which)
	if none := (notOnRecord{}); (which.Unfinished || which.Part) && errors.As(err, &none) {
		r.exit(Passed, "run "+which.Run+" is not on record: "+nothingChanged)
		return r.end(), nil
	}
	if err != nil {
		return r.failed(err)
	}
	done := which.done(found)
	if done == "" {
		if done, err = r.claimFound(which, found); err != nil {
			return r.failed(err)
		}
	}
	if done != "" {
		r.unlock()
		r.sweep()
		r.exit(Passed, "run "+found.ID+" "+done+", so "+nothingChanged)
		return r.end(), nil
	}
	if len(r.g.UndoCommand) > 0 && found.Scope == nil {
		return r.failed(invalidError{fmt.Errorf("run %s has written its objects itself, so no command has to take them back\n  hint: leave --undo-command out", found.ID)})
	}
	r.targets = r.waited(r.targetsOf(asTheyAre(r.writes)))
	r.lookBefore()
	r.undo(Verdict{Outcome: Passed, Target: -1})
	if r.report.Undo != nil {
		r.report.Undo.Run, r.report.Undo.State = found.ID, found.State
	}
	if r.report.Exit.Code == Superseded.Code() && r.course.yielded() == nil {
		r.exit(UndoBroken, r.report.Exit.State) // somebody has asked for it to be back
	}
	return r.end(), nil
}

// Resume goes on with a run that did not come to its end, from where it was.
func (g Gate) Resume(ctx context.Context, which Which) (Report, error) {
	r := g.begin(ctx, "resume")
	found, err := r.find(which)
	if err != nil {
		return r.failed(err)
	}
	if found.State.Ended() {
		r.sweep()
		if found.State != record.Passed && found.State != record.Continued {
			return r.failed(refusedError{fmt.Errorf("run %s has ended (%s), so there is nothing to go on with\n  hint: run again with the manifests", found.ID, found.State)})
		}
		if found.State == record.Passed {
			r.report.HadPassed = found.ID
		}
		r.exit(Passed, fmt.Sprintf("run %s has ended already (%s), so nothing was changed", found.ID, found.State))
		return r.end(), nil
	}
	if found.Scope != nil {
		return r.failed(refusedError{fmt.Errorf("run %s lets a command make its release, and how far that came nobody knows but the command\n  hint: run it again the same way: that takes the run over; or take it back: rolloutgate undo %s", found.ID, found.ID)})
	}
	if err := errors.Join(r.asksTheSame(found), r.writesTheSame(found), knowsAll(found)); err != nil {
		return r.failed(err)
	}
	r.g.RestartOnConfigChange = r.g.RestartOnConfigChange || found.Restart
	r.g.Prune = Prune{Set: found.Set.Name, Protected: found.Set.Protected, Most: found.Set.Most}
	if err := r.goesOn(found); err != nil {
		return r.failed(err)
	}
	return r.carryOut(manifestsOf(found))
}

// goesOn makes this run one that goes on where another one was.
func (r *run) goesOn(found record.Record) error {
	r.resumed, r.aim = found.ID, found.ID
	r.goesOnPinned(found)
	r.goOnTreating(found)
	for _, s := range found.Stages {
		if s.Passed {
			r.passed = append(r.passed, s.Name)
		}
	}
	given := r.g.Delivery
	r.g.Delivery = Delivery{} // the stages are those of that run
	if len(found.Delivery) == 0 {
		return nil
	}
	if err := json.Unmarshal(found.Delivery, &r.g.Delivery); err != nil {
		return &record.FormatError{Why: fmt.Sprintf("the stages of run %s: %v", found.ID, err)}
	}
	r.g.Delivery.withJobs(found)
	return r.g.Delivery.withCommands(given)
}

// find reads the record of a run.
func (r *run) find(which Which) (record.Record, error) {
	if r.g.Store == nil {
		return record.Record{}, invalidError{errors.New("runs are not on record")}
	}
	ctx, release := r.course.enter(Planning, lockTime)
	defer release()
	found, err := r.findIn(ctx, which)
	if none := (notOnRecord{}); errors.As(err, &none) {
		r.sweep()
	}
	if ended := r.interrupted(ctx, "reading the runs on record"); ended != nil {
		return found, ended
	}
	return found, err
}

// sweep gives the leases of dead runs back of which nothing can be put back: they had ended, or had not begun.
func (r *run) sweep() {
	ctx, cancel := context.WithTimeout(r.course.root, lockTime)
	defer cancel()
	all, err := r.g.Store.Leases(ctx, r.g.Namespace)
	if err != nil {
		return // they run out by themselves
	}
	for _, l := range all {
		if record.Alive(l, all, r.g.Store.Now(), r.g.Here) {
			continue
		}
		if u, err := r.g.Store.LoadRecord(ctx, l.Home, l.Run); missing(err) || err == nil && u.State.Ended() {
			_ = r.g.Store.ReleaseLease(ctx, l)
		}
	}
}

func (r *run) findIn(ctx context.Context, which Which) (record.Record, error) {
	all, err := r.g.Store.Records(ctx, r.g.Namespace)
	if err != nil {
		return record.Record{}, err
	}
	i, err := r.indexOf(ctx, all, which)
	if err != nil {
		return record.Record{}, err
	}
	if i < 0 {
		return record.Record{}, notOnRecord{fmt.Errorf("there is no run on record in namespace %s%s\n  hint: `rolloutgate history` lists those that there are", r.g.Namespace, which)}
	}
	if atItsEnd := which.Unfinished && !all[i].State.Unfinished(); r.report.Run.Command == "undo" && !atItsEnd {
		if later := slices.IndexFunc(all[:i], all[i].Precedes); later >= 0 {
			return record.Record{}, refusedError{fmt.Errorf("run %s has written the same objects after run %s\n  hint: undo that one first: rolloutgate undo %s", all[later].ID, all[i].ID, all[later].ID)}
		}
	}
	found, err := r.g.Store.LoadRecord(ctx, r.g.Namespace, all[i].ID)
	if err == nil {
		r.hide(patch.Plan{Writes: found.Writes()}.SecretValues())
	}
	return found, err
}

// refusedError is something that was asked for and cannot be done as things are.
type refusedError struct{ error }

// Outcome says what it means for the run.
func (refusedError) Outcome() Outcome { return Refused }

// notOnRecord is a run that was asked for and that is not there.
type notOnRecord struct{ error }

// Outcome says what it means for the run.
func (notOnRecord) Outcome() Outcome { return Refused }

// done is why there is nothing to put back, after the name of the run; empty when there is.
func (w Which) done(found record.Record) string {
	switch {
	case found.State == record.Undone:
		return "was undone already"
	case w.Unfinished && !found.State.Unfinished():
		return fmt.Sprintf("has come to its end (%s)", found.State)
	case w.Unfinished && found.LeaveOnCancel:
		return "is to be left as it is"
	}
	return ""
}

// indexOf finds the run that is meant; -1 when there is none. Of a run with more objects than its summary lists, the record
// itself is read.
func (r *run) indexOf(ctx context.Context, all []record.Summary, which Which) (int, error) {
	for i, s := range all {
		means, known := which.Means(s)
		if !known {
			found, err := r.g.Store.LoadRecord(ctx, r.g.Namespace, s.ID)
			if err != nil {
				return -1, err
			}
			s.Objects, s.MoreObjects = found.Targets(), 0
			means, _ = which.Means(s)
		}
		if means {
			return i, nil
		}
	}
	return -1, nil
}

// Means tells whether a run on record is the one that is meant; known is false when its summary does not tell.
func (w Which) Means(s record.Summary) (means, known bool) {
	if w.Run != "" {
		return strings.EqualFold(s.ID, w.Run), true
	}
	if len(w.Objects) == 0 && len(s.Objects) == 0 && s.State.Ended() && s.Set != "" {
		return false, true // it has only noted what belongs to a set
	}
	means, known = true, true
	for _, r := range w.Objects {
		wrote, told := s.Wrote(r)
		means, known = means && wrote, known && told
	}
	return means, known
}

// String says which run is meant, after "there is no run".
func (w Which) String() string {
	if w.Run != "" {
		return " with the id " + w.Run
	}
	var names []string
	for _, r := range w.Objects {
		names = append(names, r.String())
	}
	if len(names) == 0 {
		return ""
	}
	return " that wrote " + strings.Join(names, " and ")
}

// claimFound takes the lock on the objects of a run on record, and finds out what of it was carried out. Meanwhile it may
// have come to its end, or another one may have written after it; done is why there is nothing to put back any more.
func (r *run) claimFound(which Which, found record.Record) (done string, err error) {
	r.aim = found.ID
	dead, _, err := r.acquire(found.Writes())
	if OutcomeOf(err) == Denied {
		r.noLease(err)
	} else if err != nil {
		return "", err
	}
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	r.awaitEnd(ctx, dead)
	if found, err = r.findIn(ctx, Which{Run: found.ID}); err != nil {
		return "", err
	}
	if done := which.done(found); done != "" {
		return done, nil
	}
	others, err := r.unfinished(ctx, dead)
	if err != nil {
		return "", err
	}
	for _, o := range others {
		if o.ID != found.ID && !slices.Contains(found.TookOver, o.ID) {
			return "", refusedError{fmt.Errorf("run %s has written the same objects and did not come to its end\n  hint: undo that one first: rolloutgate undo %s", o.ID, o.ID)}
		}
	}
	r.goOnTreating(found)
	if r.writes, err = r.trace(ctx, found); err != nil {
		return "", err
	}
	if ended := r.interrupted(ctx, "finding out what is to be undone"); ended != nil {
		return "", ended
	}
	r.found, r.recorded, r.adopted = &found, true, r.unaware(ctx, found)
	return "", nil
}

// trace finds out what a run on record has left of each of its objects. Of several writes to one object the last that was
// carried out stands for all of them.
func (r *run) trace(ctx context.Context, u record.Record) ([]patch.Write, error) {
	if u.Scope != nil && !u.Scope.Found {
		return r.traceCommand(ctx, u)
	}
	var all []patch.Write
	steps := map[manifest.Ref][]patch.Write{} // of the run itself
	for i, w := range u.Writes() {
		if u.Lacks(w) {
			r.lack(w.Ref)
			continue
		}
		if w.Action == patch.Pruned && w.Written == nil && !u.Pruning {
			continue // it had not come to that
		}
		if err := r.g.Store.Trace(ctx, &w); err != nil {
			return nil, fmt.Errorf("finding out what run %s has left: %w", u.ID, err)
		}
		if w.Action == patch.Pruned && w.Written == nil {
			continue
		}
		if own := i >= len(u.Carried); own && w.Step > 0 {
			steps[w.Ref] = append(steps[w.Ref], w)
			n := slices.IndexFunc(all, func(o patch.Write) bool { return o.Ref == w.Ref && o.Step < w.Step })
			if last, carriedOut := patch.Arrived(steps[w.Ref]); carriedOut {
				all[n] = last
			}
			continue
		} else if own {
			steps[w.Ref] = []patch.Write{w}
		}
		all = append(all, w)
	}
	return all, nil
}

// lack notes an object that cannot be put back.
func (r *run) lack(object manifest.Ref) {
	r.note("%s cannot be put back: its data is not on record", object)
	r.unrecorded = append(r.unrecorded, object.String())
}

// asTheyAre are the writes of a run on record, those of which nothing is left as if they had changed nothing: an undo that
// did not see its end has put them back already, and what it did not see is seen now.
func asTheyAre(writes []patch.Write) []patch.Write {
	all := slices.Clone(writes)
	for i := range all {
		if all[i].Written == nil && all[i].Before != nil && all[i].Action != patch.Removed {
			all[i].Action = patch.Unchanged
		}
	}
	return all
}

// lookBefore notes how the workloads are that are about to be put back: the pods of the revision that goes may have to
// be helped out.
func (r *run) lookBefore() {
	f, stop := r.follow(r.targets)
	defer stop()
	ctx, release := r.course.enter(Explaining, firstAnswer)
	defer release()
	if f.firstLook(ctx) != nil {
		return
	}
	r.report.Workloads = f.statuses()
	for i := range f.targets {
		r.noteKeeper(f.w.Workload(i).Live, f.targets[i].Ref, "it may put back again what this undo takes away: revert it there, too")
	}
}

// asksTheSame refuses to go on without the criteria that the run was to be judged by.
func (r *run) asksTheSame(found record.Record) error {
	var missing []string
	for _, name := range found.Criteria {
		if !slices.ContainsFunc(r.g.Criteria, func(c analysis.Criterion) bool { return c.Name == name }) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return invalidError{fmt.Errorf("run %s is judged by criteria that are not given here: %s\n  hint: they are not on record; name the same --config and --check as at its beginning", found.ID, strings.Join(missing, ", "))}
}

// writesTheSame refuses to go on as somebody else: the fields of the run are owned by its own manager.
func (r *run) writesTheSame(found record.Record) error {
	if found.Manager == r.g.FieldManager && found.Force == r.g.Force {
		return nil
	}
	flags := "--field-manager " + found.Manager
	if found.Force {
		flags += " --force-conflicts"
	}
	return invalidError{fmt.Errorf("run %s writes as another field manager, or in another way\n  hint: it was begun with %s", found.ID, flags)}
}

// knowsAll refuses to go on with a run of which only a part is on record.
func knowsAll(found record.Record) error {
	for _, w := range found.Writes() {
		if found.Lacks(w) {
			return refusedError{fmt.Errorf("the data of %s is not on record, so run %s cannot go on\n  hint: run again with the manifests: that takes it over", w.Ref, found.ID)}
		}
	}
	return nil
}

// manifestsOf are the objects that a run on record applies, each as its last stage has it.
func manifestsOf(found record.Record) []manifest.Object {
	var objects []manifest.Object
	for _, s := range found.Stages {
		for _, w := range s.Writes {
			if w.Sent == nil || w.Added || w.OfRun || w.Test > 0 {
				continue
			}
			o := manifest.Object{Unstructured: w.Sent.DeepCopy(), Source: w.Source}
			if i := slices.IndexFunc(objects, func(o manifest.Object) bool { return w.Step > 0 && o.Ref() == w.Ref }); i >= 0 {
				objects[i] = o
				continue
			}
			objects = append(objects, o)
		}
	}
	return objects
}

// leaveTo marks the runs that this one has taken over, so that nobody takes them over again, and gives their leases back.
func (r *run) leaveTo(ctx context.Context) {
	for _, u := range r.adopted {
		u.State, u.Finished = record.Continued, now()
		leave := func() error { return r.g.Store.SaveRecord(ctx, u) }
		if r.g.History <= 0 {
			leave = func() error { return r.g.Store.ForgetRecord(ctx, u.Namespace, u.Summary()) }
		}
		if err := leave(); err != nil {
			r.note("run %s is still on record as unfinished: %v", u.ID, err)
			return
		}
	}
	r.adopted = nil
	r.lock.drop(ctx)
}
