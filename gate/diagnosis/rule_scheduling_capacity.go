package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelpers "k8s.io/component-helpers/resource"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

// requests is what the scheduler counts for a pod: its containers and sidecars or its biggest init step, and its place
// among the node's pods.
func requests(p *corev1.Pod) corev1.ResourceList {
	asked := resourcehelpers.PodRequests(p, resourcehelpers.PodResourcesOptions{})
	asked[corev1.ResourcePods] = resource.MustParse("1")
	return asked
}

// sayInsufficient compares what a pod asks for with what nodes have. Nothing helps a request that is bigger than every
// node; any other waits for room.
func (s *facts) sayInsufficient(f *Finding, p *corev1.Pod, r messages.Unschedulable) {
	names := r.Resources()
	f.Detail = strings.Join(names, ",")
	f.Fix = []string{"add nodes or free some, or lower resources.requests"}
	f.FieldPath = s.podPath + ".containers"
	asked := requests(p)
	if len(names) == 0 { // Too many pods
		f.Detail = string(corev1.ResourcePods)
		f.Fix = []string{"add nodes: each takes only so many pods, whatever they ask for"}
		s.sayRoom(f, p, corev1.ResourcePods)
		return
	}
	name := corev1.ResourceName(names[0])
	if main, ok := strings.CutPrefix(r.Main().Text, "Insufficient "); ok {
		name = corev1.ResourceName(main)
	}
	f.FieldPath = s.requestField(p, name)
	if s.sayTooBig(f, p, r, names) {
		return
	}
	if q := asked[name]; !q.IsZero() {
		f.Cause += fmt.Sprintf("; the pod asks for %s %s", q.String(), name)
	}
	s.sayRoom(f, p, name)
}

// sayTooBig is about a request that is more than any node has in all. The nodes prove it; without them the scheduler's
// word for it counts, that no eviction would help anywhere.
func (s *facts) sayTooBig(f *Finding, p *corev1.Pod, r messages.Unschedulable, names []string) bool {
	asked, nodes := requests(p), s.matching(p)
	var bigger []string // than the greatest node
	var proofs []Proof
	for _, n := range names {
		name := corev1.ResourceName(n)
		q, most := asked[name], greatest(nodes, name)
		if len(nodes) > 0 && q.Cmp(most) > 0 {
			bigger = append(bigger, n)
			proofs = append(proofs, Proof{Type: "arithmetic", Text: fmt.Sprintf("request %s > %s, the greatest allocatable %s of %s", q.String(), most.String(), n, plural(len(nodes), "node"))})
		}
	}
	split := len(nodes) > 0 && len(bigger) == 0 && !slices.ContainsFunc(nodes, func(n *corev1.Node) bool { return holds(n.Status.Allocatable, asked) })
	switch {
	case len(bigger) > 0 || split:
	case len(nodes) == 0 && r.TooBig():
		bigger = names
	default:
		return false
	}
	if split {
		bigger = names
		f.Confidence = Proven
		var each []string
		for _, n := range nodes {
			each = append(each, fmt.Sprintf("%s has %s", n.Name, amounts(n.Status.Allocatable, names)))
		}
		proofs = []Proof{{Type: "arithmetic", Text: fmt.Sprintf("request %s; %s in all", amounts(asked, names), list(each))}}
	}
	s.become(f, "RequestTooBig")
	f.Detail = strings.Join(bigger, ",")
	name := corev1.ResourceName(bigger[0])
	f.FieldPath = s.requestField(p, name)
	f.Fix = []string{"lower resources.requests." + string(name), "or add a bigger node"}
	f.Evidence = append(f.Evidence, proofs...)
	q, most := asked[name], greatest(nodes, name)
	switch {
	case split:
		f.Cause = fmt.Sprintf("the pod asks for %s, and no single node has all of that, even an empty one", amounts(asked, names))
	case len(nodes) == 0 && len(bigger) > 1:
		f.Cause = fmt.Sprintf("the pod asks for %s, of which at least one is more than any node has, even an empty one", amounts(asked, names))
	case len(nodes) == 0:
		f.Cause = fmt.Sprintf("the pod asks for %s %s, which is more than any node has, even an empty one", q.String(), name)
	case most.IsZero():
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("the pod asks for %s %s, and no node offers any", q.String(), name)
	default:
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("the pod asks for %s %s, but the biggest node has %s in all", q.String(), name, most.String())
	}
	if len(nodes) > 0 && len(nodes) < len(s.Nodes) {
		f.Cause += fmt.Sprintf(" (of the %s that its labels allow)", plural(len(nodes), "node"))
	}
	if strings.Contains(string(name), "/") {
		f.Fix = []string{"correct the name of the resource, or install what offers it (a device plugin) on the nodes", "or add nodes that have it"}
	}
	return true
}

// greatest is the most that one node has of a resource in all.
func greatest(nodes []*corev1.Node, name corev1.ResourceName) resource.Quantity {
	most := resource.Quantity{}
	for _, n := range nodes {
		if q := n.Status.Allocatable[name]; q.Cmp(most) > 0 {
			most = q
		}
	}
	return most
}

// amounts prints some of a list: 4 cpu, 64Gi memory.
func amounts(all corev1.ResourceList, names []string) string {
	texts := make([]string, len(names))
	for i, n := range names {
		q := all[corev1.ResourceName(n)]
		texts[i] = q.String() + " " + n
	}
	return list(texts)
}

