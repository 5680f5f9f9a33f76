package rollout

import "fmt"

// beside judges a rollout that is to get no further than to a few new pods beside the old ones: they are ready, and the
// controller does not go on because it does not count them as available. When an autoscaler acts meanwhile, the controller
// changes their number in proportion.
func beside(w Workload, k Kind, s Status) Status {
	if w.Goal == 0 || k.Staged != BySurge || s.Phase != Progressing || s.Reason == ReasonNotObserved {
		return s
	}
	if s.Updated >= w.Goal && s.Ready >= s.Updated {
		return complete(s, ReasonBeside, fmt.Sprintf("%d new %s beside %d old", s.Ready, plural(s.Ready, "pod"), s.Old))
	}
	return progressing(s, ReasonNewPods, "%d of %d new %s ready, beside %d old", s.Ready, max(w.Goal, s.Updated), plural(max(w.Goal, s.Updated), "pod"), s.Old)
}
