package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// leadTime is how long the API server may take to move traffic from some pods to others, when no undo waits for it.
const leadTime = time.Minute

// unpin puts back what this run has written only to lead traffic. A route goes first, and the Services when whatever sends
// its requests has noticed that. It tells whether there was something to put back.
func (r *run) unpin(ctx context.Context) (bool, error) {
	routes, err := r.giveBack(isSplit)
	if err != nil {
		return routes, err
	}
	if routes {
		wait(ctx, drainTime)
	}
	if err := r.mayWrite(ctx); err != nil {
		return routes, err
	}
	services, err := r.giveBack(func(w patch.Write) bool { return !isSplit(w) })
	return routes || services, err
}

func isSplit(w patch.Write) bool { return w.Split != nil }

// giveBack puts back some of the objects by which this run leads traffic: they are as they were before it. What is among
// the manifests has a step of its own for that, and what the run has made for itself it deletes. It tells whether there
// was something to give back.
func (r *run) giveBack(part func(patch.Write) bool) (gave bool, err error) {
	ctx, cancel := context.WithTimeout(r.course.root, leadTime)
	defer cancel()
	var errs []error
	for _, ref := range r.carriers() {
		w := r.writeOf(ref)
		if !w.Added || !part(*w) {
			continue
		}
		u := r.g.Cluster.Undo(ctx, *w)
		if u.Err != nil {
			errs = append(errs, fmt.Errorf("giving %s back to all its pods: %w", ref, u.Err))
			continue
		}
		if u.Action == patch.Left {
			r.note("%s stays as it is: %s", ref, u.Why)
		}
		for i := range r.writes {
			if r.writes[i].Ref == ref {
				r.writes[i].Ended = true
			}
		}
		given := patch.Unpinned
		if isSplit(*w) {
			given = patch.Unsplit
		}
		gave = true
		r.tell(ref, Applied{Action: given})
	}
	return gave, errors.Join(errs...)
}

// pinBack gives the traffic back to the old pods before anything else goes back, where all of them are still there and
// stay: those that have to end by a write that was sent do not, and neither do those of a version that is left behind. It tells
// whether they have it: then the pins stay until the new pods are gone. moved says that the new ones had it.
func (r *run) pinBack(ctx context.Context) (serve, moved bool) {
	serve = true
	for _, ref := range r.carriers() {
		w := *r.writeOf(ref)
		if w.Pin == nil || w.Pin.Old == "" {
			continue
		}
		if w.Pin.Passing || r.promoted(w.Pin.Of) {
			serve = false
			continue
		}
		front, err := r.front(ctx, w.Pin.Of, w.Pin.Old)
		if err != nil || front.Ready == 0 || front.Ready < min(front.Wanted, r.wanted(w.Pin.Of)) {
			serve = false
			continue
		}
		if w.Pin.To == w.Pin.Old {
			continue
		}
		back, err := w.PinnedTo(w.Step+1, w.Pin.Old)
		if err == nil {
			err = r.mayWrite(ctx)
		}
		if err == nil {
			back.Written = nil
			err = r.writeOne(back)
		}
		if err != nil { // the new pods that it leads to must not be the first to go
			r.note("%s could not be given back to the old pods at once: %v", ref, err)
			serve = false
		}
		moved = true
	}
	return serve, moved
}

// promoted tells whether the controller has been told to end the old pods of a workload, though they may all be there yet.
func (r *run) promoted(of manifest.Ref) bool {
	w := r.writeOf(of)
	if w == nil || w.Step == 0 {
		return false
	}
	d, is := rollout.Typed(w.After).(*appsv1.Deployment)
	return is && d.Spec.MinReadySeconds < int32(pinned.Seconds())
}

// front asks for a front, again when the API server has a moment of trouble.
func (r *run) front(ctx context.Context, of manifest.Ref, revision string) (front rollout.Front, err error) {
	err = insist(ctx, func() (err error) {
		front, err = r.g.Cluster.Front(ctx, of, revision)
		return err
	})
	return front, err
}

// rest lets pods live on for a moment that the traffic has just left. Whoever has cancelled the run does not wait as long.
func (r *run) rest() {
	ctx, release := r.course.enter(Undoing, r.g.UndoTimeout)
	defer release()
	limit := min(drainTime, r.g.UndoTimeout/4)
	r.step(Step{Name: StepHold, Limit: limit})
	for began := time.Now(); time.Since(began) < limit && ctx.Err() == nil; wait(ctx, goneEvery) {
		if _, cancelled := r.course.cancelled(); cancelled {
			limit = min(limit, freeTime)
		}
	}
}

// awaitEndOfNew waits a moment until the pods are gone that a Service without a pin would send traffic to.
func (r *run) awaitEndOfNew() {
	ctx, release := r.course.enter(Undoing, freeTime)
	defer release()
	for _, ref := range r.carriers() {
		pin := r.writeOf(ref).Pin
		for pin != nil && pin.Old != "" && ctx.Err() == nil {
			if front, err := r.g.Cluster.Front(ctx, pin.Of, pin.Old); err == nil && front.Others == 0 {
				break
			}
			wait(ctx, goneEvery)
		}
	}
}

// wanted is how many pods a workload was to have before the run.
func (r *run) wanted(of manifest.Ref) int32 {
	w := r.writeOf(of)
	if w == nil || w.Origin() == nil {
		return 0
	}
	return rollout.Replicas(rollout.Typed(w.Origin()))
}

// carriers are the objects by which this run, or one that it puts back or goes on with, leads traffic to a part of the
// pods.
func (r *run) carriers() []manifest.Ref {
	var refs []manifest.Ref
	for _, w := range r.writes {
		if r.carries(w) && !slices.Contains(refs, w.Ref) {
			refs = append(refs, w.Ref)
		}
	}
	return refs
}

// carries tells whether a write is to an object that leads traffic so now, as far as this run knows.
func (r *run) carries(w patch.Write) bool {
	last := r.writeOf(w.Ref)
	return last != nil && last.Steers() && last.Written != nil && !last.Ended
}
