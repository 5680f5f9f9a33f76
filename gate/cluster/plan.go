package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/order"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// Plan reads every object once and asks the API server what applying it would do. It changes nothing. Objects that
// the API server refuses are in Refusals; the error is for what makes planning impossible.
func (c *Client) Plan(ctx context.Context, objects []manifest.Object) (patch.Plan, error) {
	objects = manifest.Order(objects)
	defined := definedKinds(objects)
	plan := patch.Plan{Writes: make([]patch.Write, len(objects))}
	for i, o := range objects {
		w, err := c.locate(ctx, o, defined)
		if err != nil {
			plan.Refusals = append(plan.Refusals, patch.Refusal{Object: o, Err: err})
			continue
		}
		plan.Writes[i] = w
	}
	if len(plan.Refusals) > 0 {
		return plan, transport(plan.Refusals)
	}
	if err := manifest.Unique(located(plan.Writes)); err != nil {
		return plan, err // with the namespaces filled in, two documents can name one object
	}
	errs, notes := make([]error, len(plan.Writes)), make([][]string, len(plan.Writes))
	scaled, created := c.scalersOf(plan.Writes), createdNamespaces(plan.Writes)
	inParallel(len(plan.Writes), func(i int) {
		w := &plan.Writes[i]
		notes[i], errs[i] = c.planWrite(ctx, w, scaled, created)
		c.sets.share(w.Before)
		c.sets.share(w.After)
	})
	for _, texts := range notes {
		for _, text := range texts {
			if !slices.Contains(plan.Notes, text) {
				plan.Notes = append(plan.Notes, text)
			}
		}
	}
	for i, err := range errs {
		if err != nil {
			plan.Refusals = append(plan.Refusals, patch.Refusal{Object: plan.Writes[i].Object, Err: err})
		}
	}
	if len(plan.Refusals) == 0 {
		plan.CannotUndo = c.cannotUndo(ctx, plan.Writes)
	}
	return plan, transport(plan.Refusals)
}

// transport picks out a refusal that is none of an object: the API server did not answer, or does not know who asks.
func transport(refusals []patch.Refusal) error {
	for _, r := range refusals {
		if apierrors.IsUnauthorized(r.Err) {
			return fmt.Errorf("the API server does not accept the credentials: %w\n  hint: a token may be over, or be meant for another cluster", r.Err)
		}
		if IsUnreachable(r.Err) {
			return r.Err
		}
	}
	return nil
}

// IsUnreachable tells an API server that gave no answer from one that said no.
func IsUnreachable(err error) bool {
	var status apierrors.APIStatus
	if err == nil || errors.As(err, &status) || meta.IsNoMatchError(err) {
		return false
	}
	var local *localError
	return !errors.As(err, &local)
}

// localError is a refusal of ours, not of the API server.
type localError struct{ error }

// Unwrap returns what was refused.
func (e *localError) Unwrap() error { return e.error }

// locate finds the resource of an object and fills its namespace in, as kubectl does.
func (c *Client) locate(ctx context.Context, o manifest.Object, defined map[schema.GroupKind]string) (patch.Write, error) {
	gvk := o.GroupVersionKind()
	r, err := c.resourceFor(ctx, gvk)
	w := patch.Write{Resource: r, Source: o.Source, Manager: c.fieldManager, At: c.Now(), Object: o, Hook: o.Hook, Test: o.Test}
	scope, inPlan := defined[gvk.GroupKind()]
	switch {
	case meta.IsNoMatchError(err) && inPlan:
		w.Resource.Namespaced, w.Deferred = scope != "Cluster", true
	case err != nil:
		return w, err
	}
	namespace := cmp.Or(o.GetNamespace(), c.namespace)
	if !w.Resource.Namespaced {
		namespace = ""
	}
	if namespace != o.GetNamespace() {
		w.Object.Unstructured = o.DeepCopy()
		w.Object.SetNamespace(namespace)
	}
	w.Ref = w.Object.Ref()
	return w, nil
}

