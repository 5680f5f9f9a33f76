package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleStartupProbe = Rule{Family: "Startup probes", Find: explainStartup, Causes: []Cause{
	{Code: "StartupProbePending", class: remark("probe", LayerApplication, ScopeApp),
		ReadsLogs: true,
		Meaning:   "The program is still within the time that its startup probe gives it to start. That is no fault; the gate's time was up first.",
		Signals:   "The container runs with started=false for less than initialDelaySeconds + failureThreshold × periodSeconds of its startupProbe.",
		Remedy:    "Give the gate more time with --timeout than the startup probe gives the program, or make the start faster."},
}}

// explainStartup tells, when the time is up, of programs that may still be starting: StartupProbePending.
func explainStartup(s *facts) []Finding {
	if !s.TimedOut || s.Status.Phase == rollout.Complete {
		return nil
	}
	var found []Finding
	for _, c := range s.containers {
		probe := c.spec.StartupProbe
		if probe == nil || c.status.State.Running == nil || c.started() || c.running(s.now) > budget(probe) {
			continue
		}
		f := s.in(c, "StartupProbePending")
		f.Confidence = Proven
		f.FirstSeen = c.status.State.Running.StartedAt.Time
		f.Cause = fmt.Sprintf("container %s has run for %s and may take %s to start; so far ", c.spec.Name, short(c.running(s.now)), short(budget(probe)))
		s.sayProbe(&f, c, "startup", s.probeFailures(c, "startup"))
		f.FieldPath = s.field(c, "startupProbe.failureThreshold")
		f.Fix = []string{fmt.Sprintf("give it the time: --timeout %s or more", short(s.proposal(max(s.bound(), s.elapsed()+s.stillAllowed()))))}
		found = append(found, f)
	}
	return found
}

// started reports whether a container passed its startup probe; the kubelet says so too when it has none.
func (c container) started() bool { return c.status.Started != nil && *c.status.Started }

// running is how long a container has been running.
func (c container) running(now time.Time) time.Duration {
	if c.status.State.Running == nil {
		return 0
	}
	return max(0, now.Sub(c.status.State.Running.StartedAt.Time))
}

// probe is one kind of probe of a container and its field.
func (c container) probe(kind string) (*corev1.Probe, string) {
	switch kind {
	case "liveness":
		return c.spec.LivenessProbe, "livenessProbe"
	case "startup":
		return c.spec.StartupProbe, "startupProbe"
	}
	return c.spec.ReadinessProbe, "readinessProbe"
}

// budget is how long a probe lets a program be unwell before it acts: the delay and one whole series of failures.
func budget(p *corev1.Probe) time.Duration {
	if p == nil {
		return 0
	}
	return time.Duration(p.InitialDelaySeconds+max(p.FailureThreshold, 1)*max(p.PeriodSeconds, 1)) * time.Second
}

// probeSettings quotes the numbers of a probe, how long the container has run, and how long older pods needed.
func (s *facts) probeSettings(c container, kind string) []Proof {
	p, field := c.probe(kind)
	text := fmt.Sprintf("%s: initialDelaySeconds %d, periodSeconds %d, timeoutSeconds %d, failureThreshold %d, successThreshold %d; the container has run for %s",
		field, p.InitialDelaySeconds, max(p.PeriodSeconds, 1), max(p.TimeoutSeconds, 1), max(p.FailureThreshold, 1), max(p.SuccessThreshold, 1), short(c.running(s.now)))
	proofs := []Proof{{Type: "object", Text: text, Ref: c.ref()}}
	if words := s.startWords(); words != "" {
		proofs = append(proofs, Proof{Type: "status", Text: words, Ref: s.w.Ref.String()})
	}
	return proofs
}

// tooLong is a time from start to Ready that is rather that of a pod which lost its readiness later and got it back.
const tooLong = 15 * time.Minute

// measuredStart is how long the pods of the version before needed from the start of their containers until they were
// Ready, and how many were measured: those with a probe, since others are Ready as soon as they run. The slowest one is
// that among the plausible ones: a pod's condition only knows its last change.
func (s *facts) measuredStart() (median, slowest time.Duration, pods int) {
	var times []time.Duration
	for _, p := range slices.Concat(s.old, s.leaving) {
		if took, ok := startOf(p); ok {
			times = append(times, took)
		}
	}
	if len(times) == 0 {
		return 0, 0, 0
	}
	slices.Sort(times)
	median = times[(len(times)-1)/2]
	for _, t := range times {
		if t <= 4*median+10*time.Second {
			slowest = t
		}
	}
	return median, slowest, len(times)
}

