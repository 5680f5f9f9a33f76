package diagnosis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// explainSchedule names why no node takes a pod: InsufficientResources, RequestTooBig, NodeSelectorMismatch,
// UntoleratedTaint, NodesCordoned, PodAffinityUnsatisfied, PodAntiAffinityUnsatisfied, TopologySpreadUnsatisfied,
// HostPortConflict, VolumeTopologyConflict, VolumeLimitReached, RwopInUse, NoNodes, NoScheduler, SchedulingGated,
// UnschedulableOther; and PvcNotFound and PvcUnbound, which the scheduler notices first. The PodScheduled condition has
// the whole text, the event only 1 KiB of it.
func explainSchedule(s *scene) []Finding {
	var found []Finding
	for _, p := range s.pods {
		if p.Spec.NodeName != "" {
			continue
		}
		c := condition(p, corev1.PodScheduled)
		switch {
		case c == nil:
			found = append(found, s.noScheduler(p)...)
		case c.Status == corev1.ConditionFalse && c.Reason == "SchedulingGated":
			found = append(found, s.gated(p))
		case c.Status == corev1.ConditionFalse && p.Status.NominatedNodeName == "": // else others are leaving for it
			found = append(found, s.unschedulable(p, c))
		}
	}
	return found
}

// noScheduler is about a pod that no scheduler has looked at.
func (s *scene) noScheduler(p *corev1.Pod) []Finding {
	if s.now.Sub(p.CreationTimestamp.Time) < 10*time.Second || len(s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "FailedScheduling" })) > 0 {
		return nil
	}
	f := s.on(p, "NoScheduler")
	f.FieldPath = s.podPath + ".schedulerName"
	f.Detail = p.Spec.SchedulerName
	f.Cause = fmt.Sprintf("no scheduler has looked at the pod: scheduler %q is not there or does not work", p.Spec.SchedulerName)
	f.Evidence = []Proof{{Type: "status", Text: "phase Pending without a PodScheduled condition", Ref: podRef(p).String()}}
	f.Fix = []string{"correct schedulerName, or look at the scheduler"}
	return []Finding{f}
}

func (s *scene) gated(p *corev1.Pod) Finding {
	f := s.on(p, "SchedulingGated")
	var gates []string
	for _, g := range p.Spec.SchedulingGates {
		gates = append(gates, g.Name)
	}
	f.Confidence, f.Detail, f.FieldPath = Proven, strings.Join(gates, ","), s.podPath+".schedulingGates"
	f.Cause = fmt.Sprintf("the pod may not be scheduled until scheduling gate %s is lifted", list(gates))
	f.Evidence = []Proof{{Type: "condition", Text: "PodScheduled=False SchedulingGated", Ref: podRef(p).String()}}
	f.Fix = []string{"look at the controller that lifts the gate"}
	return f
}

// unschedulable decodes the scheduler's refusal.
func (s *scene) unschedulable(p *corev1.Pod, c *corev1.PodCondition) Finding {
	r := parseRefusal(c.Message)
	proof := Proof{Type: "condition", Text: "PodScheduled=False " + c.Reason + ": " + quote(c.Message), Time: c.LastTransitionTime.Time, Ref: podRef(p).String()}
	if len(r.clauses) == 0 {
		f := s.refusedBefore(p, r)
		f.Evidence = append([]Proof{proof}, f.Evidence...)
		return f
	}
	most := r.main()
	f := s.on(p, most.code)
	f.Cause = fmt.Sprintf("no node takes the pod: %s", s.reasons(r))
	f.Evidence = []Proof{proof}
	f.FirstSeen = c.LastTransitionTime.Time
	if decides(f) && !r.fixed() && most.code != "PvcUnbound" {
		f.Terminal = TerminalTimeout // some nodes would take the pod if others left
	}
	switch most.code {
	case "InsufficientResources":
		s.sayInsufficient(&f, p, r)
	case "NodeSelectorMismatch":
		f.FieldPath = s.podPath + ".affinity.nodeAffinity"
		f.Fix = []string{"correct the node affinity, or label a node"}
		if len(p.Spec.NodeSelector) > 0 {
			f.FieldPath = s.podPath + ".nodeSelector"
			f.Detail = selectorText(p.Spec.NodeSelector)
			f.Cause += s.nearMiss(p.Spec.NodeSelector)
			f.Fix = []string{"correct nodeSelector " + f.Detail + ", or label a node with it"}
		}
	case "UntoleratedTaint":
		f.FieldPath = s.podPath + ".tolerations"
		f.Fix = []string{"add a toleration for the taint, or remove the taint from a node"}
		s.taints(&f, p, c.Message)
	case "PodAffinityUnsatisfied":
		f.FieldPath = s.podPath + ".affinity.podAffinity"
		f.Fix = []string{"check that pods with the labels of podAffinity run in the same topology"}
	case "PodAntiAffinityUnsatisfied", "TopologySpreadUnsatisfied", "HostPortConflict", "RwopInUse":
		s.crowded(&f, p)
	case "NodesCordoned":
		f.Fix = []string{"uncordon a node, or add nodes"}
	case "VolumeTopologyConflict", "VolumeLimitReached", "PvcUnbound":
		f.FieldPath = s.podPath + ".volumes"
		f.Fix = []string{"look at the claims of the pod: kubectl get pvc,pv -n " + p.Namespace}
	}
	s.autoscaler(&f, p)
	return f
}

