package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleStatefulset = Rule{Family: "StatefulSets", Find: explainStatefulSet, Causes: []Cause{
	{Code: "StatefulSetRollbackTrap", class: atTimeout("controller", LayerWorkload, ScopeSpec),
		Meaning: "A pod of another version is broken, and an ordered StatefulSet replaces no pod, not even that one, until it is Ready. A template that is good again does not help by itself.",
		Signals: "podManagementPolicy OrderedReady, a pod that is not Ready and whose controller-revision-hash differs from status.updateRevision.",
		Remedy:  "Delete the broken pod, so that the controller makes it anew from the present template; an undo does that by itself."},
	{Code: "StatefulSetOrderedStall", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "One pod that is not Ready keeps a StatefulSet from going on with the others; what is wrong is that pod's own cause.",
		Signals: "A new pod that is not Ready while pods of the set are missing or still have the old revision.",
		Remedy:  "Act on the cause of that pod; with podManagementPolicy Parallel new pods would at least be made side by side."},
	{Code: "StatefulSetPartition", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "A partition keeps the pods with lower numbers on the old version on purpose, so only a part of the set rolls.",
		Signals: "spec.updateStrategy.rollingUpdate.partition is above 0.",
		Remedy:  "Lower the partition step by step, to 0 at last, to roll the rest; it is a number of pods and not a percentage."},
	{Code: "UpdateStrategyOnDelete", class: atTimeout("controller", LayerWorkload, ScopeSpec),
		Meaning: "With update strategy OnDelete the controller replaces a pod only when somebody deletes it, so old pods stay.",
		Signals: "spec.updateStrategy.type is OnDelete and pods of the old revision exist.",
		Remedy:  "Delete the old pods one by one, or use RollingUpdate."},
	{Code: "HeadlessServiceMissing", class: remark("controller", LayerService, ScopeSpec),
		Meaning: "The Service that gives the pods of a StatefulSet their DNS names does not exist, so they cannot find each other by name.",
		Signals: "No Service of the namespace has the name in spec.serviceName.",
		Remedy:  "Create a Service with clusterIP None and that name, or correct spec.serviceName."},
}}

// explainStatefulSet names what is special about StatefulSets: StatefulSetRollbackTrap, StatefulSetOrderedStall,
// StatefulSetPartition, UpdateStrategyOnDelete (which DaemonSets have too), HeadlessServiceMissing.
func explainStatefulSet(s *facts) []Finding {
	var found []Finding
	if f, ok := s.onDelete(); ok {
		found = append(found, f)
	}
	set, ok := s.w.Live.(*appsv1.StatefulSet)
	if !ok {
		return found
	}
	for _, look := range []func(*appsv1.StatefulSet) (Finding, bool){s.trap, s.stall, s.partition, s.headless} {
		if f, ok := look(set); ok {
			found = append(found, f)
		}
	}
	return found
}

// onDelete counts the pods that somebody has to delete. In a stage in which only some are to become new, that is the run.
func (s *facts) onDelete() (Finding, bool) {
	onDelete := false
	switch o := s.w.Live.(type) {
	case *appsv1.StatefulSet:
		onDelete = o.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType
	case *appsv1.DaemonSet:
		onDelete = o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType
	}
	if !onDelete || len(s.old) == 0 || s.w.Goal > 0 {
		return Finding{}, false
	}
	f := s.finding("UpdateStrategyOnDelete")
	f.Confidence, f.FieldPath = Proven, "spec.updateStrategy.type"
	f.Cause = fmt.Sprintf("updateStrategy OnDelete replaces a pod only when somebody deletes it, and %s left", areOld(len(s.old)))
	f.Evidence = []Proof{{Type: "object", Text: "pods of the old version: " + list(names(s.old)), Ref: s.w.Ref.String()}}
	f.Fix = []string{"delete the old pods: kubectl delete pod -n " + s.w.Ref.Namespace + " " + s.old[0].Name, "or use updateStrategy RollingUpdate"}
	return f, true
}

func areOld(n int) string {
	if n == 1 {
		return "1 pod of the old version is"
	}
	return fmt.Sprintf("%d pods of the old version are", n)
}

func names(pods []*corev1.Pod) []string {
	all := make([]string, len(pods))
	for i, p := range pods {
		all[i] = p.Name
	}
	return all
}

