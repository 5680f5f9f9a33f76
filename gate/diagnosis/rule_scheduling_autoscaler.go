package diagnosis

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// autoscaler takes into account what an autoscaler said last: cluster-autoscaler by TriggeredScaleUp and
// NotTriggerScaleUp, Karpenter by Nominated and by a FailedScheduling of its own. A node that is on its way outweighs
// any proof about those that are there.
func (s *facts) autoscaler(f *Finding, p *corev1.Pod) {
	yes := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "TriggeredScaleUp" || e.Reason == "Nominated" })
	no := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "NotTriggerScaleUp" || byKarpenter(e) })
	switch {
	case len(yes) > 0 && (len(no) == 0 || !newest(no).Time.After(newest(yes).Time)):
		if f.Terminal != TerminalContext {
			f.Terminal = TerminalTimeout
		}
		f.Evidence = append(f.Evidence, proofs(yes, 1)...)
		f.Cause += "; the autoscaler is adding a node"
		f.Fix = append([]string{"wait for the node, or raise --timeout: adding one takes minutes"}, f.Fix...)
	case len(no) > 0:
		f.Evidence = append(f.Evidence, proofs(no, 1)...)
		f.Cause += "; the autoscaler adds no node: " + quote(declined(newest(no).Message))
		s.sayDeclined(f, newest(no).Message)
	}
}

// sayDeclined: what an autoscaler declines for now it may do later, and then waiting is right.
func (s *facts) sayDeclined(f *Finding, text string) {
	switch {
	case strings.Contains(text, "in backoff"), strings.Contains(text, "not ready for scale"):
		f.Terminal = TerminalTimeout
	case f.Code == "InsufficientResources" && f.Terminal == TerminalTimeout:
		f.Terminal, f.Attempts, f.After = TerminalAfter, 1, 3*time.Minute
	}
	if strings.Contains(text, "max node group size reached") || strings.Contains(text, "max cluster cpu") || strings.Contains(text, "max cluster memory") || strings.Contains(text, "limits exceeded") {
		f.Fix = append([]string{"raise the greatest size of the node group, or free nodes"}, f.Fix...)
	}
}

// declined is the reason in an autoscaler's words: "1 max node group size reached, 2 Insufficient cpu".
func declined(message string) string {
	for _, head := range []string{"pod didn't trigger scale-up (it wouldn't fit if a new node is added): ", "pod didn't trigger scale-up: ", "Failed to schedule pod, "} {
		message = strings.TrimPrefix(message, head)
	}
	return message
}

func byKarpenter(e Event) bool {
	return e.Reason == "FailedScheduling" && strings.HasPrefix(e.Reporter, "karpenter")
}

// newest is the last of some events, which are sorted.
func newest(events []Event) Event { return events[len(events)-1] }
