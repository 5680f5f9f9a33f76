package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Action is what an apply does to one object, in kubectl's words.
type Action string

// The actions.
const (
	Created    Action = "created"
	Configured Action = "configured"
	Unchanged  Action = "unchanged"
)

// Plan is what an apply would do, and the snapshot that an undo goes back to.
type Plan struct {
	Items    []Item // in the order of applying
	Refusals []Refusal
	// CannotUndo says what the account lacks to put a bad rollout back.
	CannotUndo []string
	Notes      []string
}

// Changes tells whether applying the plan would write anything.
func (p Plan) Changes() bool {
	return slices.ContainsFunc(p.Items, func(i Item) bool { return i.Action != Unchanged })
}

// Item is the plan for one object.
type Item struct {
	Object manifest.Object // as written, with its namespace filled in
	Action Action
	// Live is the object before this run, managed fields included; nil when there is none. It is the snapshot.
	Live *unstructured.Unstructured
	// Predicted is what the API server said the object would become; nil for an object whose kind or namespace this
	// same plan creates.
	Predicted *unstructured.Unstructured
	// Warnings are what the API server warned of when it was asked.
	Warnings []string

	resource resource
	desired  *unstructured.Unstructured // what is sent
	deferred bool                       // its kind is defined by a CRD of this plan: resource is not known yet
}

// Ref names the object, namespace included.
func (i Item) Ref() manifest.Ref { return i.Object.Ref() }

// Refusal is one object that the API server will not take.
type Refusal struct {
	Object manifest.Object
	Err    error
}

// Plan reads every object once and asks the API server what applying it would do. It changes nothing. Objects that
// the API server refuses are in Refusals; the error is for what makes planning impossible.
func (c *Client) Plan(ctx context.Context, objects []manifest.Object) (Plan, error) {
	objects = manifest.Order(objects)
	defined := definedKinds(objects)
	plan := Plan{Items: make([]Item, len(objects))}
	for i, o := range objects {
		item, err := c.locate(o, defined)
		if err != nil {
			plan.Refusals = append(plan.Refusals, Refusal{o, err})
			continue
		}
		plan.Items[i] = item
	}
	if len(plan.Refusals) > 0 {
		return plan, transport(plan.Refusals)
	}
	if err := manifest.Unique(located(plan.Items)); err != nil {
		return plan, err // with the namespaces filled in, two documents can name one object
	}
	scaled, err := c.autoscaled(ctx, plan.Items)
	if err != nil {
		plan.Notes = append(plan.Notes, err.Error())
	}
	errs := make([]error, len(plan.Items))
	created := createdNamespaces(plan.Items)
	inParallel(len(plan.Items), func(i int) {
		errs[i] = c.planItem(ctx, &plan.Items[i], scaled, created)
	})
	for i, err := range errs {
		if err != nil {
			plan.Refusals = append(plan.Refusals, Refusal{plan.Items[i].Object, err})
		}
	}
	if len(plan.Refusals) == 0 {
		plan.CannotUndo = c.cannotUndo(ctx, plan.Items)
	}
	return plan, transport(plan.Refusals)
}

