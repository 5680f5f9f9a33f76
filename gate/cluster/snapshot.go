package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/restmapper"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var (
	configMapsAt  = manifest.Resource{Version: "v1", Resource: "configmaps", Namespaced: true}
	secretsAt     = manifest.Resource{Version: "v1", Resource: "secrets", Namespaced: true}
	autoscalersAt = manifest.Resource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers", Namespaced: true}
	ingressesAt   = manifest.Resource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses", Namespaced: true}
	budgetsAt     = manifest.Resource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets", Namespaced: true}
)

// Snapshot reads what a command is expected to change, as writes of which only the state before is known. It changes
// nothing. What the account may not read is noted, unless it was asked for by name.
func (c *Client) Snapshot(ctx context.Context, scope record.Scope) (patch.Plan, error) {
	var plan patch.Plan
	at := c.Now()
	g, err := c.gather(ctx, scope)
	if err != nil {
		return plan, err
	}
	plan.Notes = g.notes
	for _, s := range g.seen {
		w := patch.Write{Ref: s.ref, Resource: s.resource, Manager: c.fieldManager, At: at, Command: true, Action: patch.Configured, Before: s.live}
		if s.live == nil {
			w.Action = patch.Created
		}
		plan.Writes = append(plan.Writes, w)
	}
	plan.CannotUndo = c.cannotUndo(ctx, plan.Writes)
	return plan, nil
}

// Compare finds out what a command has made of the objects of a snapshot, and what has been created in its scope since. The
// notes are about what is in the scope now and was not in the snapshot, though it is older: it cannot be put back.
func (c *Client) Compare(ctx context.Context, scope record.Scope, before []patch.Write) (after []patch.Write, notes []string, err error) {
	g, err := c.gather(ctx, scope)
	if err != nil {
		return nil, nil, err
	}
	began, until := c.Now(), time.Time{}
	for _, w := range before {
		until = w.Until
		if w.At.Before(began) {
			began = w.At
		}
		live, err := c.nowOf(ctx, g, w)
		if err != nil {
			return nil, nil, err
		}
		var types patch.Types
		if live != nil && w.Before != nil {
			types = c.schemas(ctx, live)
		}
		if w = w.Found(live, types); w.Before != nil || w.Written != nil {
			after = append(after, w)
		}
	}
	for _, s := range g.seen {
		known := slices.ContainsFunc(before, func(w patch.Write) bool { return w.Ref == s.ref })
		switch {
		case known || s.live == nil:
		case !until.IsZero() && s.live.GetCreationTimestamp().After(until):
		case patch.NewSince(s.live, began):
			w := patch.Write{Ref: s.ref, Resource: s.resource, Manager: c.fieldManager, Command: true}
			after = append(after, w.Found(s.live, nil))
		case changedSince(s.live, began):
			notes = append(notes, fmt.Sprintf("%s was not read before the command, and was changed since: an undo cannot put it back; name it with --snapshot", s.ref))
		}
	}
	return after, notes, nil
}

// changedSince tells whether somebody has written an object after a moment who is no controller.
func changedSince(u *unstructured.Unstructured, moment time.Time) bool {
	return rollout.LastWrite(u).After(moment)
}

// nowOf is the object of a write as it is now; nil when it is not there, or about to go.
func (c *Client) nowOf(ctx context.Context, g *scoped, w patch.Write) (*unstructured.Unstructured, error) {
	if i := slices.IndexFunc(g.seen, func(s seen) bool { return s.ref == w.Ref && s.live != nil }); i >= 0 {
		return present(g.seen[i].live), nil
	}
	live, err := c.of(&w).Get(ctx, w.Ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s after the command: %w", w.Ref, err)
	}
	return present(live), nil
}

// present is an object that is not being deleted.
func present(u *unstructured.Unstructured) *unstructured.Unstructured {
	if u.GetDeletionTimestamp() != nil {
		return nil
	}
	return u
}

// seen is one object of a scope; live is nil for one that was named and is not there.
type seen struct {
	ref      manifest.Ref
	resource manifest.Resource
	live     *unstructured.Unstructured
}

// scoped are the objects of a scope, each once.
type scoped struct {
	seen  []seen
	notes []string
}

func (g *scoped) add(ref manifest.Ref, r manifest.Resource, live *unstructured.Unstructured) {
	if !slices.ContainsFunc(g.seen, func(s seen) bool { return s.ref == ref }) {
		g.seen = append(g.seen, seen{ref, r, live})
	}
}

// gather reads the objects of a scope: what is named and selected, and what belongs to the workloads among that.
func (c *Client) gather(ctx context.Context, scope record.Scope) (*scoped, error) {
	g := &scoped{}
	mapper := restmapper.NewShortcutExpander(c.mapper, c.typed.Discovery(), nil)
	for _, text := range append(slices.Clone(scope.Workloads), scope.Also...) {
		if err := c.gatherNamed(ctx, g, mapper, text); err != nil {
			return nil, fmt.Errorf("reading %s: %w", text, err)
		}
	}
	if scope.Selector != "" {
		if err := c.gatherSelected(ctx, g, scope.Selector); err != nil {
			return nil, err
		}
	}
	for _, s := range slices.Clone(g.seen) {
		if template := templateOf(s.live); template != nil {
			if err := c.gatherRead(ctx, g, s.ref.Namespace, template); err != nil {
				return nil, err
			}
		}
	}
	return g, c.gatherAround(ctx, g)
}