// holds reports whether an amount of everything is there.
func holds(free, asked corev1.ResourceList) bool {
	for name, q := range asked {
		if have := free[name]; !q.IsZero() && have.Cmp(q) < 0 {
			return false
		}
	}
	return true
}

// free is what a node has left; ok is false when its pods were not counted.
func (s *facts) free(n *corev1.Node) (left corev1.ResourceList, ok bool) {
	used, ok := s.Requested[n.Name]
	left = corev1.ResourceList{}
	for name, q := range n.Status.Allocatable {
		q = q.DeepCopy()
		q.Sub(used[name])
		left[name] = q
	}
	if _, counted := used[corev1.ResourcePods]; !counted {
		left[corev1.ResourcePods] = resource.MustParse("1") // not counted: leave it out of the comparison
	}
	return left, ok
}

// sayRoom tells how much the best node has left, and how many old pods would have to leave it.
func (s *facts) sayRoom(f *Finding, p *corev1.Pod, name corev1.ResourceName) {
	asked := requests(p)
	var best *corev1.Node
	var most resource.Quantity
	known := 0
	nodes := s.eligible(p)
	for _, n := range nodes {
		left, ok := s.free(n)
		if !ok || name == corev1.ResourcePods && noneOf(s.Requested[n.Name]) {
			continue
		}
		known++
		if q := left[name]; best == nil || q.Cmp(most) > 0 {
			best, most = n, q
		}
	}
	if best == nil {
		return
	}
	q, all, used := asked[name], best.Status.Allocatable[name], s.Requested[best.Name][name]
	if most.Sign() > 0 {
		f.Cause += fmt.Sprintf("; node %s has the most left, %s", best.Name, most.String())
	} else {
		f.Cause += fmt.Sprintf("; none of the %s has any left", plural(known, "node"))
	}
	f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Ref: "node/" + best.Name, Text: fmt.Sprintf(
		"node %s: %s %s allocatable, %s requested by its pods, %s left; the new pod asks for %s", best.Name, all.String(), name, used.String(), most.String(), q.String())})
	if known == len(nodes) {
		s.sayCapacityDeadlock(f, p, nodes)
	}
}

// sayCapacityDeadlock proves that only old pods are in the way: the new pod fits on some node when they are taken off,
// on none while they are there, and the strategy keeps them until a new pod is available.
func (s *facts) sayCapacityDeadlock(f *Finding, p *corev1.Pod, nodes []*corev1.Node) {
	place, leave := (*corev1.Node)(nil), 0
	for _, n := range nodes {
		k, ok := s.makeRoom(p, n)
		if ok && k == 0 {
			return // the scheduler looked at another moment
		}
		if ok && (place == nil || k < leave) {
			place, leave = n, k
		}
	}
	if place == nil {
		return
	}
	f.Cause += fmt.Sprintf("; it would fit on node %s without %s", place.Name, plural(leave, "old pod"))
	if !s.stuck(onNoNode) {
		return
	}
	f.Terminal, f.After, f.Scope = TerminalDeadlock, time.Minute, ScopeSpec
	f.Confidence = Proven
	f.Cause += ", and no old pod leaves until a new one is available"
	f.Evidence = append(f.Evidence,
		Proof{Type: "arithmetic", Text: s.algebra().sentence()},
		Proof{Type: "arithmetic", Ref: "node/" + place.Name, Text: fmt.Sprintf("node %s takes the new pod when %s %s it; no node takes it before", place.Name, plural(leave, "old pod"), leaves(leave))})
	f.Fix = append([]string{leaveFirst}, f.Fix...)
}

func leaves(n int) string {
	if n == 1 {
		return "leaves"
	}
	return "leave"
}

// makeRoom counts the old pods that must leave a node so that a new one fits on it.
func (s *facts) makeRoom(p *corev1.Pod, n *corev1.Node) (leave int, ok bool) {
	asked := requests(p)
	left, _ := s.free(n)
	if holds(left, asked) {
		return 0, true
	}
	for _, old := range s.old {
		if old.Spec.NodeName != n.Name {
			continue
		}
		leave++
		for name, q := range requests(old) {
			sum := left[name]
			sum.Add(q)
			left[name] = sum
		}
		if holds(left, asked) {
			return leave, true
		}
	}
	return 0, false
}

// requestField is the request of the container that asks for most: of init containers and others.
func (s *facts) requestField(p *corev1.Pod, name corev1.ResourceName) string {
	best, where, most := "", "containers", resource.Quantity{}
	for list, c := range declared(&p.Spec) {
		if q := c.Resources.Requests[name]; best == "" || q.Cmp(most) > 0 {
			best, where, most = c.Name, list, q
		}
	}
	if p.Spec.Resources != nil {
		if q := p.Spec.Resources.Requests[name]; !q.IsZero() {
			return s.podPath + ".resources.requests." + string(name)
		}
	}
	if s.isInjected(best) {
		return s.metaPath()
	}
	key := string(name)
	if strings.ContainsAny(key, "./") {
		return fmt.Sprintf("%s.%s[name=%s].resources", s.podPath, where, best) // an extended resource may stand in limits only
	}
	return fmt.Sprintf("%s.%s[name=%s].resources.requests.%s", s.podPath, where, best, key)
}

// noneOf reports whether a sum does not count pods.
func noneOf(sum corev1.ResourceList) bool {
	pods := sum[corev1.ResourcePods]
	return pods.IsZero()
}