// transport picks out a refusal that is no refusal: the API server did not answer.
func transport(refusals []Refusal) error {
	for _, r := range refusals {
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

// locate finds the resource of an object and fills its namespace in, as kubectl does.
func (c *Client) locate(o manifest.Object, defined map[schema.GroupKind]string) (Item, error) {
	gvk := o.GroupVersionKind()
	r, err := c.resourceFor(gvk)
	item := Item{Object: o, resource: r}
	scope, inPlan := defined[gvk.GroupKind()]
	switch {
	case meta.IsNoMatchError(err) && inPlan:
		r.namespaced = scope != "Cluster"
		item.resource, item.deferred = r, true
	case err != nil:
		return item, err
	}
	item.Object.Unstructured = o.DeepCopy()
	switch {
	case !r.namespaced:
		item.Object.SetNamespace("")
	case o.GetNamespace() == "":
		item.Object.SetNamespace(c.namespace)
	}
	return item, nil
}

func (c *Client) planItem(ctx context.Context, item *Item, scaled map[manifest.Ref]bool, created map[string]bool) error {
	item.desired = item.Object.DeepCopy()
	if item.deferred {
		item.Action = Created
		return nil
	}
	at := c.at(item.resource, item.Object.GetNamespace())
	live, err := at.Get(ctx, item.Object.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		item.Action = Created
	case err != nil:
		return err
	default:
		if live.GetDeletionTimestamp() != nil {
			return &localError{fmt.Errorf("%s is being deleted since %s", item.Ref(), live.GetDeletionTimestamp().UTC().Format("15:04:05"))}
		}
		item.Live = live
		if scaled[item.Ref()] {
			c.leaveReplicas(item)
		}
	}
	asking, warned := collectWarnings(ctx)
	item.Predicted, err = c.dryRun(asking, item)
	item.Warnings = warned.texts
	if item.Live == nil && created[item.Object.GetNamespace()] && apierrors.IsNotFound(err) {
		return nil // nothing can be tried in a namespace that does not exist yet
	}
	if err != nil {
		return err
	}
	if item.Live != nil {
		item.Action = Configured
		if equality.Semantic.DeepEqual(authored(item.Live), authored(item.Predicted)) {
			item.Action = Unchanged
		}
	}
	return nil
}

// leaveReplicas takes spec.replicas out of what is sent, because an autoscaler owns it. When the field is ours by
// an earlier apply, leaving it out would make the API server reset it to 1, so the live value is sent instead.
func (c *Client) leaveReplicas(item *Item) {
	replicas, found, _ := unstructured.NestedInt64(item.Live.Object, "spec", "replicas")
	if found && (c.owns(item.Live, "f:spec", "f:replicas") || takenOverBy(item.Live)) {
		_ = unstructured.SetNestedField(item.desired.Object, replicas, "spec", "replicas")
		return
	}
	unstructured.RemoveNestedField(item.desired.Object, "spec", "replicas")
}

// autoscaled names the objects that a HorizontalPodAutoscaler scales, in the cluster or in the plan.
func (c *Client) autoscaled(ctx context.Context, items []Item) (map[manifest.Ref]bool, error) {
	scaled := map[manifest.Ref]bool{}
	namespaces := map[string]bool{}
	for _, i := range items {
		if _, ok, _ := unstructured.NestedInt64(i.Object.Object, "spec", "replicas"); ok {
			namespaces[i.Object.GetNamespace()] = true
		}
		if i.Object.GroupVersionKind().Group == "autoscaling" && i.Object.GetKind() == "HorizontalPodAutoscaler" {
			target, _, _ := unstructured.NestedStringMap(i.Object.Object, "spec", "scaleTargetRef")
			scaled[targetRef(target["apiVersion"], target["kind"], i.Object.GetNamespace(), target["name"])] = true
		}
	}
	for ns := range namespaces {
		list, err := c.typed.AutoscalingV2().HorizontalPodAutoscalers(ns).List(ctx, metav1.ListOptions{})
		if apierrors.IsForbidden(err) {
			return scaled, fmt.Errorf("autoscalers in %s are not readable: spec.replicas is applied as written", ns)
		} else if err != nil {
			return scaled, fmt.Errorf("autoscalers in %s could not be read (%w): spec.replicas is applied as written", ns, err)
		}
		for _, hpa := range list.Items {
			scaled[hpaTarget(hpa)] = true
		}
	}
	return scaled, nil
}

func hpaTarget(hpa autoscalingv2.HorizontalPodAutoscaler) manifest.Ref {
	t := hpa.Spec.ScaleTargetRef
	return targetRef(t.APIVersion, t.Kind, hpa.Namespace, t.Name)
}

func targetRef(apiVersion, kind, namespace, name string) manifest.Ref {
	gv, _ := schema.ParseGroupVersion(apiVersion)
	return manifest.Ref{Group: gv.Group, Kind: kind, Namespace: namespace, Name: name}
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

func located(items []Item) []manifest.Object {
	objects := make([]manifest.Object, len(items))
	for i := range items {
		objects[i] = items[i].Object
	}
	return objects
}

// createdNamespaces are the namespaces among the items, whether they exist already or not.
func createdNamespaces(items []Item) map[string]bool {
	names := map[string]bool{}
	for _, i := range items {
		if i.Object.GroupVersionKind() == (schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}) {
			names[i.Object.GetName()] = true
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
