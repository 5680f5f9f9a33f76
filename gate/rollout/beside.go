package rollout

import (
	"fmt"
	"slices"
)

// beside judges a rollout that is to get no further than to a few new pods beside the old ones.
func beside(w Workload, k Kind, s Status) Status {
	if w.Goal == 0 || s.Reason == ReasonNotObserved {
		return s
	}
	switch {
	case k.Staged == BySurge && s.Phase == Progressing:
		return besideOld(w, s, s.Ready)
	case k.Staged == ByDeletion && s.Reason == ReasonOnDelete:
		return inPlace(w, s)
	}
	return s
}

// besideOld judges a Deployment: its new pods are ready, and the controller does not go on because it does not count them
// as available. When an autoscaler acts meanwhile, the controller changes their number in proportion.
func besideOld(w Workload, s Status, ready int32) Status {
	if s.Updated >= w.Goal && ready >= s.Updated {
		return complete(s, ReasonBeside, fmt.Sprintf("%d new %s beside %d old", s.Ready, plural(s.Ready, "pod"), s.Old))
	}
	return progressing(s, ReasonNewPods, "%d of %d new %s ready, beside %d old", s.Ready, max(w.Goal, s.Updated), plural(max(w.Goal, s.Updated), "pod"), s.Old)
}

// inPlace judges a DaemonSet whose old pods are deleted one by one: a node that went down after it got its new pod does
// not count against it. There are more new pods than were asked for when a node is added, or when somebody else deletes
// an old one.
func inPlace(w Workload, s Status) Status {
	var lost []string
	if w.PodsKnown && s.Revision != "" {
		s.Ready = 0
		for _, p := range NewPods(w) {
			switch {
			case IsReady(p):
				s.Ready++
			case slices.Contains(w.NodesDown, p.Spec.NodeName) || abandoned(p):
				lost = append(lost, p.Spec.NodeName)
			}
		}
	} else {
		s.Ready = min(s.Updated, max(0, s.Ready-s.Old)) // the DaemonSet counts the ready pods of all revisions together
	}
	s.Available = s.Ready
	judged := besideOld(w, s, s.Ready+int32(len(lost)))
	if judged.Phase == Complete && len(lost) > 0 {
		slices.Sort(lost)
		judged.Message += "; not counted, because the node is down: " + shorten(lost)
	}
	if more := s.Updated - w.Goal; judged.Phase == Complete && more > 0 {
		judged.Message += fmt.Sprintf(", %d more than asked for: nodes were added, or somebody deleted old pods", more)
	}
	if s.Ready == 0 && judged.Phase == Complete {
		return progressing(s, ReasonNewPods, "no new pod is on a node that is up, beside %d old", s.Old)
	}
	return judged
}
