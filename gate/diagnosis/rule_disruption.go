package diagnosis

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleDisruption = Rule{Family: "Disruptions", Find: explainDisruptions, Causes: []Cause{
	{Code: "PodDisrupted", class: remark("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "Somebody removed pods of the workload during the rollout: a drain, an autoscaler that takes a node away, a taint, or a node that is shutting down. That is no fault of the release.",
		Signals: "Pod condition DisruptionTarget with its reason, or the pod's event ScaleDown or TaintManagerEviction.",
		Remedy:  "Repeat the rollout when the nodes are quiet, if it failed meanwhile."},
	{Code: "PodPreempted", class: remark("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "Pods of the workload had to leave their node for pods of higher priority.",
		Signals: "Pod condition DisruptionTarget, reason PreemptionByScheduler, or the pod's event Preempted.",
		Remedy:  "Add nodes, or give the workload a higher priorityClassName."},
}}

// disruptions say who removed a pod (k8s.io/api/core/v1, PodReason…; pkg/controller).
var disruptions = map[string]string{
	"EvictionByEvictionAPI": "drained or evicted", "DeletionByTaintManager": "removed from a node with a NoExecute taint",
	"DeletionByPodGC": "lost with their node", "TerminationByKubelet": "ended by a node that shuts down or runs out",
	"PreemptionByScheduler": "preempted by pods of higher priority", "ScaleDown": "removed by an autoscaler together with their node",
	"TaintManagerEviction": "removed from a node with a NoExecute taint", "Preempted": "preempted by pods of higher priority",
}

// explainDisruptions notes pods that somebody removed during the rollout: of any revision, gone or going.
func explainDisruptions(s *facts) []Finding {
	byReason := map[string]*Finding{}
	for _, p := range sortedPods(s.w.Pods) {
		reason, proof, ok := s.disrupted(p)
		if !ok {
			continue
		}
		code := "PodDisrupted"
		if reason == "PreemptionByScheduler" || reason == "Preempted" {
			code = "PodPreempted"
		}
		f := byReason[reason]
		if f == nil {
			fresh := s.finding(code)
			f = &fresh
			f.Detail, f.PodsTotal = reason, len(s.w.Pods)
			if code == "PodPreempted" {
				f.FieldPath = s.podPath + ".priorityClassName"
			}
			byReason[reason] = f
		}
		f.PodsAffected++
		f.Count = f.PodsAffected
		if len(f.Evidence) < 2 {
			f.Evidence = append(f.Evidence, proof)
		}
		if p.Spec.NodeName != "" {
			f.Nodes = union(f.Nodes, []string{p.Spec.NodeName})
		}
	}
	var found []Finding
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		f := byReason[reason]
		slices.Sort(f.Nodes)
		f.Confidence = Proven
		were := "was"
		if f.PodsAffected > 1 {
			were = "were"
		}
		f.Cause = fmt.Sprintf("%s of the workload %s %s during the rollout", plural(f.PodsAffected, "pod"), were, disruptions[reason])
		found = append(found, *f)
	}
	return found
}

// disrupted reports whether somebody removed a pod during the rollout, and who.
func (s *facts) disrupted(p *corev1.Pod) (reason string, proof Proof, ok bool) {
	if c := rollout.PodCondition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue && disruptions[c.Reason] != "" && s.fresh(c.LastTransitionTime.Time) {
		return c.Reason, Proof{Type: "condition", Text: "DisruptionTarget=True " + c.Reason + ": " + quote(c.Message), Time: c.LastTransitionTime.Time, Ref: podRef(p).String()}, true
	}
	events := s.eventsOf(string(p.UID), func(e Event) bool {
		return e.Reason == "ScaleDown" || e.Reason == "TaintManagerEviction" || e.Reason == "Preempted"
	})
	if len(events) == 0 {
		return "", Proof{}, false
	}
	return newest(events).Reason, newest(events).proof(), true
}
