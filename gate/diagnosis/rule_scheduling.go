package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// waitForNode is the patience for a pod that no node there is can take: an autoscaler says within that time whether it
// adds one that can.
const waitForNode = 90 * time.Second

var ruleScheduling = Rule{Family: "Scheduling", Find: explainSchedule, Causes: []Cause{
	{Code: "InsufficientResources", class: atTimeout("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "The nodes that the pod may run on have too little left of a resource that it asks for. Other pods that leave, or another node, would make room.",
		Signals: "Pod condition PodScheduled=False, reason Unschedulable, \"Insufficient cpu\" (memory, ephemeral-storage, a device) or \"Too many pods\"; with the right to list nodes also their allocatable less the requests of their pods.",
		Remedy:  "Add nodes or free some, or lower resources.requests to what the program really uses. If only the old version's pods are in the way, let one leave first: maxUnavailable 1."},
	{Code: "RequestTooBig", class: class{"schedule", LayerCluster, ScopeSpec, TerminalDeadlock, 1, 45 * time.Second},
		Meaning: "The pod asks for more of a resource than any node has in all, so that not even an empty node could take it.",
		Signals: "Pod condition PodScheduled=False with \"Insufficient …\" where the scheduler calls preemption \"not helpful\" on every node, or the request compared with the greatest allocatable of the nodes.",
		Remedy:  "Lower resources.requests (a wrong unit is common: 4000 is 4000 CPUs, 4000m is 4), or add a node type that is big enough. A device needs a node that offers it under exactly that name."},
	{Code: "NodeSelectorMismatch", class: after("schedule", LayerCluster, ScopeSpec, 1, waitForNode),
		InUndo:  "UndoBlocked",
		Meaning: "No node has the labels that the pod's nodeSelector or required node affinity asks for.",
		Signals: "Pod condition PodScheduled=False with \"didn't match Pod's node affinity/selector\" (\"didn't match node selector\" before 1.21); with the right to list nodes also their labels.",
		Remedy:  "Correct the label in nodeSelector or in the node affinity, or put the label on a node."},
	{Code: "UntoleratedTaint", class: after("schedule", LayerCluster, ScopeSpec, 1, waitForNode),
		InUndo:  "UndoBlocked",
		Meaning: "The nodes that the pod may run on have taints that the pod does not tolerate. Taints that stand for a node's condition or a starting node go away by themselves; others are meant.",
		Signals: "Pod condition PodScheduled=False with \"had untolerated taint\"; since 1.35 the text does not name the taint, so that it is read from the nodes.",
		Remedy:  "Add the missing toleration, or remove the taint from a node that should take the pod."},
	{Code: "NodesCordoned", class: atTimeout("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "The nodes that would take the pod are cordoned: somebody took them out of service, usually for maintenance.",
		Signals: "Pod condition PodScheduled=False with \"were unschedulable\", and spec.unschedulable of the nodes.",
		Remedy:  "Uncordon a node when its maintenance is over, or add nodes."},
	{Code: "PodAffinityUnsatisfied", class: after("schedule", LayerCluster, ScopeSpec, 1, waitForNode),
		InUndo:  "UndoBlocked",
		Meaning: "The pod must run beside pods with certain labels, and there are none in any part of the topology that it may run in.",
		Signals: "Pod condition PodScheduled=False with \"didn't match pod affinity rules\".",
		Remedy:  "Correct the labels or the topologyKey of podAffinity, start the pods that it wants to be near, or make the rule preferred instead of required."},
	{Code: "PodAntiAffinityUnsatisfied", class: atTimeout("schedule", LayerCluster, ScopeSpec),
		InUndo:  "UndoBlocked",
		Meaning: "Every node that would do has a pod that the new one may not run beside. With as many replicas as nodes the old version's own pods are in the way.",
		Signals: "Pod condition PodScheduled=False with \"didn't match pod anti-affinity rules\" or \"didn't satisfy existing pods anti-affinity rules\"; a deadlock is proven from maxSurge, maxUnavailable and the nodes of the old pods.",
		Remedy:  "Let an old pod leave first (maxUnavailable 1, maxSurge 0), add nodes, or make the rule preferred instead of required."},
	{Code: "TopologySpreadUnsatisfied", class: atTimeout("schedule", LayerCluster, ScopeSpec),
		InUndo:  "UndoBlocked",
		Meaning: "A topologySpreadConstraint with DoNotSchedule leaves no node: one more pod would make the parts of the topology too uneven, or nodes lack the label. Pods of the old version count unless matchLabelKeys says otherwise.",
		Signals: "Pod condition PodScheduled=False with \"didn't match pod topology spread constraints\", with \"(missing required label)\" when nodes lack topologyKey.",
		Remedy:  "Add matchLabelKeys: [pod-template-hash], use whenUnsatisfiable: ScheduleAnyway, or label the nodes."},
	{Code: "HostPortConflict", class: atTimeout("schedule", LayerCluster, ScopeSpec),
		InUndo:  "UndoBlocked",
		Meaning: "The pod wants a port of the node itself, and on every node that would do another pod has it. A rolling update needs one node more than there are pods.",
		Signals: "Pod condition PodScheduled=False with \"didn't have free ports for the requested pod ports\"; a deadlock is proven from maxSurge, maxUnavailable and the nodes of the old pods.",
		Remedy:  "Use a Service instead of hostPort, or let an old pod leave first: maxUnavailable 1, maxSurge 0."},
	{Code: "VolumeTopologyConflict", class: after("schedule", LayerCluster, ScopeEnv, 1, waitForNode),
		InUndo:  "UndoBlocked",
		Meaning: "A volume of the pod can be used on certain nodes only, usually those of one zone, and none of these takes the pod.",
		Signals: "Pod condition PodScheduled=False with \"had volume node affinity conflict\" (since 1.33 \"didn't match PersistentVolume's node affinity\") or \"had no available volume zone\".",
		Remedy:  "Add a node where the volume is, or make the claim anew with a storage class whose volumeBindingMode is WaitForFirstConsumer."},
	{Code: "VolumeLimitReached", class: atTimeout("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "The nodes have as many volumes attached as they can.",
		Signals: "Pod condition PodScheduled=False with \"exceed max volume count\".",
		Remedy:  "Add nodes, or use fewer volumes for each pod."},
	{Code: "RwopInUse", class: atTimeout("schedule", LayerCluster, ScopeSpec),
		InUndo:  "UndoBlocked",
		Meaning: "The pod's claim may be used by one pod at a time (ReadWriteOncePod), and another pod has it.",
		Signals: "Pod condition PodScheduled=False with \"ReadWriteOncePod access mode already in-use by another pod\"; a deadlock is proven when the other pod is one of the old version that maxUnavailable 0 keeps.",
		Remedy:  "Use strategy Recreate, so that the old pod leaves first, or another access mode."},
	{Code: "NoNodes", class: atTimeout("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "The cluster has no nodes.",
		Signals: "Pod condition PodScheduled=False with \"no nodes available to schedule pods\".",
		Remedy:  "Add a node, or find out why the nodes left the cluster."},
	{Code: "NoScheduler", class: after("schedule", LayerCluster, ScopeSpec, 1, time.Minute),
		InUndo:  "UndoBlocked",
		Meaning: "No scheduler has looked at the pod: the one that it names does not exist or does not work.",
		Signals: "A pod in phase Pending without a PodScheduled condition and without an event of a scheduler, while the scheduler has given no other pod of the rollout a node for a minute.",
		Remedy:  "Correct schedulerName, or look at the scheduler's own pods."},
	{Code: "SchedulingGated", class: after("schedule", LayerCluster, ScopeSpec, 1, 2*time.Minute),
		InUndo:  "UndoBlocked",
		Meaning: "The pod has a scheduling gate, and may not be scheduled before a controller removes it.",
		Signals: "Pod condition PodScheduled=False, reason SchedulingGated, and spec.schedulingGates of the pod.",
		Remedy:  "Look at the controller that removes the gate, or take the gate out of the manifest."},
	{Code: "SchedulerError", class: atTimeout("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "The scheduler failed while it placed the pod, for example because it could not bind a volume in time. It tries again.",
		Signals: "Pod condition PodScheduled=False, reason SchedulerError.",
		Remedy:  "Act on the message; it is about the cluster, most often about storage or the API server, and rarely about the manifest."},
	{Code: "DeviceClaimUnallocatable", class: atTimeout("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "A device that the pod claims (dynamic resource allocation) cannot be given to it: none is free, or the claim could not be made.",
		Signals: "Pod condition PodScheduled=False with \"cannot allocate all claims\" or another text about a resource claim, or the pod's event FailedResourceClaimCreation.",
		Remedy:  "Check spec.resourceClaims, the claim's device class and selectors, and which devices the nodes offer: kubectl get resourceslices."},
	{Code: "WaitingPreemption", class: atTimeout("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "The scheduler has chosen a node for the pod and waits until pods of lower priority have left it.",
		Signals: "status.nominatedNodeName of the pod, or PodScheduled=False with \"waiting for the preemption\".",
		Remedy:  "Wait; if the pods that must leave take long, look at their terminationGracePeriodSeconds."},
	{Code: "UnschedulableOther", class: atTimeout("schedule", LayerCluster, ScopeEnv),
		InUndo:  "UndoBlocked",
		Meaning: "No node takes the pod, for a reason that is none of the known ones.",
		Signals: "Pod condition PodScheduled=False, reason Unschedulable, with a text that is quoted as it is.",
		Remedy:  "Act on the scheduler's message."},
}}

// explainSchedule names why no node takes a pod. The PodScheduled condition has the whole text, the event only 1 KiB
// of it. What the scheduler says of claims is for the volumes' codes, which it often notices first.
func explainSchedule(s *facts) []Finding {
	var found []Finding
	for _, p := range s.pods {
		if p.Spec.NodeName != "" {
			continue
		}
		found = append(found, s.claimsOfDevices(p)...)
		c := rollout.PodCondition(p, corev1.PodScheduled)
		switch {
		case p.Status.NominatedNodeName != "":
			found = append(found, s.preempting(p, c))
		case c == nil:
			found = append(found, s.noScheduler(p)...)
		case c.Status != corev1.ConditionFalse:
		case c.Reason == "SchedulingGated":
			found = append(found, s.gated(p))
		case c.Reason == corev1.PodReasonSchedulerError:
			found = append(found, s.schedulerError(p, c))
		default:
			found = append(found, s.unschedulable(p, c))
		}
	}
	return found
}

// noScheduler is about a pod that no scheduler has looked at.
func (s *facts) noScheduler(p *corev1.Pod) []Finding {
	if s.now.Sub(p.CreationTimestamp.Time) < 10*time.Second || len(s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "FailedScheduling" })) > 0 {
		return nil
	}
	if slices.ContainsFunc(s.pods, func(o *corev1.Pod) bool {
		placed := rollout.PodCondition(o, corev1.PodScheduled)
		return o.Spec.SchedulerName == p.Spec.SchedulerName && o.Spec.NodeName != "" && placed != nil && s.now.Sub(placed.LastTransitionTime.Time) < time.Minute
	}) {
		return nil // it is at work, and this pod waits for its turn: of thousands of pods the last ones wait for minutes
	}
	f := s.on(p, "NoScheduler")
	f.FieldPath = s.podPath + ".schedulerName"
	f.Detail = p.Spec.SchedulerName
	f.Cause = fmt.Sprintf("no scheduler has looked at the pod: scheduler %q is not there or does not work", p.Spec.SchedulerName)
	f.Evidence = []Proof{{Type: "status", Text: "phase Pending without a PodScheduled condition", Ref: podRef(p).String()}}
	f.Fix = []string{"correct schedulerName, or look at the scheduler"}
	return []Finding{f}
}

func (s *facts) gated(p *corev1.Pod) Finding {
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

// preempting is about a pod for which others are leaving.
func (s *facts) preempting(p *corev1.Pod, c *corev1.PodCondition) Finding {
	f := s.on(p, "WaitingPreemption")
	f.Cause = "the pod waits until pods of lower priority have left the node that was chosen for it"
	if node := p.Status.NominatedNodeName; node != "" {
		f.Nodes = []string{node}
		f.Cause = fmt.Sprintf("the pod waits until pods of lower priority have left node %s, which was chosen for it", node)
		f.Evidence = []Proof{{Type: "status", Text: "nominatedNodeName: " + node, Ref: podRef(p).String()}}
	}
	if c != nil && c.Message != "" {
		f.Evidence = append(f.Evidence, scheduledProof(p, c))
	}
	f.Fix = []string{"wait, or raise --timeout: those pods have their terminationGracePeriodSeconds to end"}
	return f
}

func (s *facts) schedulerError(p *corev1.Pod, c *corev1.PodCondition) Finding {
	f := s.on(p, "SchedulerError")
	f.Cause = "the scheduler fails while it places the pod, and tries again: " + quote(c.Message)
	f.Evidence = []Proof{scheduledProof(p, c)}
	f.Fix = []string{"act on the message; the manifest is hardly to blame"}
	if strings.Contains(c.Message, "VolumeBinding") {
		f.FieldPath = s.podPath + ".volumes"
		f.Fix = []string{"look at the claims of the pod and their provisioner: kubectl describe pvc -n " + p.Namespace}
	}
	return f
}

// scheduledProof quotes the scheduler.
func scheduledProof(p *corev1.Pod, c *corev1.PodCondition) Proof {
	return Proof{Type: "condition", Text: "PodScheduled=False " + c.Reason + ": " + quote(c.Message), Time: c.LastTransitionTime.Time, Ref: podRef(p).String()}
}

// claimsOfDevices is about a claim for a device that could not even be made (pkg/controller/resourceclaim).
func (s *facts) claimsOfDevices(p *corev1.Pod) []Finding {
	events := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "FailedResourceClaimCreation" })
	if len(events) == 0 {
		return nil
	}
	f := s.on(p, "DeviceClaimUnallocatable")
	f.FieldPath = s.podPath + ".resourceClaims"
	f.Count, f.Evidence = occurrences(events), proofs(events, 1)
	f.Cause = "the claim for a device of the pod cannot be made: " + quote(newest(events).Message)
	f.Fix = []string{"correct resourceClaims: the ResourceClaimTemplate must exist in namespace " + p.Namespace}
	return []Finding{f}
}
