package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// explainForecast is about rollouts that were cut off and might have ended well: TimeoutTooShort, MinReadyPending,
// ImagePullSlow. It speaks only when the time is up.
func explainForecast(s *scene) []Finding {
	if !s.TimedOut || s.Status.Phase == rollout.Complete {
		return nil
	}
	var found []Finding
	for _, c := range s.containers {
		if f, ok := s.pulling(c); ok {
			found = append(found, f)
		}
	}
	if f, ok := s.minReady(); ok {
		return append(found, f)
	}
	if f, ok := s.tooShort(); ok {
		found = append(found, f)
	}
	return found
}

// pulling is a container whose image has been on its way for a minute.
func (s *scene) pulling(c container) (Finding, bool) {
	if reason, _ := c.waiting(); reason != "ContainerCreating" && reason != "PodInitializing" {
		return Finding{}, false
	}
	started, done := s.eventsAbout(c, "Pulling", ""), s.eventsAbout(c, "Pulled", "")
	if len(started) == 0 || len(done) > 0 {
		return Finding{}, false
	}
	first := started[len(started)-1]
	took := s.now.Sub(first.Time)
	if took < time.Minute {
		return Finding{}, false
	}
	f := s.in(c, "ImagePullSlow")
	f.FieldPath, f.Detail, f.FirstSeen = s.field(c, "image"), c.spec.Image, first.Time
	f.Cause = fmt.Sprintf("node %s has been pulling image %s for %s and is not done", c.pod.Spec.NodeName, c.spec.Image, short(took))
	f.Evidence = []Proof{first.proof()}
	f.Fix = []string{"raise --timeout", "make the image smaller, or have it on the nodes before"}
	return f, true
}

// minReady is a rollout whose pods are all ready and only have to stay so.
func (s *scene) minReady() (Finding, bool) {
	wait := int32(0)
	switch o := s.w.Live.(type) {
	case *appsv1.Deployment:
		wait = o.Spec.MinReadySeconds
	case *appsv1.StatefulSet:
		wait = o.Spec.MinReadySeconds
	case *appsv1.DaemonSet:
		wait = o.Spec.MinReadySeconds
	}
	if wait == 0 || s.ready == 0 || s.ready < len(s.pods) || s.Status.Available >= s.Status.Desired {
		return Finding{}, false
	}
	f := s.finding("MinReadyPending")
	f.Confidence, f.FieldPath = Proven, "spec.minReadySeconds"
	f.Cause = fmt.Sprintf("all %s are ready, but must stay so for %ds (minReadySeconds) before they count, and the time of %s was up", plural(s.ready, "new pod"), wait, short(s.Timeout))
	f.Evidence = []Proof{{Type: "status", Text: s.counts(), Ref: s.w.Ref.String()}}
	f.Fix = []string{"raise --timeout, or lower minReadySeconds"}
	return f, true
}

// tooShort is a rollout that was still under way: every new pod that is not ready is younger than others needed, or
// within the time that its own probes allow.
func (s *scene) tooShort() (Finding, bool) {
	slowest := s.slowestStart()
	var late []string
	for _, p := range s.pods {
		if isReady(p) {
			continue
		}
		young := slowest > 0 && s.now.Sub(p.CreationTimestamp.Time) <= 2*slowest+skew
		if !young && !s.allowed(p) {
			return Finding{}, false
		}
		late = append(late, p.Name)
	}
	if len(late) == 0 && (s.ready >= int(s.Status.Desired) || s.now.Sub(s.lastReady()) > 2*slowest+time.Minute) {
		return Finding{}, false
	}
	f := s.finding("TimeoutTooShort")
	f.pods, f.PodsAffected = late, len(late)
	f.FieldPath = "spec.replicas"
	f.Cause = fmt.Sprintf("the rollout was still making progress when its time was up%s: %s", s.timeout(), s.counts())
	f.Evidence = []Proof{{Type: "status", Text: s.counts(), Ref: s.w.Ref.String()}}
	f.Fix = []string{"raise --timeout"}
	if s.w.Ref.Kind == "Deployment" {
		f.Fix = append(f.Fix, "or let more pods start at once: maxSurge, maxUnavailable")
	}
	if slowest > 0 {
		f.Cause += fmt.Sprintf("; a pod needs up to %s to become ready", short(slowest))
	} else if len(late) > 0 {
		f.FieldPath = s.podPath + ".containers"
		f.Cause += "; the pods that are not ready are still within the time that their probes allow"
	}
	return f, true
}

func (s *scene) timeout() string {
	if s.Timeout == 0 {
		return ""
	}
	return " (" + short(s.Timeout) + ")"
}

