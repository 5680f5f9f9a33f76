package diagnosis

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

var ruleOldPods = Rule{Family: "Old pods", Find: explainLeaving, Causes: []Cause{
	{Code: "OldPodsStuckTerminating", class: atTimeout("controller", LayerPod, ScopeNode),
		Meaning: "A pod of the old version should have been gone by now. Strategy Recreate, StatefulSets and DaemonSets wait for it before they make its successor; elsewhere it only holds on to its port, volume and share of the node.",
		Signals: "metadata.deletionTimestamp, which includes the grace period, is a minute or more in the past, or still to come when the time is up and nothing else could begin; metadata.finalizers; events FailedKillPod, FailedPreStopHook and ExceededGracePeriod; the Ready condition of its node.",
		Remedy:  "Have the finalizer handled, repair or remove the node whose kubelet does not confirm the end, or make the preStop hook faster."},
}}

// overdue is how far past its end a pod must be before that is worth a word.
const overdue = time.Minute

// explainLeaving finds old pods that should be gone: OldPodsStuckTerminating. A pod's deletion time already includes its
// grace period.
func explainLeaving(s *facts) []Finding {
	var found []Finding
	waits := s.waitsForOld()
	for _, p := range s.leaving {
		over := s.now.Sub(p.DeletionTimestamp.Time)
		if over < overdue {
			waited := s.TimedOut && waits != "" && len(s.pods) == 0
			if waited && over < skew {
				found = append(found, s.stillLeaving(p, -over, waits))
			}
			if !waited || over < skew {
				continue
			}
		}
		f := s.stuckLeaving(p, over)
		switch {
		case waits != "":
			f.Cause += "; " + waits
		default:
			f.Terminal = TerminalContext // new pods do not wait for it
		}
		if len(s.pods) > s.ready {
			f.Terminal = TerminalContext // there are new pods, and they have troubles of their own
		}
		found = append(found, f)
	}
	return found
}

// waitsForOld says who makes no new pod while an old one exists (pkg/controller/deployment/recreate.go; a StatefulSet's
// and a DaemonSet's new pod takes the place of the old one).
func (s *facts) waitsForOld() string {
	switch o := s.w.Live.(type) {
	case *appsv1.Deployment:
		if o.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
			return "strategy Recreate makes no new pod until every old one is gone"
		}
	case *appsv1.StatefulSet:
		return "the stateful set makes no new pod of that name until it is gone"
	case *appsv1.DaemonSet:
		return "the daemon set makes no new pod on that node until it is gone"
	}
	return ""
}

func (s *facts) stuckLeaving(p *corev1.Pod, over time.Duration) Finding {
	f := s.on(p, "OldPodsStuckTerminating")
	f.PodsTotal = 0 // it counts new pods
	f.FieldPath = s.podPath + ".terminationGracePeriodSeconds"
	f.Cause = fmt.Sprintf("old pod %s should have been gone for %s", p.Name, short(over))
	f.Evidence = []Proof{{Type: "status", Text: "deletionTimestamp " + p.DeletionTimestamp.UTC().Format(time.RFC3339), Ref: podRef(p).String()}}
	trouble := s.eventsOf(string(p.UID), func(e Event) bool {
		return e.Reason == "FailedKillPod" || e.Reason == "FailedPreStopHook" || e.Reason == "ExceededGracePeriod"
	})
	f.Evidence = append(f.Evidence, proofs(trouble, 2)...)
	switch {
	case len(p.Finalizers) > 0:
		f.Detail = "finalizer"
		f.Cause += "; finalizer " + list(p.Finalizers) + " holds it"
		f.FieldPath = s.podPath
		f.Fix = []string{"find out who should remove finalizer " + list(p.Finalizers) + ", and why it does not"}
	case s.nodeDown(p.Spec.NodeName):
		f.Detail = "node"
		f.Cause += "; node " + p.Spec.NodeName + " is not ready, so its kubelet confirms nothing"
		f.Fix = []string{"repair node " + p.Spec.NodeName + " or remove it from the cluster: kubectl delete node " + p.Spec.NodeName,
			"if the machine is certainly off, taint it: kubectl taint node " + p.Spec.NodeName + " node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"}
	case slices.ContainsFunc(trouble, func(e Event) bool { return e.Reason == "FailedPreStopHook" }):
		f.Detail = "preStop"
		f.Cause += "; its preStop hook fails"
		f.FieldPath = s.podPath + ".containers"
		f.Fix = []string{"repair or shorten the preStop hook; it must end within terminationGracePeriodSeconds"}
	case len(trouble) > 0:
		f.Cause += "; " + quote(trouble[len(trouble)-1].Message)
		f.Fix = []string{"look at the container runtime of node " + p.Spec.NodeName}
	default:
		f.Fix = []string{"look at node " + p.Spec.NodeName + ": its kubelet does not confirm that the pod ended"}
	}
	return f
}

// stillLeaving is about an old pod that takes the time that it was given, while its successor waits for it.
func (s *facts) stillLeaving(p *corev1.Pod, left time.Duration, waits string) Finding {
	f := s.on(p, "OldPodsStuckTerminating")
	f.PodsTotal, f.Detail, f.Confidence = 0, "grace", Proven
	f.FieldPath = s.podPath + ".terminationGracePeriodSeconds"
	f.Cause = fmt.Sprintf("old pod %s is still shutting down", p.Name)
	if grace := p.DeletionGracePeriodSeconds; grace != nil {
		f.Cause += fmt.Sprintf(", for which it has %s (its grace period)", short(time.Duration(*grace)*time.Second))
	}
	if left > 0 {
		f.Cause += ", " + short(left) + " more"
	}
	f.Cause += "; " + waits
	f.Evidence = []Proof{{Type: "status", Text: "deletionTimestamp " + p.DeletionTimestamp.UTC().Format(time.RFC3339), Ref: podRef(p).String()}}
	f.Fix = []string{"let the program end faster when it gets SIGTERM, or shorten its preStop hook", "or give the rollout more time than that: --timeout"}
	return f
}

// nodeDown reports whether a node is known not to be ready.
func (s *facts) nodeDown(name string) bool {
	if slices.Contains(s.w.NodesDown, name) {
		return true
	}
	for _, n := range s.Nodes {
		if n.Name != name {
			continue
		}
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady {
				return c.Status != corev1.ConditionTrue
			}
		}
	}
	return false
}
