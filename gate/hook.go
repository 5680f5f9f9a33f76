package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/order"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// removeTime is how long the deletion of a hook that has ended may take. The run goes on without it.
const removeTime = 30 * time.Second

// arrange finds out what waits for what, and returns the objects that this run writes. On an error the exit is set and
// nothing was changed.
func (r *run) arrange(objects []manifest.Object) ([]manifest.Object, error) {
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	located, err := r.g.Cluster.Locate(ctx, objects)
	if err == nil {
		if r.order, err = r.orderOf(ctx, located); err == nil {
			err = r.order.NotEmpty()
		}
	}
	var tests []manifest.Object
	if err == nil {
		tests, err = r.testObjects(ctx)
	}
	if ended := r.interrupted(ctx, "asking the API server what there is"); ended != nil {
		return nil, r.fail(ended)
	}
	if err != nil {
		return nil, r.fail(err)
	}
	for _, n := range r.order.Notes() {
		r.note("%s", n)
	}
	var all []manifest.Object
	for _, g := range r.order.Groups {
		for i := range g.Objects {
			giveName(&g.Objects[i].Object)
			all = append(all, g.Objects[i].Object)
		}
	}
	return append(all, tests...), nil
}

// orderOf splits objects. Whether this is an upgrade is found out once: a run that goes on with this one finds what this
// one has made.
func (r *run) orderOf(ctx context.Context, objects []manifest.Object) (order.Order, error) {
	d := &r.g.Delivery
	o, err := order.Split(objects, order.Options{Tests: d.HelmTests, Upgrade: d.Upgrade != nil && *d.Upgrade})
	if err != nil || d.Upgrade != nil || !order.DependsOnUpgrade(objects) {
		return o, err
	}
	there, err := r.g.Cluster.Exist(ctx, ofRelease(o))
	if d.Upgrade = &there; err != nil || !there {
		return o, err
	}
	return order.Split(objects, order.Options{Tests: d.HelmTests, Upgrade: true})
}

// ofRelease are the objects that are there only when the release is. A Namespace or a CRD may be everybody's.
func ofRelease(o order.Order) []manifest.Object {
	var all []manifest.Object
	for _, object := range o.Objects() {
		shared := slices.Contains([]string{"Namespace", "CustomResourceDefinition.apiextensions.k8s.io"}, object.Ref().GroupKind().String())
		if !object.Hook && !shared {
			all = append(all, object.Object)
		}
	}
	return all
}

// giveName gives an object a name that has asked for a generated one. It is on record before it is written, so that
// another run finds it.
func giveName(o *manifest.Object) {
	if o.GetName() != "" {
		return
	}
	const most = 63 - 5 // of a Job
	base := o.GetGenerateName()
	o.Unstructured = o.DeepCopy()
	o.SetName(base[:min(len(base), most)] + strings.ToLower(rand.Text()[:5]))
	o.SetGenerateName("")
}

// checkHooks refuses a hook that would not run: one of an earlier run has its name, and is not to be deleted.
func checkHooks(p patch.Plan) error {
	var errs []error
	for _, w := range p.Writes {
		if w.Hook && w.Before != nil && w.Written == nil && runsOnce(w) {
			errs = append(errs, fmt.Errorf("%s would not run: it is there already, from an earlier run\n  hint: delete it, or let its delete policy say before-hook-creation (Argo CD: BeforeHookCreation)", w.Ref))
		}
	}
	return errors.Join(errs...)
}

// runsOnce tells whether what is written does its work once and is then finished.
func runsOnce(w patch.Write) bool {
	k, known := rollout.KindOf(w.Ref.GroupKind())
	return known && (k.Ends || w.Hook && w.Ref.GroupKind().String() == "Pod")
}

// goesOnWith tells whether a planned write is of a hook that the run which this one goes on with has started already. It
// is waited for then, and not started again.
func (r *run) goesOnWith(run string, left, planned patch.Write) bool {
	if run != r.resumed || !planned.Hook || left.Written == nil {
		return false
	}
	uid := string(left.Written.GetUID())
	return planned.Replaces == uid || planned.Before != nil && string(planned.Before.GetUID()) == uid
}

// makeWay deletes the older object that a write replaces.
func (r *run) makeWay(ctx context.Context, w patch.Write) error {
	if w.Replaces == "" || w.Written != nil {
		return nil
	}
	if err := r.mayWrite(ctx); err != nil {
		return err
	}
	return r.g.Cluster.Remove(ctx, w, w.Replaces)
}

// clear deletes hooks that have done their work.
func (r *run) clear(refs []manifest.Ref) {
	ctx, cancel := context.WithTimeout(r.course.root, removeTime)
	defer cancel()
	for _, ref := range refs {
		w := r.writeOf(ref)
		if w == nil || w.Written == nil {
			continue
		}
		if r.options[ref].NoWait {
			r.note("%s is not deleted: this run has not waited for its end", ref)
			continue
		}
		err := r.lock.holds(ctx)
		if err == nil {
			err = r.g.Cluster.Remove(ctx, *w, string(w.Written.GetUID()))
		}
		if err != nil {
			r.note("%s has ended and could not be deleted: %v", ref, err)
			continue
		}
		w.Ended = true
		r.tell(ref, Applied{Action: patch.Cleared})
	}
}

// failedHooks are the hooks of some stages that are to be deleted when they have failed, and that have: those that no undo
// has taken back.
func (r *run) failedHooks(stages []Stage) []manifest.Ref {
	if r.report.Undo == nil || r.report.Undo.Result != UndoSkipped {
		return nil
	}
	var failed []manifest.Ref
	for _, s := range r.report.Workloads {
		asked := slices.ContainsFunc(stages, func(of Stage) bool { return slices.Contains(of.DeletesFailed, s.Ref) })
		if asked && s.Phase == rollout.Failed {
			failed = append(failed, s.Ref)
		}
	}
	return failed
}

// hooksRan says what of the hooks an undo does not take back.
func (r *run) hooksRan() {
	for _, w := range r.writes {
		if w.Hook && w.Written != nil && runsOnce(w) {
			r.note("%s has run: what it has done stays, an undo takes back objects only", w.Ref)
		}
	}
}
