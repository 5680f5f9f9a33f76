package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/restmapper"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Find returns the objects that names name, as KIND/NAME in all the spellings of kubectl (deploy/web, sts/db), in the
// client's namespace. Their rollout began with the last write that was not one of a status. One that is not there is an
// error, unless it is awaited: then its target has no object.
func (c *Client) Find(ctx context.Context, names []string, awaited bool) ([]rollout.Target, error) {
	mapper := restmapper.NewShortcutExpander(c.mapper, c.typed.Discovery(), nil)
	targets := make([]rollout.Target, 0, len(names))
	for _, text := range names {
		kind, name, ok := cutName(text)
		if !ok {
			return nil, notAName(text)
		}
		target, err := c.find(ctx, mapper, kind, name, awaited)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", text, err)
		}
		targets = append(targets, target)
	}
	return targets, nil
}

// cutName cuts KIND/NAME.
func cutName(text string) (kind, name string, ok bool) {
	kind, name, ok = strings.Cut(text, "/")
	return kind, name, ok && kind != "" && name != "" && !strings.Contains(name, "/")
}

func notAName(text string) error {
	return fmt.Errorf("%q is not KIND/NAME\n  hint: for example deployment/web", text)
}

// kindNamed finds the kind that a word names.
func (c *Client) kindNamed(ctx context.Context, mapper meta.RESTMapper, kind string) (schema.GroupVersionKind, manifest.Resource, error) {
	gvk, err := within(ctx, func() (schema.GroupVersionKind, error) {
		return mapper.KindFor(schema.ParseGroupResource(strings.ToLower(kind)).WithVersion(""))
	})
	if meta.IsNoMatchError(err) {
		return gvk, manifest.Resource{}, fmt.Errorf("the API server has no kind %q\n  hint: `kubectl api-resources` lists them", kind)
	}
	if err != nil {
		return gvk, manifest.Resource{}, err
	}
	r, err := c.resourceFor(ctx, gvk)
	return gvk, r, err
}

func (c *Client) find(ctx context.Context, mapper meta.RESTMapper, kind, name string, awaited bool) (rollout.Target, error) {
	gvk, r, err := c.kindNamed(ctx, mapper, kind)
	if err != nil {
		return rollout.Target{}, err
	}
	live, err := c.at(r, c.namespace).Get(ctx, name, metav1.GetOptions{})
	if awaited && apierrors.IsNotFound(err) {
		return rollout.Target{Ref: c.refTo(gvk, r, name), Resource: r}, nil
	}
	if err != nil {
		return rollout.Target{}, err
	}
	return rollout.Target{Ref: refOf(live), Applied: typed(live), Since: rollout.LastWrite(live), Resource: r}, nil
}

// Names reads KIND/NAME in all the spellings of kubectl. The objects need not exist.
func (c *Client) Names(ctx context.Context, names []string) ([]manifest.Ref, error) {
	mapper := restmapper.NewShortcutExpander(c.mapper, c.typed.Discovery(), nil)
	var refs []manifest.Ref
	for _, text := range names {
		kind, name, ok := cutName(text)
		if !ok {
			return nil, notAName(text)
		}
		gvk, r, err := c.kindNamed(ctx, mapper, kind)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", text, err)
		}
		refs = append(refs, c.refTo(gvk, r, name))
	}
	return refs, nil
}

// refTo names an object in the client's namespace.
func (c *Client) refTo(gvk schema.GroupVersionKind, r manifest.Resource, name string) manifest.Ref {
	ref := manifest.Ref{Group: gvk.Group, Kind: gvk.Kind, Name: name}
	if r.Namespaced {
		ref.Namespace = c.namespace
	}
	return ref
}

// ControllerOf reads the object that an object's controller works for; nil when there is none.
func (c *Client) ControllerOf(ctx context.Context, o rollout.Object) (*unstructured.Unstructured, error) {
	owner := metav1.GetControllerOf(o)
	if owner == nil {
		return nil, nil
	}
	r, err := c.resourceFor(ctx, schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
	if err != nil {
		return nil, fmt.Errorf("finding %s/%s: %w", strings.ToLower(owner.Kind), owner.Name, err)
	}
	return c.at(r, o.GetNamespace()).Get(ctx, owner.Name, metav1.GetOptions{})
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
				targets = append(targets, rollout.Target{Ref: refOf(live), Applied: typed(live), Since: rollout.LastWrite(live), Resource: k.Resource})
			}
		}
	}
	if len(notes) == len(kinds) {
		return nil, nil, fmt.Errorf("this account may list no kind of workload: %w", errs[0])
	}
	return targets, notes, nil
}
