package diagnosis

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// unsteady is how often one pod must have lost its readiness before that can end the gate, and stalled how long no more
	// pods than before must have been available.
	unsteady = 3
	stalled  = 3 * time.Minute
	// settled is how long a pod that came and went must be Ready to be taken for steady.
	settled = time.Minute
)

var ruleFlapping = Rule{Family: "Flapping", Find: explainFlapping, Causes: []Cause{
	{Code: "ReadinessFlapping", class: after("probe", LayerApplication, ScopeApp, unsteady, stalled),
		ReadsLogs: true,
		Meaning:   "New pods become ready and lose it again, over and over. The Deployment's own progress deadline never ends that, because each rise counts as progress.",
		Signals:   "The gate counts, while it watches, how often a new pod's condition Ready went from True to False, and since when no more new pods than before were available. One fall decides nothing.",
		Remedy:    "Look at why the readiness probe fails in between: a dependency that comes and goes, answers slower than timeoutSeconds, too little CPU. If single slow answers are normal, raise failureThreshold."},
}}

// explainFlapping names pods that become ready and lose it again: ReadinessFlapping. The progress deadline starts anew at
// every rise of the ready or available replicas (pkg/controller/deployment/util, DeploymentProgressing), so only a
// watcher's own clock can tell: the number of new pods that were available at once, and since when it did not grow.
func explainFlapping(s *facts) []Finding {
	var pods []*corev1.Pod
	var worst *corev1.Pod
	total := 0
	for _, p := range s.pods {
		if n := s.falls(p); n > 1 && !s.steady(p) {
			pods, total = append(pods, p), total+n
			if worst == nil || n > s.falls(worst) {
				worst = p
			}
		}
	}
	if worst == nil {
		return nil
	}
	f := s.on(worst, "ReadinessFlapping")
	c, known := s.unsteadyContainer(worst)
	if known {
		f = s.in(c, "ReadinessFlapping")
	}
	f.served = false // it is what this is about, and no reason for more patience
	f.pods, f.PodsAffected = nil, len(pods)
	for _, p := range pods {
		f.pods = append(f.pods, p.Name)
	}
	s.sayFlapping(&f, worst, total)
	if known {
		if failures := s.probeFailures(c, "readiness"); len(failures) > 0 {
			f.Cause += "; in between "
			s.sayProbe(&f, c, "readiness", failures)
		}
	}
	f.Count = total
	f.Evidence = append(f.Evidence, Proof{Type: "status", Text: s.watchedBest(), Time: s.History.BestSince, Ref: s.w.Ref.String()})
	f.Fix = append(f.Fix, "if single slow answers are normal, raise readinessProbe.failureThreshold or timeoutSeconds")
	// A few pods of many, or a number that grew a moment ago, are no reason to give up.
	if s.falls(worst) < unsteady || s.bestFor() < stalled || s.History.Best >= max(s.Status.Desired, 1) || 2*len(pods) < len(s.pods) {
		f.Terminal, f.Attempts, f.After = TerminalTimeout, 1, 0
	}
	return []Finding{f}
}

// sayFlapping puts the counts into words.
func (s *facts) sayFlapping(f *Finding, worst *corev1.Pod, total int) {
	n := s.falls(worst)
	rises := n
	if rollout.IsReady(worst) {
		rises++
	}
	f.Cause = fmt.Sprintf("pod %s became ready %s and lost it %s", worst.Name, plural(rises, "time"), plural(n, "time"))
	if others := f.PodsAffected - 1; others > 0 {
		f.Cause += fmt.Sprintf(", and %s %s", plural(others, "other pod"), plural(total-n, "time"))
	}
	f.Cause += "; " + s.watchedBest()
}

// watchedBest is the high-water mark in words: never more than 1 of 3 pods were available, unchanged for 3m.
func (s *facts) watchedBest() string {
	if s.History.Best == 0 {
		return "no new pod was ever available"
	}
	text := fmt.Sprintf("never more than %d of %s were available at once", s.History.Best, plural(int(max(s.Status.Desired, s.History.Best)), "new pod"))
	if s.bestFor() > 0 {
		text += ", unchanged for " + short(s.bestFor())
	}
	return text
}

// bestFor is how long no more new pods than before were available.
func (s *facts) bestFor() time.Duration {
	since := s.History.BestSince
	if since.IsZero() {
		since = s.w.Since
	}
	if since.IsZero() {
		return 0
	}
	return max(0, s.now.Sub(since))
}

// falls is how often a pod was seen to lose its readiness.
func (s *facts) falls(p *corev1.Pod) int { return s.History.Falls[p.Name] }

// watched reports whether somebody has watched the pods from the beginning, so that no fall escaped.
func (s *facts) watched() bool { return s.History.Falls != nil || !s.History.BestSince.IsZero() }

// steady reports whether a pod has been Ready for a while.
func (s *facts) steady(p *corev1.Pod) bool {
	return rollout.IsReady(p) && s.now.Sub(rollout.PodCondition(p, corev1.PodReady).LastTransitionTime.Time) >= settled
}

// unsteadyContainer is the container of a pod whose readiness comes and goes: the one whose probe failed most often.
func (s *facts) unsteadyContainer(p *corev1.Pod) (worst container, known bool) {
	most := -1
	for _, c := range s.containers {
		if c.pod != p || c.initial && !c.sidecar || c.spec.ReadinessProbe == nil {
			continue
		}
		if n := occurrences(s.probeFailures(c, "readiness")); n > most {
			most, worst, known = n, c, true
		}
	}
	return worst, known
}
