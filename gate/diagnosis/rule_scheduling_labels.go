package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// nodesRefused reports whether the nodes may not be read. Until the evidence is frozen they are merely not read yet.
func (s *facts) nodesRefused() bool {
	return s.Nodes == nil && slices.ContainsFunc(s.Unreadable, func(note string) bool { return strings.HasPrefix(note, "nodes") })
}

// unread says that the nodes would have told more.
func (s *facts) unread(f *Finding) {
	if s.nodesRefused() {
		f.Evidence = append(f.Evidence, Proof{Type: "object", Text: "nodes are not readable: the scheduler's words are all that is known"})
	}
}

// matching are the nodes whose labels a pod's nodeSelector and required node affinity accept.
func (s *facts) matching(p *corev1.Pod) []*corev1.Node {
	wanted := nodeaffinity.GetRequiredNodeAffinity(p)
	var nodes []*corev1.Node
	for _, n := range s.sortedNodes() {
		if ok, err := wanted.Match(n); ok && err == nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// eligible are the matching nodes that are not cordoned and whose taints the pod tolerates.
func (s *facts) eligible(p *corev1.Pod) []*corev1.Node {
	return slices.DeleteFunc(s.matching(p), func(n *corev1.Node) bool {
		return n.Spec.Unschedulable || len(untolerated(p, n)) > 0
	})
}

func (s *facts) sortedNodes() []*corev1.Node {
	nodes := slices.Clone(s.Nodes)
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

// placed corrects what the text alone says of the reason by what the nodes say: which of them are meant for the pod, and
// what keeps it away from those.
func (s *facts) placed(p *corev1.Pod, code string) string {
	if len(s.Nodes) == 0 || code != "NodeSelectorMismatch" && code != "UntoleratedTaint" && code != "NodesCordoned" {
		return code
	}
	meant := s.matching(p)
	if len(meant) == 0 {
		return "NodeSelectorMismatch"
	}
	tolerable := slices.DeleteFunc(meant, func(n *corev1.Node) bool { return len(untolerated(p, n)) > 0 })
	switch cordoned := slices.DeleteFunc(slices.Clone(tolerable), func(n *corev1.Node) bool { return !n.Spec.Unschedulable }); {
	case len(tolerable) == 0:
		return "UntoleratedTaint"
	case len(cordoned) == len(tolerable):
		return "NodesCordoned"
	}
	return code // the nodes have changed since the scheduler looked
}

// requirement is one thing that a pod wants of a node's labels.
type requirement struct {
	corev1.NodeSelectorRequirement
	field string // below the pod's spec
}

// String is the requirement as people write it: disktype=ssd, zone In (a, b).
func (r requirement) String() string {
	switch {
	case r.Operator == corev1.NodeSelectorOpIn && len(r.Values) == 1:
		return r.Key + "=" + r.Values[0]
	case len(r.Values) == 0:
		return r.Key + " " + string(r.Operator)
	}
	return fmt.Sprintf("%s %s (%s)", r.Key, r.Operator, strings.Join(r.Values, ", "))
}

// met reports whether a node fulfils one requirement.
func (r requirement) met(n *corev1.Node) bool {
	selector, err := nodeaffinity.NewNodeSelector(&corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
		{MatchExpressions: []corev1.NodeSelectorRequirement{r.NodeSelectorRequirement}},
	}})
	return err == nil && selector.Match(n)
}

// requirements lists what a pod wants of a node's labels. Of several terms of its affinity one is enough; then only the
// first is told.
func requirements(p *corev1.Pod) []requirement {
	var all []requirement
	for _, key := range slices.Sorted(maps.Keys(p.Spec.NodeSelector)) {
		r := corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{p.Spec.NodeSelector[key]}}
		all = append(all, requirement{r, "nodeSelector"})
	}
	a := p.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return all
	}
	// Of several terms any will do; the first one tells the story.
	if terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms; len(terms) > 0 {
		for _, r := range terms[0].MatchExpressions {
			all = append(all, requirement{r, "affinity.nodeAffinity"})
		}
	}
	return all
}

