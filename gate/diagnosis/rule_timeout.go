package diagnosis

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleTimeout = Rule{Family: "Timeouts", Find: explainForecast, Causes: []Cause{
	{Code: "MinReadyPending", class: atTimeout("forecast", LayerWorkload, ScopeSpec),
		Meaning: "The new pods are ready, but they count as available only after they have stayed so for minReadySeconds, and the gate's time was up before.",
		Signals: "Every new pod has condition Ready=True for less than spec.minReadySeconds, and fewer pods are available than wanted.",
		Remedy:  "Give the gate more time with --timeout than the rollout's rounds take with minReadySeconds each, or lower minReadySeconds."},
	{Code: "TimeoutTooShort", class: atTimeout("forecast", LayerWorkload, ScopeSpec),
		Meaning: "Nothing is wrong: the rollout was still moving, or its pods were still within the time that their probes allow, when the gate's time was up.",
		Signals: "Every new pod that is not ready is younger than others needed, or its probes still give it time; the number of rounds, minReadySeconds and the measured start times say how long the whole takes.",
		Remedy:  "Raise --timeout to what the report proposes, or let more pods start at once with maxSurge and maxUnavailable."},
}}

// explainForecast is about rollouts that were cut off and might have ended well: TimeoutTooShort, MinReadyPending. It
// speaks only when the time is up.
func explainForecast(s *facts) []Finding {
	if !s.TimedOut || s.Status.Phase == rollout.Complete {
		return nil
	}
	if f, ok := s.minReady(); ok {
		return []Finding{f}
	}
	if f, ok := s.tooShort(); ok {
		return []Finding{f}
	}
	return nil
}

// minReadySeconds is how long a new pod must stay ready before it counts.
func (s *facts) minReadySeconds() time.Duration {
	seconds := int32(0)
	switch o := s.w.Live.(type) {
	case *appsv1.Deployment:
		seconds = o.Spec.MinReadySeconds
	case *appsv1.StatefulSet:
		seconds = o.Spec.MinReadySeconds
	case *appsv1.DaemonSet:
		seconds = o.Spec.MinReadySeconds
	}
	return time.Duration(seconds) * time.Second
}

// minReady is a rollout whose pods are all ready and only have to stay so.
func (s *facts) minReady() (Finding, bool) {
	wait, left := s.minReadySeconds(), time.Duration(0)
	if wait == 0 || s.ready == 0 || s.ready < len(s.pods) || s.Status.Available >= s.Status.Desired {
		return Finding{}, false
	}
	for _, p := range s.pods {
		left = max(left, wait-s.now.Sub(rollout.PodCondition(p, corev1.PodReady).LastTransitionTime.Time))
	}
	if left <= 0 {
		return Finding{}, false
	}
	f := s.finding("MinReadyPending")
	f.Confidence, f.FieldPath = Proven, "spec.minReadySeconds"
	f.Cause = fmt.Sprintf("all %s are ready, but must stay so for %s (minReadySeconds) before they count; the last of them lacked %s when the time%s was up",
		plural(s.ready, "new pod"), short(wait), short(left), s.timeout())
	if s.ready == 1 {
		f.Cause = fmt.Sprintf("the new pod is ready, but must stay so for %s (minReadySeconds) before it counts; it lacked %s when the time%s was up", short(wait), short(left), s.timeout())
	}
	f.Evidence = []Proof{{Type: "status", Text: s.counts(), Ref: s.w.Ref.String()}}
	needed := s.elapsed() + left
	if more := int(s.Status.Desired) - s.ready; more > 0 {
		rounds := s.rounds(more)
		start, _ := s.typicalStart()
		needed += time.Duration(rounds) * (start + wait)
		f.Cause += fmt.Sprintf("; %s of %d wait for their turn, %s", plural(more, "pod"), s.Status.Desired, plural(rounds, "more round"))
		f.Evidence = append(f.Evidence, s.arithmetic()...)
	}
	f.Fix = []string{fmt.Sprintf("%s, or lower minReadySeconds", s.moreTime(needed))}
	return f, true
}

