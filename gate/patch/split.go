package patch

import (
	"fmt"
	"maps"
	"math"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// RouteKind is the kind whose requests are split: the Gateway API has weights for it.
var RouteKind = schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}

// rulesPath is the field in which the steps of an HTTPRoute differ. Its lists belong to one owner as a whole.
const rulesPath = "spec.rules"

// Split makes an HTTPRoute send a share of the requests for some Services to others.
type Split struct {
	Of manifest.Ref `json:"of"` // the workload behind the Services; where there are several, one of them
	// To names, for each Service that shares its requests, the one that gets the share.
	To map[string]string `json:"to"`
	// Percent is the share.
	Percent float64 `json:"percent,omitempty"`
}

// Steers tells whether a write leads traffic to a part of the pods of a workload.
func (w Write) Steers() bool { return w.Pin != nil || w.Split != nil }

// SplitAt is a write as a step after which so much of the requests goes to the other Services.
func (w Write) SplitAt(step int, percent float64) (Write, error) {
	rules, _, _ := unstructured.NestedSlice(w.Sent.Object, "spec", "rules")
	for i := range rules {
		rule, _ := rules[i].(map[string]any)
		refs, _ := rule["backendRefs"].([]any)
		split, err := splitRefs(refs, w.Split.To, w.Ref.Namespace, percent)
		if err != nil {
			return w, fmt.Errorf("rule %d of %s: %w", i+1, w.Ref, err)
		}
		if split != nil {
			rule["backendRefs"] = split
		}
	}
	out, err := w.AsStep(step, []string{rulesPath}, Set{Path: rulesPath, Value: rules})
	out.Split = &Split{Of: w.Split.Of, To: maps.Clone(w.Split.To), Percent: percent}
	return out, err
}

// Unsplit is a write as the step that leaves its HTTPRoute as the manifest has it.
func (w Write) Unsplit(step int) (Write, error) {
	out, err := w.AsStep(step, []string{rulesPath})
	out.Split = nil
	return out, err
}

// Backends are the Services that an HTTPRoute sends requests to.
func Backends(route *unstructured.Unstructured) []manifest.Ref {
	var all []manifest.Ref
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	for _, r := range rules {
		rule, _ := r.(map[string]any)
		refs, _ := rule["backendRefs"].([]any)
		for _, b := range refs {
			if service, ok := backend(b, route.GetNamespace()); ok && weight(b) > 0 {
				all = append(all, service)
			}
		}
	}
	return all
}

// backend is the Service that an entry of backendRefs names, in a route of a namespace; false when it names something
// else.
func backend(entry any, namespace string) (manifest.Ref, bool) {
	fields, _ := entry.(map[string]any)
	text := func(name, unset string) string {
		if value, ok := fields[name].(string); ok {
			return value
		}
		return unset
	}
	ref := manifest.Ref{Kind: "Service", Namespace: text("namespace", namespace), Name: text("name", "")}
	return ref, text("group", "") == "" && text("kind", "Service") == "Service" && ref.Name != ""
}

// weight is that of an entry of backendRefs: 1 where none is written.
func weight(entry any) int64 {
	fields, _ := entry.(map[string]any)
	switch value := fields["weight"].(type) {
	case int64:
		return value
	case float64:
		return int64(value)
	}
	return 1
}

const (
	// mostWeight is the greatest weight that the API server takes.
	mostWeight = 1_000_000
	// whole is all requests, in the unit that shares are counted in: the thousandth of a percent.
	whole = 100_000
)

// splitRefs splits the entries for Services of a namespace in two, in the place where they stand, and keeps the shares of
// all others. Nil: no entry is for one of them.
func splitRefs(refs []any, to map[string]string, namespace string, percent float64) ([]any, error) {
	var most int64
	splits := false
	other := func(entry any) string {
		service, ok := backend(entry, namespace)
		if !ok || service.Namespace != namespace || weight(entry) == 0 {
			return ""
		}
		return to[service.Name]
	}
	for _, entry := range refs {
		most, splits = max(most, weight(entry)), splits || other(entry) != ""
	}
	if !splits {
		return nil, nil
	}
	scale := min(timesFor(percent), mostWeight/max(most, 1))
	var out []any
	for _, entry := range refs {
		fields, ok := entry.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("an entry of backendRefs is no object")
		}
		stays := maps.Clone(fields)
		all := weight(entry) * scale
		stays["weight"] = all
		out = append(out, stays)
		name := other(entry)
		if name == "" {
			continue
		}
		share := int64(math.Round(float64(all) * percent / 100))
		if share == 0 || share == all || math.Abs(float64(share)/float64(all)-percent/100) > 0.001 {
			return nil, fmt.Errorf("the weight %d of service/%s beside one of %d cannot be split so that %g%% of it is another one's: weights are at most %d\n  hint: give the backends smaller weights that have the same proportion", weight(entry), fields["name"], most, percent, mostWeight)
		}
		goes := maps.Clone(fields)
		stays["weight"], goes["weight"], goes["name"] = all-share, share, name
		out = append(out, goes)
	}
	return out, nil
}

// timesFor is by how much weights are multiplied, so that the share of each of them is a whole number: 100, where that
// does, because it reads best.
func timesFor(percent float64) int64 {
	a, b := int64(math.Round(percent*whole/100)), int64(whole)
	for a != 0 {
		a, b = b%a, a
	}
	if times := whole / b; 100%times != 0 {
		return times
	}
	return 100
}