func (s *scene) counts() string {
	if s.Status.Desired == 0 {
		return fmt.Sprintf("%d of %s ready", s.ready, plural(len(s.pods), "new pod"))
	}
	return fmt.Sprintf("%d of %s ready", s.ready, plural(int(s.Status.Desired), "new pod"))
}

// slowestStart is the longest time that a ready new pod needed.
func (s *scene) slowestStart() time.Duration {
	var slowest time.Duration
	for _, p := range s.pods {
		if ready := condition(p, corev1.PodReady); isReady(p) && s.fresh(p.CreationTimestamp.Time) {
			slowest = max(slowest, ready.LastTransitionTime.Sub(p.CreationTimestamp.Time))
		}
	}
	return slowest
}

// lastReady is when a new pod became ready for the last time; zero when none is.
func (s *scene) lastReady() time.Time {
	var last time.Time
	for _, p := range s.pods {
		if isReady(p) {
			last = later(last, condition(p, corev1.PodReady).LastTransitionTime.Time)
		}
	}
	return last
}

// allowed reports whether a pod's containers run within the time that their probes give them.
func (s *scene) allowed(p *corev1.Pod) bool {
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

// unexplained is the last resort when the time is up: NotReady for pods that nothing is known to be wrong with, else
// Unexplained with what the object itself says and with what was looked at.
func (s *scene) unexplained() []Finding {
	if s.Status.Phase == rollout.Complete {
		return nil
	}
	checked := fmt.Sprintf("looked at %s, %s and %s", plural(len(s.pods), "new pod"), plural(len(s.Events), "event"), plural(len(s.Logs), "log"))
	if len(s.Unreadable) > 0 {
		checked += "; could not read " + strings.Join(s.Unreadable, ", ")
	}
	var found []Finding
	for _, p := range s.pods {
		if isReady(p) {
			continue
		}
		f := s.on(p, "NotReady")
		f.Confidence = Suspected
		f.Cause = fmt.Sprintf("pod %s is not ready%s, and nothing says why: %s", p.Name, s.timeout(), podState(p))
		f.Evidence = []Proof{{Type: "status", Text: podState(p), Ref: podRef(p).String()}, {Type: "object", Text: checked}}
		f.Fix = []string{"kubectl describe pod -n " + p.Namespace + " " + p.Name}
		found = append(found, f)
	}
	if len(found) > 0 {
		return merge(found)
	}
	f := s.finding("Unexplained")
	f.Confidence = Suspected
	what := "no pod-level reason found"
	if bad := badConditions(s.w.Live); bad != "" {
		what = bad
		f.Confidence = Likely
	} else if s.Status.Message != "" {
		what += "; " + s.Status.Message
	}
	f.Cause = fmt.Sprintf("%s did not become ready in time%s: %s", s.w.Ref, s.timeout(), what)
	f.Evidence = []Proof{{Type: "object", Text: checked, Ref: s.w.Ref.String()}}
	f.Fix = []string{"kubectl describe " + strings.ToLower(s.w.Ref.Kind) + " -n " + s.w.Ref.Namespace + " " + s.w.Ref.Name}
	return []Finding{f}
}

// podState is one line about a pod.
func podState(p *corev1.Pod) string {
	text := "phase " + string(p.Status.Phase)
	for _, c := range p.Status.Conditions {
		if c.Status != corev1.ConditionTrue && c.Message != "" {
			text += ", " + string(c.Type) + "=" + string(c.Status) + ": " + quote(c.Message)
		}
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if c.State.Waiting != nil {
			text += ", container " + c.Name + " waits: " + c.State.Waiting.Reason
		}
	}
	return text
}

// badConditions are the conditions of an object that say that it is not well, as most controllers write them.
func badConditions(live rollout.Object) string {
	if live == nil {
		return ""
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return ""
	}
	status, _ := fields["status"].(map[string]any)
	conditions, _ := status["conditions"].([]any)
	var words []string
	for _, c := range conditions {
		m, _ := c.(map[string]any)
		kind, _ := m["type"].(string)
		value, _ := m["status"].(string)
		message, _ := m["message"].(string)
		good := map[string]bool{"Ready": true, "Available": true, "Established": true, "NamesAccepted": true, "Accepted": true, "Programmed": true}[kind]
		bad := map[string]bool{"Stalled": true, "Failed": true, "Degraded": true}[kind]
		if good && value == "False" || bad && value == "True" {
			words = append(words, fmt.Sprintf("%s=%s: %s", kind, value, quote(message)))
		}
	}
	return strings.Join(words, "; ")
}
