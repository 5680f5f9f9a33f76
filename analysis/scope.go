package analysis

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Scope says whose series a criterion judges.
type Scope string

// The scopes. ScopeNew is the default of criteria on event counts, ScopeAll that of queries.
const (
	ScopeNew Scope = "new" // the pods that the rollout created
	ScopeOld Scope = "old" // the pods of the version before
	ScopeAll Scope = "all" // the query as it is written
)

// Naming is how the series of one server name a pod and its namespace. An empty label is not there.
type Naming struct {
	Pod       string `json:"pod,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// podLabels are the labels that carry a pod's name, the usual one first: the Prometheus Operator and the examples of
// Prometheus write pod; older relabellings kubernetes_pod_name or pod_name; exported_pod is what an exporter said
// itself, where the target's own label won.
var podLabels = []string{"pod", "kubernetes_pod_name", "pod_name", "exported_pod", "k8s_pod_name"}

// namespaceOf are the labels for the namespace that go with each of podLabels.
var namespaceOf = map[string][]string{
	"pod": {"namespace", "kubernetes_namespace"}, "kubernetes_pod_name": {"kubernetes_namespace", "namespace"},
	"pod_name": {"namespace", "kubernetes_namespace"}, "exported_pod": {"exported_namespace", "namespace"},
	"k8s_pod_name": {"k8s_namespace_name", "namespace"},
}

// usualNaming is assumed until a server was asked.
var usualNaming = Naming{Pod: "pod", Namespace: "namespace"}

// matchers select the series of some pods.
func (n Naming) matchers(namespace string, pods []string) []*labels.Matcher {
	var out []*labels.Matcher
	if n.Namespace != "" && namespace != "" {
		out = append(out, labels.MustNewMatcher(labels.MatchEqual, n.Namespace, namespace))
	}
	if n.Pod != "" {
		names := podPattern(pods)
		if names == "" {
			names = nothing
		}
		out = append(out, labels.MustNewMatcher(labels.MatchRegexp, n.Pod, names))
	}
	return out
}

// allVersionsMatchers select the series of the pods of all versions of a workload.
func (n Naming) allVersionsMatchers(namespace, allPods string) []*labels.Matcher {
	var out []*labels.Matcher
	if n.Namespace != "" && namespace != "" {
		out = append(out, labels.MustNewMatcher(labels.MatchEqual, n.Namespace, namespace))
	}
	if m, err := labels.NewMatcher(labels.MatchRegexp, n.Pod, allPods); err == nil && n.Pod != "" && allPods != "" {
		out = append(out, m)
	}
	return out
}

// inject adds matchers to every selector of a query and prints the result. A selector that has a matcher for the same
// label and value keeps its own. The error is that of the parser.
func inject(query string, matchers []*labels.Matcher) (string, error) {
	if len(matchers) == 0 {
		return query, nil
	}
	expr, err := parse(query)
	if err != nil {
		return "", err
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, m := range matchers {
			if !slices.ContainsFunc(selector.LabelMatchers, func(own *labels.Matcher) bool { return same(own, m) }) {
				selector.LabelMatchers = append(selector.LabelMatchers, m)
			}
		}
		return nil
	})
	return expr.String(), nil
}

func same(a, b *labels.Matcher) bool {
	return a.Type == b.Type && a.Name == b.Name && a.Value == b.Value
}

// nothing is a pattern that no label value matches; the empty pattern would match series without the label.
const nothing = "a^"

// podPattern is a regular expression that matches exactly these names. Names of one ReplicaSet share a long beginning,
// which is written once: a query over a thousand pods then still fits into a URL.
func podPattern(names []string) string {
	if len(names) == 0 {
		return ""
	}
	byPrefix := map[string][]string{}
	for _, name := range names {
		cut := strings.LastIndexByte(name, '-') + 1
		byPrefix[name[:cut]] = append(byPrefix[name[:cut]], name[cut:])
	}
	var parts []string
	for prefix, ends := range byPrefix {
		slices.Sort(ends)
		ends = slices.Compact(ends)
		for i, end := range ends {
			ends[i] = regexp.QuoteMeta(end)
		}
		end := ends[0]
		if len(ends) > 1 {
			end = "(" + strings.Join(ends, "|") + ")"
		}
		parts = append(parts, regexp.QuoteMeta(prefix)+end)
	}
	slices.Sort(parts)
	return strings.Join(parts, "|")
}

// selector parses a plain selector, as in http_requests_total{code="500"}, without functions, ranges or modifiers.
func selector(text string) (*parser.VectorSelector, error) {
	expr, err := parse(text)
	if err != nil {
		return nil, err
	}
	s, ok := unwrap(expr).(*parser.VectorSelector)
	switch {
	case !ok:
		return nil, &hinted{fmt.Sprintf("%q is an expression, not a selector", oneLine(text)),
			"write the counter alone, such as http_requests_total{code=~\"5..\"}; what is counted when is rolloutgate's work; for anything else use query"}
	case s.OriginalOffset != 0 || s.OriginalOffsetExpr != nil || s.Timestamp != nil || s.StartOrEnd != 0:
		return nil, &hinted{fmt.Sprintf("%q has an offset or a time", oneLine(text)), "write the counter alone"}
	}
	return s, nil
}

// metricOf is the name of the metric that a selector selects, which may stand among its matchers; "" when it is a
// pattern.
func metricOf(s *parser.VectorSelector) string {
	for _, m := range s.LabelMatchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return s.Name
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