// tooShort is a rollout that was still under way: every new pod that is not ready is younger than others needed, or
// within the time that its own probes allow.
func (s *facts) tooShort() (Finding, bool) {
	slowest := s.slowestStart()
	var late []string
	for _, p := range s.pods {
		if rollout.IsReady(p) {
			continue
		}
		young := slowest > 0 && s.now.Sub(p.CreationTimestamp.Time) <= 2*slowest+skew
		if !young && !s.allowed(p) {
			return Finding{}, false
		}
		late = append(late, p.Name)
	}
	if len(late) == 0 && (s.ready >= int(s.Status.Desired) || s.now.Sub(s.lastReady()) > 2*slowest+s.minReadySeconds()+time.Minute) {
		return Finding{}, false
	}
	f := s.finding("TimeoutTooShort")
	f.pods, f.PodsAffected = late, len(late)
	f.FieldPath = "spec.replicas"
	f.Cause = fmt.Sprintf("the rollout was still making progress when its time was up%s: %s", s.timeout(), s.counts())
	f.Evidence = []Proof{{Type: "status", Text: s.counts(), Ref: s.w.Ref.String()}}
	needed := s.pace(&f)
	switch {
	case slowest > 0:
		f.Cause += fmt.Sprintf("; a pod needs up to %s to become ready", short(slowest))
	case len(late) > 0:
		f.FieldPath = s.podPath + ".containers"
		f.Cause += "; the pods that are not ready are still within the time that their probes allow"
		needed = max(needed, s.elapsed()+s.stillAllowed())
		if words := s.startWords(); words != "" {
			f.Cause += "; " + words
		}
	}
	f.Evidence = append(f.Evidence, s.arithmetic()...)
	if bound := s.bound(); s.Timeout > 0 && bound > s.Timeout {
		if time.Duration(s.rounds(int(s.Status.Desired)))*s.minReadySeconds() > s.Timeout {
			f.Confidence = Proven // whatever the pods need to start
		}
		f.Cause += fmt.Sprintf("; even without any trouble it takes at least %s", short(bound))
		needed = max(needed, bound)
	}
	f.Fix = []string{s.moreTime(needed)}
	if s.w.Ref.Kind == "Deployment" && s.Status.Desired > 1 {
		f.Fix = append(f.Fix, "or let more pods start at once: maxSurge, maxUnavailable")
	}
	return f, true
}

// pace says how long the rest takes if it goes on as before, and returns the whole time.
func (s *facts) pace(f *Finding) (needed time.Duration) {
	rest := int(s.Status.Desired) - s.ready
	if s.ready == 0 || rest <= 0 || s.elapsed() <= 0 {
		return 0
	}
	more := s.elapsed() / time.Duration(s.ready) * time.Duration(rest)
	f.Cause += fmt.Sprintf("; at the pace so far (%d of %s in %s) the rest needs about %s", s.ready, plural(int(s.Status.Desired), "pod"), short(s.elapsed()), short(upwards(more)))
	return s.elapsed() + more
}

// moreTime says how to give a rollout the time that it needs.
func (s *facts) moreTime(needed time.Duration) string {
	if s.TimeoutBy != "" {
		return fmt.Sprintf("%s or more of its own time (%s)", short(s.proposal(needed)), s.TimeoutBy)
	}
	return fmt.Sprintf("--timeout %s or more", short(s.proposal(needed)))
}

func (s *facts) timeout() string {
	if s.Timeout == 0 {
		return ""
	}
	return " (" + short(s.Timeout) + ")"
}

func (s *facts) counts() string {
	if s.Status.Desired == 0 {
		return fmt.Sprintf("%d of %s ready", s.ready, plural(len(s.pods), "new pod"))
	}
	return fmt.Sprintf("%d of %s ready", s.ready, plural(int(s.Status.Desired), "new pod"))
}

// slowestStart is the longest time that a ready new pod needed.
func (s *facts) slowestStart() time.Duration {
	times := s.startTimes()
	if len(times) == 0 {
		return 0
	}
	return times[len(times)-1]
}

// startTimes are the times that the ready new pods needed from their creation, the shortest first.
func (s *facts) startTimes() []time.Duration {
	var times []time.Duration
	for _, p := range s.pods {
		if ready := rollout.PodCondition(p, corev1.PodReady); rollout.IsReady(p) && s.fresh(p.CreationTimestamp.Time) && s.falls(p) == 0 {
			times = append(times, max(0, ready.LastTransitionTime.Sub(p.CreationTimestamp.Time)))
		}
	}
	slices.Sort(times)
	return times
}

// lastReady is when a new pod became ready for the last time; zero when none is.
func (s *facts) lastReady() time.Time {
	var last time.Time
	for _, p := range s.pods {
		if rollout.IsReady(p) {
			last = later(last, rollout.PodCondition(p, corev1.PodReady).LastTransitionTime.Time)
		}
	}
	return last
}

// allowed reports whether a pod's containers run within the time that their probes give them.
func (s *facts) allowed(p *corev1.Pod) bool {
	some := false
	for _, c := range s.containers {
		if c.pod != p || c.initial && !c.sidecar || c.status.Ready {
			continue
		}
		if !s.onlySlow(c) {
			return false
		}
		some = true
	}
	return some
}

// stillAllowed is how much longer the containers that are not ready may need: as long as older pods did and half more,
// or else as long as their probes allow.
func (s *facts) stillAllowed() time.Duration {
	var left time.Duration
	_, slowest, pods := s.measuredStart()
	for _, c := range s.containers {
		if c.status.State.Running == nil || c.status.Ready {
			continue
		}
		allows := budget(c.spec.ReadinessProbe)
		if !c.started() {
			allows += budget(c.spec.StartupProbe)
		}
		if usual := slowest * 3 / 2; pods > 0 && c.running(s.now) <= usual {
			allows = usual
		}
		left = max(left, allows-c.running(s.now))
	}
	return left
}