// startOf is the time from the start of a pod's containers until it was Ready.
func startOf(p *corev1.Pod) (time.Duration, bool) {
	probed := func(c corev1.Container) bool { return c.ReadinessProbe != nil || c.StartupProbe != nil }
	ready := rollout.PodCondition(p, corev1.PodReady)
	if !rollout.IsReady(p) || ready.LastTransitionTime.IsZero() || !slices.ContainsFunc(p.Spec.Containers, probed) {
		return 0, false
	}
	var begun time.Time
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running == nil {
			return 0, false
		}
		// Of a container that came back only the last start counts, and only if the pod was Ready after it.
		if at := c.State.Running.StartedAt.Time; begun.IsZero() || c.RestartCount > 0 && at.After(begun) || c.RestartCount == 0 && at.Before(begun) {
			begun = at
		}
	}
	took := ready.LastTransitionTime.Sub(begun)
	return took, !begun.IsZero() && took >= 0 && took <= tooLong
}

// startWords says how long older pods needed to become ready; empty when none could be measured.
func (s *facts) startWords() string {
	median, slowest, pods := s.measuredStart()
	switch {
	case pods == 0:
		return ""
	case pods == 1:
		return fmt.Sprintf("a pod of the version before was ready %s after its start", short(slowest))
	}
	return fmt.Sprintf("%d pods of the version before were ready %s after their start, the slowest %s", pods, short(median), short(slowest))
}

// startBudget compares what a startup or liveness probe allows with what older pods needed, in words, and proposes
// numbers. Both are empty when nothing was measured; the proposal is also empty when the probe allows enough.
func (s *facts) startBudget(kind string, p *corev1.Probe) (words, fix string) {
	_, slowest, pods := s.measuredStart()
	if pods == 0 || p == nil {
		return "", ""
	}
	words = fmt.Sprintf("%s; the %s probe allows %s", s.startWords(), kind, short(budget(p)))
	enough := slowest * 3 / 2
	if budget(p) >= enough {
		return words, ""
	}
	period := max(p.PeriodSeconds, 1)
	threshold := int32((enough - time.Duration(p.InitialDelaySeconds)*time.Second + time.Duration(period)*time.Second - 1) / (time.Duration(period) * time.Second))
	fix = fmt.Sprintf("startupProbe: periodSeconds %d, failureThreshold %d allows %s, 1.5 times what the version before needed",
		period, threshold, short(time.Duration(p.InitialDelaySeconds+threshold*period)*time.Second))
	if kind != "startup" {
		fix = "add a " + fix
	}
	return words, fix
}

// onlySlow reports whether a container that is not ready may just need more time. When the time is up, a program that
// answered its readiness probe with a no says more than that it would have been asked a few times more, unless other
// pods needed as long: then a 503 is what they said too while they started.
func (s *facts) onlySlow(c container) bool {
	_, slowest, _ := s.measuredStart()
	slowest = max(slowest, s.slowestStart()) // of the version before, and of its own siblings
	asBefore := c.status.RestartCount == 0 && !c.wasReady() && c.running(s.now) <= slowest*3/2 && c.status.State.Running != nil
	if !withinBudget(c, s.now) && !asBefore {
		return false
	}
	failures := s.probeFailures(c, "readiness")
	if !s.TimedOut || len(failures) == 0 {
		return true
	}
	last := failures[len(failures)-1].Message
	if strings.Contains(last, "statuscode") && !(asBefore && strings.Contains(last, "statuscode: 5")) {
		return false
	}
	return !s.whyProbe(c, c.spec.ReadinessProbe, probeError(last)).lasting()
}

// lasting reports whether time does not cure a failure: the log shows it, or nothing but a change of the probe helps.
func (w probeWhy) lasting() bool {
	return w.proof != "" || strings.Contains(w.detail, "SchemeMismatch") || strings.Contains(w.detail, "CommandNot") || w.detail == "GrpcUnimplemented"
}

// withinBudget reports whether a container is still within the time that its probes allow it to become ready.
func withinBudget(c container, now time.Time) bool {
	if c.status.State.Running == nil {
		return false
	}
	since := c.running(now)
	if c.spec.StartupProbe != nil && !c.started() {
		return since <= budget(c.spec.StartupProbe)
	}
	return since <= budget(c.spec.ReadinessProbe) && c.status.RestartCount == 0 && !c.wasReady()
}
