package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/restmapper"
)

// Find returns the objects that names name, as KIND/NAME in all the spellings of kubectl (deploy/web, sts/db), in the
// client's namespace. Their rollout began with the last write that was not one of a status.
func (c *Client) Find(ctx context.Context, names []string) ([]Target, error) {
	mapper := restmapper.NewShortcutExpander(c.mapper, c.typed.Discovery(), nil)
	targets := make([]Target, 0, len(names))
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

func (c *Client) find(ctx context.Context, mapper meta.RESTMapper, kind, name string) (Target, error) {
	gvk, err := mapper.KindFor(schema.ParseGroupResource(strings.ToLower(kind)).WithVersion(""))
	if meta.IsNoMatchError(err) {
		return Target{}, fmt.Errorf("the API server has no kind %q\n  hint: `kubectl api-resources` lists them", kind)
	}
	if err != nil {
		return Target{}, err
	}
	r, err := c.resourceFor(gvk)
	if err != nil {
		return Target{}, err
	}
	live, err := c.at(r, c.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Target{}, err
	}
	return Target{Ref: refOf(live), Applied: typed(live), Since: lastWrite(live), resource: r}, nil
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
