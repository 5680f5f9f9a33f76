package diagnosis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

// sayTopology is about topologySpreadConstraints: a label that nodes lack, or old pods that count.
func (s *facts) sayTopology(f *Finding, p *corev1.Pod, r messages.Unschedulable) {
	f.FieldPath = s.podPath + ".topologySpreadConstraints"
	f.Fix = []string{"add matchLabelKeys: [pod-template-hash], so that old pods do not count, or whenUnsatisfiable: ScheduleAnyway"}
	strict := slices.DeleteFunc(slices.Clone(p.Spec.TopologySpreadConstraints), func(c corev1.TopologySpreadConstraint) bool {
		return c.WhenUnsatisfiable == corev1.ScheduleAnyway
	})
	if len(strict) > 0 {
		f.Detail = strict[0].TopologyKey
	}
	if r.Fixed() {
		s.sayTopologyLabel(f, strict)
		return
	}
	for i, c := range strict {
		t := s.topology(p, c)
		if len(t.open) == 0 || !t.full(t.all) {
			continue
		}
		f.Detail, f.FieldPath = c.TopologyKey, fmt.Sprintf("%s.topologySpreadConstraints[%d]", s.podPath, slices.IndexFunc(p.Spec.TopologySpreadConstraints, func(o corev1.TopologySpreadConstraint) bool { return o.TopologyKey == strict[i].TopologyKey }))
		f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: t.sentence()})
		if t.full(t.fresh) {
			return // old pods or not
		}
		f.Cause += fmt.Sprintf("; old pods count, and one more would make the difference %s, where maxSkew allows %d", t.skewText(), c.MaxSkew)
		if s.stuck(onNoNode) {
			s.deadlock(f, "without the old pods the new pod would fit")
		}
		return
	}
}

// sayTopologyLabel is about nodes without the label over which pods are to be spread: they take none of them.
func (s *facts) sayTopologyLabel(f *Finding, strict []corev1.TopologySpreadConstraint) {
	f.Terminal, f.After = TerminalAfter, waitForNode
	f.Fix = []string{"label the nodes, or correct topologyKey"}
	for _, c := range strict {
		if has := func(n *corev1.Node) bool { _, ok := n.Labels[c.TopologyKey]; return ok }; len(s.Nodes) == 0 || slices.ContainsFunc(s.Nodes, has) {
			continue
		}
		f.Detail, f.Confidence = c.TopologyKey, Proven
		f.Cause += "; no node has label " + c.TopologyKey
		keys := map[string]bool{}
		for _, n := range s.Nodes {
			for key := range n.Labels {
				keys[key] = true
			}
		}
		if near := nearest(c.TopologyKey, slices.Collect(maps.Keys(keys))); near != "" {
			f.Cause += ", they have " + near
			f.Fix = append([]string{"write topologyKey: " + near + ", if that was meant"}, f.Fix...)
		}
	}
}

// topology counts the pods of the workload in each part of the topology, as PodTopologySpread does
// (pkg/scheduler/framework/plugins/podtopologyspread/filtering.go).
type topology struct {
	constraint corev1.TopologySpreadConstraint
	self       int            // 1 when the pod itself counts
	all, fresh map[string]int // pods by part: of both versions, of the new one
	open       []string       // the parts with a node that would take the pod
}

func (s *facts) topology(p *corev1.Pod, c corev1.TopologySpreadConstraint) topology {
	t := topology{constraint: c, all: map[string]int{}, fresh: map[string]int{}}
	counts := spreads(p, c)
	if counts(p) {
		t.self = 1
	}
	part := map[string]string{}
	for _, n := range s.matching(p) {
		honored := c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor && len(untolerated(p, n)) > 0
		if name, ok := n.Labels[c.TopologyKey]; ok && !honored {
			part[n.Name] = name
			t.all[name] += 0
			t.fresh[name] += 0
		}
	}
	for _, n := range s.eligible(p) {
		if name, ok := part[n.Name]; ok && !slices.Contains(t.open, name) {
			t.open = append(t.open, name)
		}
	}
	for _, pods := range [][]*corev1.Pod{s.old, s.pods} {
		for _, other := range pods {
			if name, ok := part[other.Spec.NodeName]; ok && counts(other) {
				t.all[name]++
			}
		}
	}
	for _, other := range s.pods {
		if name, ok := part[other.Spec.NodeName]; ok && counts(other) {
			t.fresh[name]++
		}
	}
	return t
}

// spreads tests for the pods that a constraint counts.
func spreads(p *corev1.Pod, c corev1.TopologySpreadConstraint) func(*corev1.Pod) bool {
	selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
	return func(other *corev1.Pod) bool {
		for _, key := range c.MatchLabelKeys {
			if v, ok := p.Labels[key]; ok && other.Labels[key] != v {
				return false
			}
		}
		return err == nil && selector.Matches(labels.Set(other.Labels))
	}
}

// least is the smallest number of pods in one part, which is 0 while there are fewer parts than minDomains.
func (t topology) least(counts map[string]int) int {
	if t.constraint.MinDomains != nil && len(counts) < int(*t.constraint.MinDomains) {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(counts)))
}

// full reports whether no open part takes one more pod.
func (t topology) full(counts map[string]int) bool {
	return !slices.ContainsFunc(t.open, func(part string) bool {
		return counts[part]+t.self-t.least(counts) <= int(t.constraint.MaxSkew)
	})
}

func (t topology) sentence() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.all)) {
		text := fmt.Sprintf("%s=%s has %s", t.constraint.TopologyKey, name, plural(t.all[name], "pod"))
		if t.fresh[name] != t.all[name] {
			text += fmt.Sprintf(" (%d old)", t.all[name]-t.fresh[name])
		}
		if !slices.Contains(t.open, name) {
			text += " and no node that takes the new one"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ") + fmt.Sprintf("; maxSkew %d", t.constraint.MaxSkew)
}

// skewText is the smallest difference that one more pod would make.
func (t topology) skewText() string {
	least := t.least(t.all)
	most := slices.MinFunc(t.open, func(a, b string) int { return t.all[a] - t.all[b] })
	return fmt.Sprintf("%d - %d = %d", t.all[most]+t.self, least, t.all[most]+t.self-least)
}