// refusedBefore is about refusals that hold for all nodes at once.
func (s *scene) refusedBefore(p *corev1.Pod, r refusal) Finding {
	text := r.general
	if m := claimMissing.FindStringSubmatch(text); m != nil {
		return s.claimNotFound(p, m[1])
	}
	code := "UnschedulableOther"
	switch {
	case strings.Contains(text, "unbound immediate PersistentVolumeClaims"):
		code = "PvcUnbound"
	case strings.Contains(text, "no nodes available to schedule pods"):
		code = "NoNodes"
	}
	f := s.on(p, code)
	f.Cause = "the pod cannot be scheduled: " + quote(text)
	switch code {
	case "PvcUnbound":
		f.FieldPath = s.podPath + ".volumes"
		f.Cause = "a claim of the pod has no volume: " + quote(text)
		f.Fix = []string{"look at the claims' events: kubectl describe pvc -n " + p.Namespace}
	case "NoNodes":
		f.Confidence = Proven
		f.Cause = "the cluster has no nodes"
		f.Fix = []string{"add a node"}
	}
	s.autoscaler(&f, p)
	return f
}

// reasons puts the clauses into words, the most common first.
func (s *scene) reasons(r refusal) string {
	clauses := slices.Clone(r.clauses)
	slices.SortStableFunc(clauses, func(a, b clause) int { return b.nodes - a.nodes })
	var words []string
	for _, c := range clauses {
		text := strings.TrimPrefix(c.text, "node(s) ")
		text = strings.Replace(text, "Insufficient ", "have too little ", 1)
		words = append(words, fmt.Sprintf("%d of %d %s", c.nodes, r.nodes, text))
	}
	return quote(strings.Join(words, ", "))
}

// sayInsufficient compares the request with what nodes have in all: nothing helps a request that is bigger than every
// node. Without the right to read nodes the scheduler's word for it counts, that no eviction would help anywhere.
func (s *scene) sayInsufficient(f *Finding, p *corev1.Pod, r refusal) {
	names := r.resources()
	f.Detail = strings.Join(names, ",")
	f.Fix = []string{"add nodes or free some, or lower resources.requests"}
	if len(names) == 0 {
		return
	}
	main, _ := strings.CutPrefix(r.main().text, "Insufficient ")
	name := corev1.ResourceName(main)
	asked := podRequest(p, name)
	f.FieldPath = s.requestField(p, name)
	if !asked.IsZero() {
		f.Cause += fmt.Sprintf("; the pod asks for %s %s", asked.String(), name)
	}
	biggest := resource.Quantity{}
	for _, n := range s.Nodes {
		if q := n.Status.Allocatable[name]; q.Cmp(biggest) > 0 {
			biggest = q
		}
	}
	onlyResources := len(names) == len(r.clauses)
	proven := len(s.Nodes) > 0 && asked.Cmp(biggest) > 0
	if !proven && !(len(s.Nodes) == 0 && onlyResources && r.nodes > 0 && r.hopeless == r.nodes) {
		return
	}
	c := classes["RequestTooBig"]
	f.Code, f.Detail, f.Scope, f.Terminal, f.Attempts, f.After = "RequestTooBig", main, c.scope, c.terminal, c.attempts, c.after
	f.Fix = []string{"lower resources.requests." + main, "or add a bigger node"}
	f.Cause = fmt.Sprintf("the pod asks for %s %s, which is more than any node has, even an empty one", asked.String(), name)
	if proven {
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("the pod asks for %s %s, but the biggest node has %s in all", asked.String(), name, biggest.String())
		f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: fmt.Sprintf("request %s > %s, the greatest allocatable %s of %s", asked.String(), biggest.String(), name, plural(len(s.Nodes), "node"))})
	}
}

// podRequest is what the scheduler counts for a pod: all containers and sidecars, or the biggest init step.
func podRequest(p *corev1.Pod, name corev1.ResourceName) resource.Quantity {
	sum, step := resource.Quantity{}, resource.Quantity{}
	for _, c := range p.Spec.Containers {
		sum.Add(c.Resources.Requests[name])
	}
	for _, c := range p.Spec.InitContainers {
		q := c.Resources.Requests[name]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sum.Add(q)
		} else if q.Cmp(step) > 0 {
			step = q
		}
	}
	if step.Cmp(sum) > 0 {
		sum = step
	}
	sum.Add(p.Spec.Overhead[name])
	return sum
}

// requestField is the request of the container that asks for most.
func (s *scene) requestField(p *corev1.Pod, name corev1.ResourceName) string {
	best, most := "", resource.Quantity{}
	for _, c := range p.Spec.Containers {
		if q := c.Resources.Requests[name]; best == "" || q.Cmp(most) > 0 {
			best, most = c.Name, q
		}
	}
	if s.isInjected(best) {
		return s.metaPath()
	}
	key := string(name)
	if strings.ContainsAny(key, "./") {
		return fmt.Sprintf("%s.containers[name=%s].resources.requests", s.podPath, best)
	}
	return fmt.Sprintf("%s.containers[name=%s].resources.requests.%s", s.podPath, best, key)
}

func selectorText(selector map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(selector)) {
		parts = append(parts, k+"="+selector[k])
	}
	return strings.Join(parts, ",")
}

// nearMiss says which label of a selector no node has, and what nodes have instead.
func (s *scene) nearMiss(selector map[string]string) string {
	if len(s.Nodes) == 0 {
		return "; the pod wants a node with " + selectorText(selector)
	}
	for _, k := range slices.Sorted(maps.Keys(selector)) {
		var values []string
		hit := false
		for _, n := range s.Nodes {
			v, ok := n.Labels[k]
			hit = hit || ok && v == selector[k]
			if ok && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		if !hit && len(values) > 0 {
			return fmt.Sprintf("; no node has label %s=%s, nodes have %s", k, selector[k], list(values))
		} else if !hit {
			return fmt.Sprintf("; no node has a label %s", k)
		}
	}
	return ""
}
