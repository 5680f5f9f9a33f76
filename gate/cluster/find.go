package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/restmapper"
	"slices"
)

// Find returns the objects that names name, as KIND/NAME in all the spellings of kubectl (deploy/web, sts/db), in the
// client's namespace. Their rollout began with the last write that was not one of a status.
func (c *Client) Find(ctx context.Context, names []string) ([]rollout.Target, error) {
	mapper := restmapper.NewShortcutExpander(c.mapper, c.typed.Discovery(), nil)
	targets := make([]rollout.Target, 0, len(names))
	for _, text := range names {
		kind, name, ok := strings.Cut(text, "/")
		if !ok || kind == "" || name == "" || strings.Contains(name, "/") {
			return nil, fmt.Errorf("%q is not KIND/NAME\n  hint: for example deployment/web", text)
		}
		target, err := c.find(ctx, mapper, kind, name)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", text, err)
		}
		targets = append(targets, target)
	}
	return targets, nil
}

func (c *Client) find(ctx context.Context, mapper meta.RESTMapper, kind, name string) (rollout.Target, error) {
	gvk, err := within(ctx, func() (schema.GroupVersionKind, error) {
		return mapper.KindFor(schema.ParseGroupResource(strings.ToLower(kind)).WithVersion(""))
	})
	if meta.IsNoMatchError(err) {
		return rollout.Target{}, fmt.Errorf("the API server has no kind %q\n  hint: `kubectl api-resources` lists them", kind)
	}
	if err != nil {
		return rollout.Target{}, err
	}
	r, err := c.resourceFor(ctx, gvk)
	if err != nil {
		return rollout.Target{}, err
	}
	live, err := c.at(r, c.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return rollout.Target{}, err
	}
	return rollout.Target{Ref: refOf(live), Applied: typed(live), Since: lastWrite(live), Resource: r}, nil
}

// lastWrite is the time of the newest write by anybody but a controller of the control plane.
func lastWrite(u *unstructured.Unstructured) time.Time {
	newest := u.GetCreationTimestamp().Time
	for _, m := range u.GetManagedFields() {
		if m.Subresource == "" && m.Manager != "kube-controller-manager" && m.Time != nil && m.Time.After(newest) {
			newest = m.Time.Time
		}
	}
	return newest
}

// standalone are the kinds that FindAll looks for.
func standalone() []rollout.Kind {
	return slices.DeleteFunc(slices.Clone(rollout.Kinds), func(k rollout.Kind) bool { return !k.Standalone })
}

// FindAll returns every workload of the client's namespace, or of all namespaces, that no other workload made, and
// notes for the kinds that the account may not list.
func (c *Client) FindAll(ctx context.Context, everywhere bool) (targets []rollout.Target, notes []string, err error) {
	namespace := c.namespace
	if everywhere {
		namespace = metav1.NamespaceAll
	}
	kinds := standalone()
	lists, errs := make([]*unstructured.UnstructuredList, len(kinds)), make([]error, len(kinds))
	inParallel(len(kinds), func(i int) {
		lists[i], errs[i] = c.at(kinds[i].Resource, namespace).List(ctx, metav1.ListOptions{})
	})
	for i, k := range kinds {
		switch {
		case IsDenied(errs[i]):
			notes = append(notes, fmt.Sprintf("%s: %s", k.Resource.Resource, denial(errs[i])))
			continue
		case errs[i] != nil:
			return nil, nil, fmt.Errorf("listing %s: %w", k.Resource.Resource, errs[i])
		}
		for n := range lists[i].Items {
			live := &lists[i].Items[n]
			if owner := metav1.GetControllerOf(live); owner == nil || owner.Kind == "CronJob" {
				targets = append(targets, rollout.Target{Ref: refOf(live), Applied: typed(live), Since: lastWrite(live), Resource: k.Resource})
			}
		}
	}
	if len(notes) == len(kinds) {
		return nil, nil, fmt.Errorf("this account may list no kind of workload: %w", errs[0])
	}
	return targets, notes, nil
}
