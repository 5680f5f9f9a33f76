package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// servicesAt is where Services are served.
var servicesAt = manifest.Resource{Version: "v1", Resource: "services", Namespaced: true}

// pins says whether a run moves the traffic of Services from one revision to another.
func (d Delivery) pins() bool { return d.preview() != nil || d.Drain || d.shares() }

// withPins adds to a plan the Services that it pins: those in front of pods that become new. A run that goes on with
// another one pins the same ones to the same pods. What cannot be pinned is an error of the stages, not of the plan: an
// unfinished run may be why.
func (r *run) withPins(ctx context.Context, plan patch.Plan) (patch.Plan, error) {
	r.unpinnable = nil
	var beside []*unstructured.Unstructured
	if !r.g.Delivery.pins() {
		return plan, nil
	}
	for _, w := range slices.Clone(plan.Writes) {
		last, goesOn := r.pinned[w.Ref]
		if w.Before == nil || !goesOn && !r.g.Delivery.stages(w) {
			continue
		}
		if !r.g.Delivery.isFor(w) {
			r.unpinnable = refusedError{fmt.Errorf("%s is in the stages of a run that did not come to its end, and not in those of this one\n  hint: let them be for it as well, or undo or resume that run", w.Ref)}
			return plan, nil
		}
		if k, _ := rollout.KindOf(w.Ref.GroupKind()); k.Staged != rollout.BySurge {
			continue // the planner says so
		}
		front, err := r.g.Cluster.Front(ctx, w.Ref, last.Old)
		// Those that had the traffic may be gone by now; then what is there has it, and must be all there is.
		over := err == nil && goesOn && changesPods(w) && r.resumed == "" && !allThere(front)
		if over {
			front, err = r.g.Cluster.Front(ctx, w.Ref, "")
		}
		if err != nil {
			return plan, fmt.Errorf("finding the Services of %s: %w", w.Ref, err)
		}
		for _, service := range front.Services {
			if isBeside(service) {
				beside = append(beside, service)
			}
		}
		front.Services = slices.DeleteFunc(front.Services, isBeside)
		if r.unpinnable = pinnable(w, front, goesOn, over); r.unpinnable != nil {
			return plan, nil
		}
		pin := patch.Pin{Of: w.Ref, Old: front.Revision, Passing: last.Passing || over}
		for _, service := range front.Services {
			plan.Writes = pinIn(plan.Writes, service, w, pin)
		}
	}
	return r.withSplits(ctx, r.withPreview(plan), beside)
}

// allThere tells whether a revision has all the pods that its workload is to have, and none of them ends.
func allThere(front rollout.Front) bool { return front.Ready > 0 && front.Pods >= front.Wanted }

// pinnable refuses what cannot be told apart by a revision. goesOn says that this run goes on with another one's pins, over
// that the pods are gone that had the traffic before that.
func pinnable(w patch.Write, front rollout.Front, goesOn, over bool) error {
	switch {
	case len(front.Shared) > 0:
		return refusedError{fmt.Errorf("the traffic of service/%s cannot be given to one revision of %s: it goes to pods of other workloads as well\n  hint: give its selector a label that only these pods have, or run without --blue-green, --drain and shares of traffic", front.Shared[0], w.Ref)}
	case goesOn && !over:
		return nil
	case front.Revision == "" || front.Others > 0:
		return refusedError{fmt.Errorf("%s is not complete: %d of its pods are not of its present version, so it is not clear where its traffic is to stay\n  hint: wait until it is, or undo or resume the run that left it so", w.Ref, front.Others)}
	case goesOn:
		return nil
	case len(pinnedAlready(front)) > 0:
		return refusedError{fmt.Errorf("service/%s is pinned to one revision of %s by a run that is not on record\n  hint: kubectl patch service %[1]s -n %[3]s --type json -p '[{\"op\":\"remove\",\"path\":\"/spec/selector/pod-template-hash\"}]'", pinnedAlready(front)[0], w.Ref, w.Ref.Namespace)}
	}
	return nil
}

// pinnedAlready are the Services of a front that send traffic to one revision alone.
func pinnedAlready(front rollout.Front) []string {
	var names []string
	for _, s := range front.Services {
		if _, pinned, _ := unstructured.NestedString(s.Object, strings.Split(patch.PinPath, ".")...); pinned {
			names = append(names, s.GetName())
		}
	}
	return names
}

// unpinnedPlan is a plan for stages that pin nothing.
func unpinnedPlan(p patch.Plan) patch.Plan {
	p.Writes = slices.Clone(p.Writes)
	for i := range p.Writes {
		w := &p.Writes[i]
		if w.Steers() && w.Added {
			w.Action, w.Added, w.Sent = patch.Unchanged, false, nil
		}
		w.Pin, w.Split = nil, nil
	}
	p.Writes = slices.DeleteFunc(p.Writes, func(w patch.Write) bool {
		return w.OfRun || w.Manager == patch.PinManager && w.Object.Unstructured == nil
	})
	return p
}

// endCarried has stages give back the Services and routes by which an unfinished run leads traffic, where none of them
// does so, and delete at the end what that run has made for itself.
func (r *run) endCarried(stages []Stage) {
	if slices.ContainsFunc(stages, func(s Stage) bool { return s.Unpin }) {
		return
	}
	last := &stages[len(stages)-1]
	for _, w := range r.carried {
		stages[0].Unpin = stages[0].Unpin || w.Steers()
		if w.OfRun {
			last.Deletes = append(last.Deletes, w.Ref)
		}
	}
}

