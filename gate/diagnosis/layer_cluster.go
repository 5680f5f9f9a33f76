package diagnosis

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// The checks of the cluster and of the workload's controller.

// tally is the result for n of m things: well when none fails, whatever did not come so far yet.
func tally(n, failing, m int, format, unreached string) checkResult {
	switch text := fmt.Sprintf(format, n, m); {
	case failing > 0:
		return checkResult{affected: text}
	case n == 0:
		return checkResult{unreached: unreached}
	default:
		return checkResult{well: text}
	}
}

// runsPods reports whether the workload is of a kind with pods.
func (v checker) runsPods() bool { return v.template != nil || len(v.w.Pods) > 0 }

// noPods is why nothing can be said of the new pods; ok is false when something can.
func (v checker) noPods() (s checkResult, ok bool) {
	switch {
	case !v.runsPods():
		return checkResult{none: "this kind runs no pods"}, true
	case len(v.pods)+len(v.failed) > 0:
		return checkResult{}, false
	case !v.w.PodsKnown:
		return checkResult{unread: cmp.Or(v.denied("pods"), "the pods")}, true
	}
	return checkResult{unreached: "no new pod exists"}, true
}

func (v checker) scheduled() checkResult {
	if s, missing := v.noPods(); missing {
		return s
	}
	placed := 0
	all := slices.Concat(v.pods, v.failed)
	for _, p := range all {
		if p.Spec.NodeName != "" {
			placed++
		}
	}
	return tally(placed, len(all)-placed, len(all), "%d of %d new pods scheduled", "")
}

func (v checker) nodesReady() checkResult {
	if v.Nodes == nil {
		return checkResult{unread: v.denied("nodes")}
	}
	ready, ours := map[string]bool{}, 0
	for _, n := range v.Nodes {
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				ready[n.Name] = true
			}
		}
	}
	known := func(name string) bool {
		return slices.ContainsFunc(v.Nodes, func(n *corev1.Node) bool { return n.Name == name })
	}
	for _, p := range v.pods {
		if known(p.Spec.NodeName) && !ready[p.Spec.NodeName] {
			ours++
		}
	}
	if len(v.Nodes) == 0 {
		return checkResult{affected: "the cluster has no nodes"}
	}
	text := fmt.Sprintf("%d of %d nodes ready", len(ready), len(v.Nodes))
	if ours > 0 || len(ready) == 0 {
		return checkResult{affected: text}
	}
	return checkResult{well: text}
}

// sandboxes asks for the network and cgroups of pods. The condition is there since Kubernetes 1.29; before, a container
// that started or an address tells the same, but the kubelet gives a pod on the host's network its address at once.
func (v checker) sandboxes() checkResult {
	made, failing, placed := 0, 0, 0
	for _, p := range v.pods {
		if p.Spec.NodeName == "" {
			continue
		}
		placed++
		switch c := rollout.PodCondition(p, corev1.PodReadyToStartContainers); {
		case sandboxed(p):
			made++
		case c != nil && c.Status == corev1.ConditionFalse && v.now.Sub(c.LastTransitionTime.Time) > 30*confirm:
			failing++
		}
	}
	if len(v.pods) == 0 || placed == 0 {
		return checkResult{}
	}
	return tally(made, failing, placed, "%d of %d pod networks up", "no new pod has its network yet")
}

func sandboxed(p *corev1.Pod) bool {
	if c := rollout.PodCondition(p, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionTrue {
		return true
	} else if c == nil && p.Status.PodIP != "" && !p.Spec.HostNetwork {
		return true
	}
	return slices.ContainsFunc(slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses), ran)
}

// mounts: the kubelet waits for all volumes before it makes the sandbox (pkg/kubelet/kubelet.go, SyncPod).
func (v checker) mounts() checkResult {
	done, all := 0, 0
	for _, p := range v.pods {
		volumes := slices.ContainsFunc(p.Spec.Volumes, func(volume corev1.Volume) bool { return volume.Projected == nil })
		if !volumes || p.Spec.NodeName == "" {
			continue
		}
		all++
		if sandboxed(p) {
			done++
		}
	}
	if all == 0 {
		return checkResult{}
	}
	return tally(done, 0, all, "volumes of %d of %d new pods mounted", "no volume is mounted yet")
}

