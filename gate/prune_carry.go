package gate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/prune"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

const (
	// pruneTime is how long it may take to delete everything. What is left then stays.
	pruneTime = 3 * time.Minute
	// pruneLook is how long the workloads are watched afterwards, and lookLimit how long they may take to be complete in that.
	pruneLook = 3 * time.Second
	lookLimit = time.Minute
	// readTime is how long pods that are about to end may go on reading what is to be deleted.
	readTime = 30 * time.Second
)

// prune deletes what the plan has found, when everything else has passed. What cannot be deleted stays, and is no reason to
// take the release back; that a workload is not well any more afterwards is one.
func (r *run) prune(v Verdict) (Verdict, error) {
	if len(r.pruning.asked) == 0 {
		return v, nil
	}
	if why := r.mayBeginPruning(); why != nil {
		if lostLease(why) {
			return r.unwritten(r.course.root, why)
		}
		r.note("nothing was pruned: %v", why)
		r.unpruned(r.pruning.asked)
		return v, nil
	}
	r.step(Step{Name: StepPrune, Objects: len(r.pruning.asked)})
	ctx, release := r.course.enter(Writing, pruneTime)
	defer release()
	read := map[string]reading{}
	for i, w := range r.pruning.asked {
		err := r.mayWrite(ctx)
		if err == nil {
			err = r.awaitReaders(ctx, w, read)
		}
		if ended := r.mayWrite(ctx); ended != nil {
			if errors.Is(ended, errTimeUp) {
				r.note("pruning took longer than %s: %d objects stay", pruneTime, len(r.pruning.asked)-i)
				r.unpruned(r.pruning.asked[i:])
				break
			}
			return r.unwritten(ctx, ended)
		}
		if err == nil {
			err = r.pruneOne(&w)
		}
		if err != nil {
			r.note("%s was not pruned: %v", w.Ref, err)
			r.unpruned([]patch.Write{w})
		}
	}
	return r.lookAfterPruning(v)
}

// mayBeginPruning puts on record that objects may be deleted from now on. The error is why none is.
func (r *run) mayBeginPruning() error {
	if !r.recorded {
		return errors.New("the run is not on record, so nobody could put it back")
	}
	ctx, cancel := context.WithTimeout(r.course.root, keepTime)
	defer cancel()
	all, err := r.g.Store.Records(ctx, r.g.Namespace)
	if err != nil {
		return err
	}
	if i := record.LastOf(r.g.Prune.Set, all); i < 0 || all[i].ID != r.pruning.base {
		return errors.New("another run of the set has come to its end meanwhile, or the last one was undone; the next run prunes")
	}
	r.pruning.begun = true
	err = r.whileOurs(ctx, func() error { return r.g.Store.SaveRecord(ctx, r.record(record.Running)) })
	return err
}

// pruneOne deletes one object. One that is deleted and waits for its finalizers counts as deleted.
func (r *run) pruneOne(w *patch.Write) error {
	ctx, cancel := context.WithTimeout(r.course.root, oneWrite)
	defer cancel()
	err := r.g.Cluster.Write(ctx, w)
	if w.Written == nil {
		return err
	}
	r.writes = append(r.writes, *w)
	if held := (*patch.HeldError)(nil); errors.As(err, &held) {
		r.note("%v", held)
	} else if err != nil {
		r.note("whether %s was pruned is not known: %v", w.Ref, err)
	}
	r.tell(w.Ref, Applied{Action: patch.Pruned})
	return nil
}

// reading is what runs pods in a namespace, at a moment.
type reading struct {
	at  time.Time
	all []prune.Reader
}

// awaitReaders waits until no pod reads an object any more. The error is who does.
func (r *run) awaitReaders(ctx context.Context, w patch.Write, read map[string]reading) error {
	if !prune.Readable(w.Ref) {
		return nil
	}
	for began := time.Now(); ; wait(ctx, time.Second) {
		known := read[w.Ref.Namespace]
		if time.Since(known.at) >= time.Second {
			all, err := r.g.Cluster.Readers(ctx, w.Ref.Namespace, true)
			if err != nil {
				return err
			}
			known = reading{time.Now(), all}
			read[w.Ref.Namespace] = known
		}
		readers := prune.ReadersOf(w.Ref, known.all)
		if len(readers) == 0 {
			return nil
		}
		ending := !slices.ContainsFunc(readers, func(o prune.Reader) bool { return o.Object.Kind != "Pod" })
		if !ending || time.Since(began) > readTime || ctx.Err() != nil {
			return errors.New("it is still read by " + prune.Names(readers))
		}
	}
}

// unpruned notes objects that stay after all: they belong to the set, and the next run asks about them again.
func (r *run) unpruned(writes []patch.Write) {
	for _, w := range writes {
		r.pruning.stay = append(r.pruning.stay, patch.Write{
			Ref: w.Ref, Resource: w.Resource, Action: patch.Unchanged, Source: w.Source, Manager: w.Manager, At: w.At, Sent: w.Sent, Written: w.Before,
		})
		r.report.Changes = slices.DeleteFunc(r.report.Changes, func(c Change) bool { return c.Object == w.Ref && c.Action == string(patch.Pruned) })
	}
}

// lookAfterPruning watches the workloads for a moment: something of theirs may be gone.
func (r *run) lookAfterPruning(v Verdict) (Verdict, error) {
	targets := r.waited(r.targetsOf(r.toWatch(nil)))
	if len(r.pruned()) == 0 || len(targets) == 0 {
		return v, nil
	}
	findings := slices.Clone(r.findings)
	r.stageBegan = time.Now()
	r.deadline = r.stageBegan.Add(lookLimit)
	after := r.watch(targets, Stage{Rest: pruneLook})
	if after.Outcome == Passed {
		r.findings = findings
		return v, nil
	}
	return after, nil
}

// pruned are the names of what this run has deleted.
func (r *run) pruned() []string {
	var names []string
	for _, w := range r.writes[min(len(r.carried), len(r.writes)):] {
		if w.Action == patch.Pruned {
			names = append(names, w.Ref.String())
		}
	}
	return names
}

// keepSet puts into the record of the run what belongs to its set, and what it deletes.
func (r *run) keepSet(out *record.Record) {
	p := r.pruning
	if r.g.Prune.Set == "" {
		return
	}
	out.Set = record.Set{Name: r.g.Prune.Set, Protected: r.g.Prune.Protected, Most: r.g.Prune.Most}
	out.Prunes, out.Pruning, out.Leftovers = p.asked, p.begun, p.stay
	if !out.State.Stays() {
		return
	}
	out.Prunes = nil
	done := map[manifest.Ref]bool{}
	for _, w := range r.writes[min(len(r.carried), len(r.writes)):] {
		if w.Action == patch.Pruned {
			out.Prunes, done[w.Ref] = append(out.Prunes, w), true
		}
	}
	for _, w := range p.asked {
		if !done[w.Ref] && indexOf(out.Leftovers, w.Ref) < 0 { // the run did not come to it
			out.Leftovers = append(slices.Clone(out.Leftovers), patch.Write{
				Ref: w.Ref, Resource: w.Resource, Action: patch.Unchanged, Source: w.Source, Manager: w.Manager, At: w.At, Sent: w.Sent, Written: w.Before,
			})
		}
	}
}
