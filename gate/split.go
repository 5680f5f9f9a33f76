package gate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

const (
	// besideLabel is on a Service that a run has made for its new pods; its value is the Service whose requests they share.
	besideLabel = "rolloutgate.dev/beside"
	// besideSuffix ends the name of such a Service.
	besideSuffix = "-rolloutgate"
	// longestName is how long the name of a Service may be.
	longestName = 63
)

// routesAt is where HTTPRoutes are served.
var routesAt = manifest.Resource{Group: patch.RouteKind.Group, Version: "v1", Resource: "httproutes", Namespaced: true}

// besideName is the name of the Service for the new pods behind another one.
func besideName(service string) string {
	if len(service)+len(besideSuffix) > longestName {
		sum := fmt.Sprintf("-%.4x", sha256.Sum256([]byte(service)))
		service = strings.TrimRight(service[:longestName-len(besideSuffix)-len(sum)], "-") + sum
	}
	return service + besideSuffix
}

func isBeside(service *unstructured.Unstructured) bool { return service.GetLabels()[besideLabel] != "" }

// besideFields are what the Service for the new pods has in common with the one whose requests they share.
var besideFields = []string{
	"ports", "selector", "publishNotReadyAddresses", "ipFamilies", "ipFamilyPolicy", "sessionAffinity", "sessionAffinityConfig",
	"internalTrafficPolicy", "trafficDistribution",
}

// besideOf is the Service for the new pods behind another one, before it is pinned to them.
func besideOf(service *unstructured.Unstructured) *unstructured.Unstructured {
	from, _, _ := unstructured.NestedMap(service.Object, "spec")
	spec := map[string]any{"type": "ClusterIP"}
	for _, name := range besideFields {
		if value, there := from[name]; there {
			spec[name] = value
		}
	}
	ports, _ := spec["ports"].([]any)
	for _, p := range ports {
		if port, ok := p.(map[string]any); ok {
			delete(port, "nodePort")
		}
	}
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "spec": spec}}
	unstructured.RemoveNestedField(u.Object, strings.Split(patch.PinPath, ".")...)
	u.SetNamespace(service.GetNamespace())
	u.SetName(besideName(service.GetName()))
	u.SetLabels(map[string]string{besideLabel: service.GetName()})
	return u
}

// withSplits adds to a plan the HTTPRoutes that send requests to the Services that it pins, and a Service for the new pods
// behind each of these. beside are such Services that are there already.
func (r *run) withSplits(ctx context.Context, plan patch.Plan, beside []*unstructured.Unstructured) (patch.Plan, error) {
	if !r.g.Delivery.shares() || r.unpinnable != nil {
		return plan, nil
	}
	pins := map[manifest.Ref]patch.Write{}
	var namespaces []string
	for _, w := range plan.Writes {
		if w.Pin == nil {
			continue
		}
		pins[w.Ref] = w
		if !slices.Contains(namespaces, w.Ref.Namespace) {
			namespaces = append(namespaces, w.Ref.Namespace)
		}
	}
	if r.unpinnable = elsewhere(plan, pins); r.unpinnable != nil {
		return plan, nil
	}
	for _, namespace := range namespaces {
		routes, served, err := r.g.Cluster.Routes(ctx, namespace)
		if err != nil {
			return plan, fmt.Errorf("finding the HTTPRoutes in namespace %s: %w", namespace, err)
		}
		if !served {
			r.unpinnable = refusedError{fmt.Errorf("the requests cannot be shared: this cluster has no HTTPRoutes\n  hint: the Gateway API and something that implements it have to be installed; without them, canary: 5%% gives a few pods the new version")}
			return plan, nil
		}
		for _, route := range routes {
			r.splitIn(&plan, route, pins)
		}
	}
	return r.withBeside(ctx, plan, pins, beside)
}

// elsewhere refuses routes that send requests to a Service of another namespace: the Service of the run would need a
// permission of its own there.
func elsewhere(plan patch.Plan, pins map[manifest.Ref]patch.Write) error {
	for _, w := range plan.Writes {
		if w.Ref.GroupKind() != patch.RouteKind {
			continue
		}
		for _, service := range patch.Backends(w.Object.Unstructured) {
			if _, pinned := pins[service]; pinned && service.Namespace != w.Ref.Namespace {
				return refusedError{fmt.Errorf("%s sends requests to %s of another namespace (%s), and shares of these cannot be given\n  hint: put the route into the namespace of its Service", w.Ref, service, service.Namespace)}
			}
		}
	}
	return nil
}