func (v checker) claimsBound() checkResult {
	bound := 0
	for _, c := range v.Claims {
		if c.Status.Phase == corev1.ClaimBound {
			bound++
		}
	}
	if len(v.Claims) == 0 {
		return checkResult{unread: v.denied("persistentvolumeclaims")}
	}
	return tally(bound, len(v.Claims)-bound, len(v.Claims), "%d of %d claims bound", "")
}

// quotasOpen asks only whether a quota is in the way. One that is not used up may still be too small for the next pod,
// so that it is cleared only by pods that exist.
func (v checker) quotasOpen() checkResult {
	if v.Quotas == nil || !v.runsPods() {
		return checkResult{unread: v.denied("resourcequotas")}
	}
	if len(v.Quotas) == 0 {
		return checkResult{well: "no resource quota"}
	}
	for _, q := range v.Quotas {
		for name, hard := range q.Status.Hard {
			if used, ok := q.Status.Used[name]; ok && !fits(used, hard) && v.podsMade().well == "" {
				return checkResult{affected: fmt.Sprintf("quota %s is used up", q.Name)}
			}
		}
	}
	if v.podsMade().well == "" {
		return checkResult{}
	}
	return checkResult{well: plural(len(v.Quotas), "resource quota") + " not in the way"}
}

func fits(used, hard resource.Quantity) bool { return used.Cmp(hard) < 0 }

func (v checker) namespaceActive() checkResult {
	switch ns := v.Namespace; {
	case ns == nil:
		return checkResult{unread: v.denied("namespaces")}
	case ns.DeletionTimestamp != nil || ns.Status.Phase == corev1.NamespaceTerminating:
		return checkResult{affected: "namespace " + ns.Name + " is being deleted"}
	default:
		return checkResult{well: "namespace active"}
	}
}

// observed compares generations. Objects whose controller does not write one are not asked.
func (v checker) observed() checkResult {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v.w.Live)
	if err != nil {
		return checkResult{}
	}
	status, _ := fields["status"].(map[string]any)
	var seen int64
	switch n := status["observedGeneration"].(type) {
	case int64:
		seen = n
	case float64:
		seen = int64(n)
	}
	switch wanted := v.w.Live.GetGeneration(); {
	case wanted == 0 || seen == 0 && v.Status.Reason != rollout.ReasonNotObserved:
		return checkResult{}
	case seen < wanted:
		return checkResult{affected: fmt.Sprintf("the controller has observed generation %d of %d", seen, wanted)}
	default:
		return checkResult{well: fmt.Sprintf("generation %d observed", seen)}
	}
}

func (v checker) revisionMade() checkResult {
	if v.Status.Revision == "" {
		return checkResult{}
	}
	return checkResult{well: "revision " + v.Status.Revision + " made"}
}

// podsMade compares the pods that exist with those that the controller wants now: a rolling update makes a few at a
// time.
func (v checker) podsMade() checkResult {
	s, missing := v.noPods()
	if s.none != "" || s.unread != "" {
		return checkResult{}
	}
	have, want := len(v.pods)+len(v.failed), int(v.Status.Desired)
	text := plural(have, "new pod") + " created"
	if have < want {
		text = fmt.Sprintf("%d of %s created", have, plural(want, "new pod"))
	}
	if rs := v.newReplicaSet(); rs != nil && rs.Spec.Replicas != nil {
		if asked := int(*rs.Spec.Replicas); asked < want {
			text = fmt.Sprintf("%d of %s created, %d at a time", have, plural(want, "new pod"), asked)
			want = asked
		}
		if have < want {
			return checkResult{affected: text}
		}
	}
	if missing {
		return checkResult{affected: text}
	}
	return checkResult{well: text}
}

func (v checker) notPaused() checkResult {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v.w.Live)
	if err != nil || v.w.Ref.Kind != "Deployment" && v.w.Ref.Kind != "Job" {
		return checkResult{}
	}
	spec, _ := fields["spec"].(map[string]any)
	if spec["paused"] == true || spec["suspend"] == true {
		return checkResult{affected: "paused"}
	}
	return checkResult{well: "not paused"}
}