// trap finds the pod of another revision for which an ordered StatefulSet waits. The controller replaces no pod while
// one is not ready, not even the one that is broken (pkg/controller/statefulset/stateful_set_control.go).
func (s *facts) trap(set *appsv1.StatefulSet) (Finding, bool) {
	if set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement || s.ready < len(s.pods) || s.Status.Revision == "" {
		return Finding{}, false
	}
	for _, p := range s.old {
		if rollout.IsReady(p) {
			continue
		}
		f := s.finding("StatefulSetRollbackTrap")
		f.Object, f.Detail = s.subject(p), p.Name
		f.FieldPath = "spec.podManagementPolicy"
		f.Cause = fmt.Sprintf("pod %s of another version is not ready, and the controller replaces no pod until it is", p.Name)
		f.Evidence = []Proof{
			{Type: "status", Text: podState(p), Ref: podRef(p).String()},
			{Type: "object", Text: fmt.Sprintf("revision %s, wanted is %s", p.Labels[appsv1.ControllerRevisionHashLabelKey], s.Status.Revision), Ref: podRef(p).String()},
		}
		f.Fix = []string{"delete the pod, so that it comes back in the new version: kubectl delete pod -n " + p.Namespace + " " + p.Name}
		return f, true
	}
	return Finding{}, false
}

// stall says that one pod holds up the rest. Ordered sets wait for each pod that they make; all sets wait for each pod
// that they update.
func (s *facts) stall(set *appsv1.StatefulSet) (Finding, bool) {
	ordered := set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
	missing := int(s.Status.Desired) - len(s.pods) - len(s.old)
	outdated := len(s.old)
	if u := set.Spec.UpdateStrategy.RollingUpdate; u != nil && u.Partition != nil {
		outdated -= int(*u.Partition) // which stay on purpose
	}
	if outdated <= 0 && (missing <= 0 || !ordered) {
		return Finding{}, false
	}
	waiting := slices.DeleteFunc(slices.Clone(s.pods), rollout.IsReady)
	if len(waiting) == 0 {
		return Finding{}, false
	}
	first := slices.MinFunc(waiting, func(a, b *corev1.Pod) int { return cmp.Compare(ordinal(a), ordinal(b)) })
	f := s.finding("StatefulSetOrderedStall")
	f.Confidence, f.Object, f.Detail = Proven, s.subject(first), first.Name
	f.FieldPath = "spec.podManagementPolicy"
	f.Cause = fmt.Sprintf("pod %s blocks the rest: until it is ready, the stateful set goes on with no other pod", first.Name)
	f.Evidence = []Proof{{Type: "arithmetic", Text: fmt.Sprintf("%s: %d of the new version, %d of the old, %d missing", plural(int(s.Status.Desired), "replica"), len(s.pods), len(s.old), max(0, missing)), Ref: s.w.Ref.String()}}
	return f, true
}

// ordinal is the number at the end of a pod's name.
func ordinal(p *corev1.Pod) int {
	n, _ := strconv.Atoi(p.Name[strings.LastIndex(p.Name, "-")+1:])
	return n
}

// partition tells of pods that stay as they are on purpose. The partition is applied to positions and not to names: with
// spec.ordinals.start 5, partition 1 leaves pod 5 alone.
func (s *facts) partition(set *appsv1.StatefulSet) (Finding, bool) {
	u := set.Spec.UpdateStrategy.RollingUpdate
	if u == nil || u.Partition == nil || *u.Partition == 0 || len(s.old) == 0 || s.w.Goal > 0 { // a canary sets it itself
		return Finding{}, false
	}
	replicas, first := 1, 0
	if set.Spec.Replicas != nil {
		replicas = int(*set.Spec.Replicas)
	}
	if set.Spec.Ordinals != nil {
		first = int(set.Spec.Ordinals.Start)
	}
	f := s.finding("StatefulSetPartition")
	f.Confidence, f.Detail = Proven, fmt.Sprint(*u.Partition)
	f.FieldPath = "spec.updateStrategy.rollingUpdate.partition"
	f.Cause = fmt.Sprintf("partition %d keeps all pods of the set on the old version", *u.Partition)
	if rolling := replicas - int(*u.Partition); rolling > 0 {
		f.Cause = fmt.Sprintf("partition %d: only %d of %s get the new version, those from number %d on", *u.Partition, rolling, plural(replicas, "pod"), first+int(*u.Partition))
	}
	f.Evidence = []Proof{{Type: "object", Text: "pods of the old version: " + list(names(s.old)), Ref: s.w.Ref.String()}}
	f.Fix = []string{"set partition to 0 to roll the rest"}
	return f, true
}

// headless looks for the Service that names the pods.
func (s *facts) headless(set *appsv1.StatefulSet) (Finding, bool) {
	name := set.Spec.ServiceName
	if name == "" || s.Services == nil || slices.ContainsFunc(s.Services, func(o *corev1.Service) bool { return o.Name == name }) {
		return Finding{}, false
	}
	f := s.finding("HeadlessServiceMissing")
	f.Confidence, f.Detail, f.FieldPath = Proven, name, "spec.serviceName"
	f.Cause = fmt.Sprintf("service %s, which gives the pods their DNS names, does not exist", name)
	f.Evidence = []Proof{{Type: "object", Text: fmt.Sprintf("%s in the namespace, none named %s", plural(len(s.Services), "service"), name), Ref: s.w.Ref.String()}}
	f.Fix = []string{"create a Service named " + name + " with clusterIP: None and the pods' labels as selector, or correct serviceName"}
	return f, true
}