func templateOf(u *unstructured.Unstructured) *corev1.PodTemplateSpec {
	if u == nil {
		return nil
	}
	return rollout.PodTemplate(rollout.Typed(u))
}

func (c *Client) gatherNamed(ctx context.Context, g *scoped, mapper meta.RESTMapper, text string) error {
	kind, name, ok := cutName(text)
	if !ok {
		return notAName(text)
	}
	gvk, r, err := c.kindNamed(ctx, mapper, kind)
	if err != nil {
		return err
	}
	ref := manifest.Ref{Group: gvk.Group, Kind: gvk.Kind, Name: name}
	if r.Namespaced {
		ref.Namespace = c.namespace
	}
	live, err := c.at(r, c.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err != nil {
		live = nil
	}
	g.add(ref, r, live)
	return nil
}

// gatherSelected reads what has some labels. Objects that a controller has made are its business, and what a Job or a Pod
// has done nobody takes back.
func (c *Client) gatherSelected(ctx context.Context, g *scoped, selector string) error {
	kinds := []manifest.Resource{configMapsAt, secretsAt, services, autoscalersAt, ingressesAt, budgetsAt}
	for _, k := range rollout.Kinds {
		if k.Replaces || k.Kind == "CronJob" {
			kinds = append(kinds, k.Resource)
		}
	}
	lists, errs := make([]*unstructured.UnstructuredList, len(kinds)), make([]error, len(kinds))
	inParallel(len(kinds), func(i int) {
		lists[i], errs[i] = c.at(kinds[i], c.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	})
	for i, r := range kinds {
		switch {
		case IsDenied(errs[i]):
			g.notes = append(g.notes, fmt.Sprintf("%s with the labels %s are not looked at: %s", r.Resource, selector, denial(errs[i])))
			continue
		case errs[i] != nil:
			return fmt.Errorf("listing %s with the labels %s: %w", r.Resource, selector, errs[i])
		}
		for n := range lists[i].Items {
			live := &lists[i].Items[n]
			if metav1.GetControllerOf(live) == nil && !ofRuns(*live) && !ofHelm(live) {
				g.add(refOf(live), r, live)
			}
		}
	}
	return nil
}

// gatherRead reads the ConfigMaps and Secrets that the pods of a template read.
func (c *Client) gatherRead(ctx context.Context, g *scoped, namespace string, template *corev1.PodTemplateSpec) error {
	for _, ref := range diagnosis.ReadBy(template, namespace) {
		r := map[string]manifest.Resource{"ConfigMap": configMapsAt, "Secret": secretsAt}[ref.Kind]
		if slices.ContainsFunc(g.seen, func(s seen) bool { return s.ref == ref }) {
			continue
		}
		live, err := c.at(r, namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err): // the command may make it
			g.add(ref, r, nil)
		case IsDenied(err):
			g.notes = append(g.notes, fmt.Sprintf("%s is not looked at: %s", ref, denial(err)))
		case err != nil:
			return fmt.Errorf("reading %s: %w", ref, err)
		default:
			g.add(ref, r, live)
		}
	}
	return nil
}

// gatherAround reads the Services that select pods of the workloads, and the autoscalers that scale these.
func (c *Client) gatherAround(ctx context.Context, g *scoped) error {
	pods := map[string][]labels.Set{} // by namespace
	scaled := map[manifest.Ref]bool{}
	for _, s := range g.seen {
		if template := templateOf(s.live); template != nil {
			pods[s.ref.Namespace] = append(pods[s.ref.Namespace], labels.Set(template.Labels))
			scaled[s.ref] = true
		}
	}
	for namespace, sets := range pods {
		selects := func(u *unstructured.Unstructured) bool {
			selector, _, _ := unstructured.NestedStringMap(u.Object, "spec", "selector")
			return len(selector) > 0 && slices.ContainsFunc(sets, func(set labels.Set) bool { return labels.SelectorFromSet(selector).Matches(set) })
		}
		scales := func(u *unstructured.Unstructured) bool {
			target, _, _ := unstructured.NestedStringMap(u.Object, "spec", "scaleTargetRef")
			return scaled[targetRef(target["apiVersion"], target["kind"], namespace, target["name"])]
		}
		err := cmp.Or(c.gatherThose(ctx, g, services, namespace, selects), c.gatherThose(ctx, g, autoscalersAt, namespace, scales))
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) gatherThose(ctx context.Context, g *scoped, r manifest.Resource, namespace string, wanted func(*unstructured.Unstructured) bool) error {
	list, err := c.at(r, namespace).List(ctx, metav1.ListOptions{})
	switch {
	case IsDenied(err):
		g.notes = append(g.notes, fmt.Sprintf("%s in %s are not looked at: %s", r.Resource, namespace, denial(err)))
		return nil
	case err != nil:
		return fmt.Errorf("listing %s: %w", r.Resource, err)
	}
	for n := range list.Items {
		if live := &list.Items[n]; wanted(live) && metav1.GetControllerOf(live) == nil {
			g.add(refOf(live), r, live)
		}
	}
	return nil
}

// ofHelm tells what Helm keeps of its releases: it is nobody else's business.
func ofHelm(u *unstructured.Unstructured) bool {
	kind, _, _ := unstructured.NestedString(u.Object, "type")
	return kind == "helm.sh/release.v1"
}