// sayLabels names the label that no node has, and the nearest that there is.
func (s *facts) sayLabels(f *Finding, p *corev1.Pod) {
	wanted := requirements(p)
	f.FieldPath = s.podPath + ".affinity.nodeAffinity"
	f.Fix = []string{"correct the node affinity, or label a node"}
	if len(wanted) == 0 {
		return
	}
	f.FieldPath = s.podPath + "." + wanted[0].field
	texts := make([]string, len(wanted))
	for i, r := range wanted {
		texts[i] = r.String()
	}
	f.Detail = strings.Join(texts, ",")
	f.Fix = []string{fmt.Sprintf("correct %s, or label a node with it: kubectl label node NODE %s", wanted[0].field, texts[0])}
	if len(s.Nodes) == 0 {
		f.Cause += "; the pod wants a node with " + list(texts)
		return
	}
	missing := slices.IndexFunc(wanted, func(r requirement) bool { return !slices.ContainsFunc(s.Nodes, r.met) })
	if missing < 0 {
		var each []string
		for _, r := range wanted {
			each = append(each, have(s.count(r.met))+" "+r.String())
		}
		f.Cause += "; no node has all that the pod wants: " + list(each)
		return
	}
	r := wanted[missing]
	f.FieldPath = s.podPath + "." + r.field
	f.Confidence = Proven
	f.Cause += "; no node has " + r.String()
	near, meant := s.nearLabel(r)
	f.Cause += near
	f.Fix = []string{fmt.Sprintf("label a node: kubectl label node NODE %s", strings.ReplaceAll(r.String(), " ", "-"))}
	if len(r.Values) != 1 {
		f.Fix = []string{"label a node so that it has " + r.String()}
	}
	if meant != "" {
		f.Fix = append([]string{fmt.Sprintf("write %s in %s, if that was meant", meant, r.field)}, f.Fix...)
	} else {
		f.Fix = append([]string{"correct " + r.field}, f.Fix...)
	}
	f.Evidence = append(f.Evidence, Proof{Type: "object", Text: fmt.Sprintf("0 of %s have %s%s", plural(len(s.Nodes), "node"), r, near)})
}

func (s *facts) count(test func(*corev1.Node) bool) int {
	n := 0
	for _, node := range s.Nodes {
		if test(node) {
			n++
		}
	}
	return n
}

// nearLabel says what nodes have instead of a label, and what was probably meant.
func (s *facts) nearLabel(r requirement) (text, meant string) {
	values, keys := map[string]int{}, map[string]int{}
	for _, n := range s.Nodes {
		for key := range n.Labels {
			keys[key]++
		}
		if v, ok := n.Labels[r.Key]; ok {
			values[v]++
		}
	}
	if len(values) == 0 {
		if near := nearest(r.Key, slices.Collect(maps.Keys(keys))); near != "" {
			return fmt.Sprintf("; %s label %s instead", have(keys[near]), near), near
		}
		return ", nor any label " + r.Key, ""
	}
	for _, wanted := range r.Values {
		for _, near := range similar(wanted, slices.Collect(maps.Keys(values))) {
			if meant == "" || near[:1] == wanted[:1] && meant[:1] != wanted[:1] {
				meant = near // of two that are equally near the one that begins alike
			}
		}
	}
	var all []string
	for _, v := range slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		return cmp.Or(cmp.Compare(bit(b == meant), bit(a == meant)), cmp.Compare(values[b], values[a]), strings.Compare(a, b))
	}) {
		all = append(all, fmt.Sprintf("%s %s=%s", have(values[v]), r.Key, v))
	}
	if meant != "" {
		meant = r.Key + "=" + meant
	}
	return "; " + list(all), meant
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// have is a number of nodes with its verb.
func have(n int) string {
	if n == 1 {
		return "1 node has"
	}
	return fmt.Sprintf("%d nodes have", n)
}
