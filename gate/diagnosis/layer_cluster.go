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

// tally is the sight of n of m things: well when none fails, whatever did not come so far yet.
func tally(n, failing, m int, format, unreached string) sight {
	switch text := fmt.Sprintf(format, n, m); {
	case failing > 0:
		return sight{affected: text}
	case n == 0:
		return sight{unreached: unreached}
	default:
		return sight{well: text}
	}
}

// runsPods reports whether the workload is of a kind with pods.
func (v survey) runsPods() bool { return v.template != nil || len(v.w.Pods) > 0 }

// noPods is why nothing can be said of the new pods; ok is false when something can.
func (v survey) noPods() (s sight, ok bool) {
	switch {
	case !v.runsPods():
		return sight{none: "this kind runs no pods"}, true
	case len(v.pods)+len(v.failed) > 0:
		return sight{}, false
	case !v.w.PodsKnown:
		return sight{unread: cmp.Or(v.denied("pods"), "the pods")}, true
	}
	return sight{unreached: "no new pod exists"}, true
}

func (v survey) scheduled() sight {
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

func (v survey) nodesReady() sight {
	if v.Nodes == nil {
		return sight{unread: v.denied("nodes")}
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
		return sight{affected: "the cluster has no nodes"}
	}
	text := fmt.Sprintf("%d of %d nodes ready", len(ready), len(v.Nodes))
	if ours > 0 || len(ready) == 0 {
		return sight{affected: text}
	}
	return sight{well: text}
}

// sandboxes asks for the network and cgroups of pods. The condition is there since Kubernetes 1.29; before, a container
// that started or an address tells the same, but the kubelet gives a pod on the host's network its address at once.
func (v survey) sandboxes() sight {
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
		return sight{}
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
func (v survey) mounts() sight {
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
		return sight{}
	}
	return tally(done, 0, all, "volumes of %d of %d new pods mounted", "no volume is mounted yet")
}

func (v survey) claimsBound() sight {
	bound := 0
	for _, c := range v.Claims {
		if c.Status.Phase == corev1.ClaimBound {
			bound++
		}
	}
	if len(v.Claims) == 0 {
		return sight{unread: v.denied("persistentvolumeclaims")}
	}
	return tally(bound, len(v.Claims)-bound, len(v.Claims), "%d of %d claims bound", "")
}

// quotasOpen asks only whether a quota is in the way. One that is not used up may still be too small for the next pod,
// so that it is cleared only by pods that exist.
func (v survey) quotasOpen() sight {
	if v.Quotas == nil || !v.runsPods() {
		return sight{unread: v.denied("resourcequotas")}
	}
	if len(v.Quotas) == 0 {
		return sight{well: "no resource quota"}
	}
	for _, q := range v.Quotas {
		for name, hard := range q.Status.Hard {
			if used, ok := q.Status.Used[name]; ok && !fits(used, hard) && v.podsMade().well == "" {
				return sight{affected: fmt.Sprintf("quota %s is used up", q.Name)}
			}
		}
	}
	if v.podsMade().well == "" {
		return sight{}
	}
	return sight{well: plural(len(v.Quotas), "resource quota") + " not in the way"}
}

func fits(used, hard resource.Quantity) bool { return used.Cmp(hard) < 0 }

func (v survey) namespaceActive() sight {
	switch ns := v.Namespace; {
	case ns == nil:
		return sight{unread: v.denied("namespaces")}
	case ns.DeletionTimestamp != nil || ns.Status.Phase == corev1.NamespaceTerminating:
		return sight{affected: "namespace " + ns.Name + " is being deleted"}
	default:
		return sight{well: "namespace active"}
	}
}

// observed compares generations. Objects whose controller does not write one are not asked.
func (v survey) observed() sight {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v.w.Live)
	if err != nil {
		return sight{}
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
		return sight{}
	case seen < wanted:
		return sight{affected: fmt.Sprintf("the controller has observed generation %d of %d", seen, wanted)}
	default:
		return sight{well: fmt.Sprintf("generation %d observed", seen)}
	}
}

func (v survey) revisionMade() sight {
	if v.Status.Revision == "" {
		return sight{}
	}
	return sight{well: "revision " + v.Status.Revision + " made"}
}

// podsMade compares the pods that exist with those that the controller wants now: a rolling update makes a few at a
// time.
func (v survey) podsMade() sight {
	s, missing := v.noPods()
	if s.none != "" || s.unread != "" {
		return sight{}
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
			return sight{affected: text}
		}
	}
	if missing {
		return sight{affected: text}
	}
	return sight{well: text}
}

func (v survey) notPaused() sight {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v.w.Live)
	if err != nil || v.w.Ref.Kind != "Deployment" && v.w.Ref.Kind != "Job" {
		return sight{}
	}
	spec, _ := fields["spec"].(map[string]any)
	if spec["paused"] == true || spec["suspend"] == true {
		return sight{affected: "paused"}
	}
	return sight{well: "not paused"}
}