// pinIn adds the write that pins a Service to a plan, before everything else; or notes it on the plan's own write of it.
func pinIn(writes []patch.Write, service *unstructured.Unstructured, of patch.Write, to patch.Pin) []patch.Write {
	ref := manifest.Object{Unstructured: service}.Ref()
	pin := &to
	w := patch.Write{
		Ref: ref, Resource: servicesAt, Action: patch.Configured, Manager: patch.PinManager, Added: true, Before: service, After: service.DeepCopy(), At: of.At,
		Pin: pin,
	}
	w.Sent = &unstructured.Unstructured{Object: map[string]any{}}
	w.Sent.SetGroupVersionKind(service.GroupVersionKind())
	w.Sent.SetNamespace(ref.Namespace)
	w.Sent.SetName(ref.Name)
	i := slices.IndexFunc(writes, func(o patch.Write) bool { return o.Ref == ref })
	switch {
	case i < 0:
		return slices.Insert(writes, 0, w)
	case writes[i].Action == patch.Unchanged:
		w.Source, w.Object = writes[i].Source, writes[i].Object
		writes[i] = w
	default:
		writes[i].Pin = pin
	}
	return writes
}

// withPreview makes the Service of the preview, which is among the manifests, one that has no traffic to keep.
func (r *run) withPreview(plan patch.Plan) patch.Plan {
	part := r.g.Delivery.preview()
	if part == nil || part.Preview.Service == "" || r.unpinnable != nil {
		return plan
	}
	name := part.Preview.Service
	i := slices.IndexFunc(plan.Writes, func(w patch.Write) bool {
		return w.Ref.Group == "" && w.Ref.Kind == "Service" && w.Ref.Name == name
	})
	if i < 0 {
		r.unpinnable = refusedError{fmt.Errorf("there is no Service %s for the preview: it is not among the manifests, and sends no traffic to pods that become new\n  hint: write one with the selector of the Service that users reach, under another name", name)}
		return plan
	}
	w := &plan.Writes[i]
	if w.Pin == nil {
		of := slices.IndexFunc(plan.Writes, r.g.Delivery.stages)
		if of < 0 {
			return plan
		}
		w.Pin = &patch.Pin{Of: plan.Writes[of].Ref}
		if w.Action == patch.Unchanged {
			plan.Writes = pinIn(plan.Writes, w.Before, plan.Writes[of], *w.Pin)
		}
	}
	plan.Writes[i].Pin.Old, plan.Writes[i].Pin.Passing = "", false
	return plan
}

// goesOnPinned notes to which revisions an unfinished run had pinned what serves, and how the routes were that it has
// split.
func (r *run) goesOnPinned(found record.Record) {
	for _, w := range found.Writes() {
		if w.Split != nil && w.Origin() != nil {
			if r.unsplit == nil {
				r.unsplit = map[manifest.Ref]*unstructured.Unstructured{}
			}
			r.unsplit[w.Ref] = w.Origin()
		}
		if w.Pin == nil || w.Pin.Old == "" {
			continue
		}
		if r.pinned == nil {
			r.pinned = map[manifest.Ref]patch.Pin{}
		}
		r.pinned[w.Pin.Of] = *w.Pin
	}
}

// resolve finds out which revision the new pods are of, where a stage is about to pin a Service to them, and puts that on
// record before it is written.
func (r *run) resolve(n int, s Stage) error {
	ctx, cancel := context.WithTimeout(r.course.root, leadTime)
	defer cancel()
	known := false
	for i, w := range s.Writes {
		if w.Pin == nil || w.Pin.To != "" || w.Written != nil {
			continue
		}
		front, err := r.front(ctx, w.Pin.Of, "")
		if err != nil {
			return fmt.Errorf("finding the new pods of %s: %w", w.Pin.Of, err)
		}
		if front.Revision == "" || front.Revision == w.Pin.Old {
			return fmt.Errorf("finding the new pods of %s: there are none", w.Pin.Of)
		}
		if s.Writes[i], err = w.PinnedTo(w.Step, front.Revision); err != nil {
			return err
		}
		known = true
	}
	if !known || !r.recorded {
		return nil
	}
	r.stages[n].Writes = s.Writes
	return insist(ctx, func() error {
		return r.whileOurs(ctx, func() error { return r.g.Store.SaveRecord(ctx, r.record(record.Running)) })
	})
}

// forgottenPins says which Services of a plan an earlier run has left pinned.
func (r *run) forgottenPins(plan patch.Plan) {
	for _, w := range plan.Writes {
		if w.Before == nil || w.Ref.Group != "" || w.Ref.Kind != "Service" {
			continue
		}
		hash, pinned, _ := unstructured.NestedString(w.Before.Object, strings.Split(patch.PinPath, ".")...)
		_, meant, _ := unstructured.NestedString(w.Object.Object, strings.Split(patch.PinPath, ".")...)
		if pinned && !meant {
			r.note("%s sends traffic to the pods of revision %s alone: an unfinished run has pinned it; `rolloutgate history` lists the runs, and this release gives it back to all pods", w.Ref, hash)
		}
	}
}