// splitIn adds the write that splits the requests of a route to a plan, or notes it on the plan's own write of it.
func (r *run) splitIn(plan *patch.Plan, route *unstructured.Unstructured, pins map[manifest.Ref]patch.Write) {
	ref := manifest.Object{Unstructured: route}.Ref()
	i := slices.IndexFunc(plan.Writes, func(o patch.Write) bool { return o.Ref == ref })
	own := i >= 0 && plan.Writes[i].Action != patch.Unchanged
	meant := route
	switch {
	case own:
		meant = plan.Writes[i].Sent
	case r.unsplit[ref] != nil:
		meant = r.unsplit[ref]
	}
	split := &patch.Split{To: map[string]string{}}
	var at time.Time
	for _, service := range patch.Backends(meant) {
		pin, pinned := pins[service]
		if !pinned || service.Namespace != ref.Namespace || pin.Pin.Old == "" {
			continue
		}
		split.Of, split.To[service.Name], at = pin.Pin.Of, besideName(service.Name), pin.At
	}
	if len(split.To) == 0 {
		return
	}
	if own {
		plan.Writes[i].Split = split
		return
	}
	rules, _, _ := unstructured.NestedSlice(meant.Object, "spec", "rules")
	w := patch.Write{
		Ref: ref, Resource: routesAt, Action: patch.Configured, Manager: patch.PinManager, Added: true, Before: route, After: route.DeepCopy(), At: at,
		Split: split,
	}
	w.Sent = &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"rules": rules}}}
	w.Sent.SetGroupVersionKind(route.GroupVersionKind())
	w.Sent.SetNamespace(ref.Namespace)
	w.Sent.SetName(ref.Name)
	if i < 0 {
		plan.Writes = append(plan.Writes, w)
		return
	}
	w.Source, w.Object = plan.Writes[i].Source, plan.Writes[i].Object
	plan.Writes[i] = w
}

// withBeside adds to a plan the Services for the new pods that its routes are to send requests to.
func (r *run) withBeside(ctx context.Context, plan patch.Plan, pins map[manifest.Ref]patch.Write, there []*unstructured.Unstructured) (patch.Plan, error) {
	added := map[manifest.Ref]bool{}
	for _, route := range slices.Clone(plan.Writes) {
		if route.Split == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(route.Split.To)) {
			pin := pins[manifest.Ref{Kind: "Service", Namespace: route.Ref.Namespace, Name: name}]
			w, err := r.besideWrite(ctx, plan, pin, there)
			if err != nil || r.unpinnable != nil {
				return plan, err
			}
			if !added[w.Ref] {
				plan.Writes, added[w.Ref] = append(plan.Writes, w), true
			}
		}
	}
	return plan, nil
}

// besideWrite is the write of the Service for the new pods behind one that is pinned. An unfinished run may have made it
// already; nothing else may be in its place.
func (r *run) besideWrite(ctx context.Context, plan patch.Plan, pin patch.Write, there []*unstructured.Unstructured) (patch.Write, error) {
	service := besideOf(pin.After)
	object := manifest.Object{Unstructured: service}
	w := patch.Write{
		Ref: object.Ref(), Resource: servicesAt, Action: patch.Created, Manager: r.g.FieldManager, At: pin.At, Sent: service, After: service.DeepCopy(),
		Pin: &patch.Pin{Of: pin.Pin.Of}, OfRun: true,
	}
	if address, _, _ := unstructured.NestedString(pin.After.Object, "spec", "clusterIP"); address == "None" {
		r.unpinnable = refusedError{fmt.Errorf("%s has no address of its own (clusterIP: None), so whoever asks it may know its pods already, and shares of that cannot be given\n  hint: let the route name a Service with an address", pin.Ref)}
		return w, nil
	}
	i := slices.IndexFunc(there, func(s *unstructured.Unstructured) bool {
		return s.GetName() == w.Ref.Name && s.GetNamespace() == w.Ref.Namespace
	})
	_, goesOn := r.pinned[pin.Pin.Of]
	if i >= 0 && goesOn {
		w.Action, w.Before = patch.Configured, there[i]
		return w, nil
	}
	taken := i >= 0 || slices.ContainsFunc(plan.Writes, func(o patch.Write) bool { return o.Ref == w.Ref })
	if !taken {
		var err error
		if taken, err = r.g.Cluster.Exist(ctx, []manifest.Object{object}); err != nil {
			return w, fmt.Errorf("looking for %s: %w", w.Ref, err)
		}
	}
	if taken {
		r.unpinnable = refusedError{fmt.Errorf("%s is there already, and this run would make a Service of that name for its new pods\n  hint: if an earlier run has left it, undo that one, or let no route name it and delete it: kubectl delete service %s -n %s", w.Ref, w.Ref.Name, w.Ref.Namespace)}
	}
	return w, nil
}