// planWrite finds out what one write would do. Its notes are for people.
func (c *Client) planWrite(ctx context.Context, w *patch.Write, scaled *scalers, created map[string]bool) (notes []string, err error) {
	w.Sent = patch.WithoutServerFields(w.Object.Unstructured)
	if w.Deferred {
		w.Action = patch.Created
		return nil, nil
	}
	live, err := c.liveOf(ctx, w)
	switch {
	case apierrors.IsNotFound(err):
		w.Action = patch.Created
	case err != nil:
		return nil, err
	case w.Object.Replace && order.RunsOnce(w.Object):
		w.Action, w.Replaces = patch.Created, string(live.GetUID())
	case live.GetDeletionTimestamp() != nil:
		return nil, &localError{fmt.Errorf("%s is being deleted since %s", w.Ref, live.GetDeletionTimestamp().UTC().Format("15:04:05"))}
	default:
		w.Before = live
		if err := scaled.leaveReplicas(ctx, w); err != nil {
			notes = append(notes, err.Error())
		}
	}
	caused, note := c.keepCause(w)
	if note != "" {
		notes = append(notes, note)
	}
	if caused && w.Before == nil {
		c.giveCause(w)
	}
	asking, warned := collectWarnings(ctx)
	if w.Replaces == "" {
		err = c.dryRun(asking, w)
	}
	if w.Object.Replace && w.Before != nil && apierrors.IsInvalid(err) { // what serves is changed in place where that can be
		w.Action, w.Replaces, w.Before = patch.Created, string(w.Before.GetUID()), nil
		if caused {
			c.giveCause(w)
		}
	}
	if w.Replaces != "" {
		err = c.dryRunAnew(asking, w)
	}
	w.Warnings = warned.texts
	if w.Before == nil && created[w.Ref.Namespace] && apierrors.IsNotFound(err) {
		return notes, nil // nothing can be tried in a namespace that does not exist yet
	}
	if err != nil || w.Before == nil {
		return notes, err
	}
	w.Action = patch.Configured
	if equality.Semantic.DeepEqual(patch.Authored(w.Before), patch.Authored(w.After)) {
		w.Action = patch.Unchanged
	} else if caused {
		c.giveCause(w)
	}
	return append(notes, c.whatStays(ctx, w)...), nil
}

// deletionTime is how long an object may take to be gone that was deleted a moment ago, perhaps by the undo of a run that was
// killed right then, and goneEvery how often is asked.
const (
	deletionTime = 30 * time.Second
	goneEvery    = time.Second
)

// liveOf reads an object that is to be written. One that was just deleted is waited for until it is gone: what is written to
// it would go with it. When that takes too long, it is returned as it is, for the caller to refuse.
func (c *Client) liveOf(ctx context.Context, w *patch.Write) (*unstructured.Unstructured, error) {
	waiting, cancel := context.WithTimeout(ctx, deletionTime)
	defer cancel()
	for {
		live, err := c.of(w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
		if err != nil || live.GetDeletionTimestamp() == nil || c.Now().Sub(live.GetDeletionTimestamp().Time) > deletionTime {
			return live, err
		}
		select {
		case <-waiting.Done():
			return live, nil
		case <-time.After(goneEvery):
		}
	}
}

// maxStays is how many parts are named of an object of which another manager keeps many.
const maxStays = 5

// whatStays says which parts of an object another manager keeps in it, beside what the manifest has.
func (c *Client) whatStays(ctx context.Context, w *patch.Write) []string {
	var notes []string
	stays := patch.Stays(w.After, w.Sent, c.schemas(ctx, w.After), append(c.takenOver().UnsortedList(), c.undoManager())...)
	for _, s := range stays[:min(len(stays), maxStays)] {
		notes = append(notes, fmt.Sprintf("%s: %s stays, owned by %s: the manifest does not have it", w.Ref, s.Path, s.Manager))
	}
	if more := len(stays) - maxStays; more > 0 {
		notes = append(notes, fmt.Sprintf("%s: %d more parts stay that other managers own", w.Ref, more))
	}
	return notes
}

// definedKinds are the kinds that CRDs among the objects define, each with its scope.
func definedKinds(objects []manifest.Object) map[schema.GroupKind]string {
	kinds := map[schema.GroupKind]string{}
	for _, o := range objects {
		if isCRD(o.Unstructured) {
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
			kinds[schema.GroupKind{Group: group, Kind: kind}], _, _ = unstructured.NestedString(o.Object, "spec", "scope")
		}
	}
	return kinds
}

func isCRD(u *unstructured.Unstructured) bool {
	return u.GroupVersionKind().GroupKind() == schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
}

func located(writes []patch.Write) []manifest.Object {
	objects := make([]manifest.Object, len(writes))
	for i := range writes {
		objects[i] = writes[i].Object
	}
	return objects
}

// createdNamespaces are the namespaces among the items, whether they exist already or not.
func createdNamespaces(writes []patch.Write) map[string]bool {
	names := map[string]bool{}
	for _, w := range writes {
		if w.Object.GroupVersionKind() == (schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}) {
			names[w.Object.GetName()] = true
		}
	}
	return names
}

// inParallel calls f for 0 … n-1, eight at a time, and returns when all have returned.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}
