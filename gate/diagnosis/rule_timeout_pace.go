package diagnosis

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// elapsed is how long the rollout has been under way.
func (s *facts) elapsed() time.Duration {
	if s.w.Since.IsZero() {
		return s.Timeout
	}
	return max(0, s.now.Sub(s.w.Since))
}

// step is how many pods a rolling update may replace at once. A StatefulSet goes one by one whatever its
// podManagementPolicy says (pkg/controller/statefulset/stateful_set_control.go, updateStatefulSet).
func (s *facts) step() int {
	switch o := s.w.Live.(type) {
	case *appsv1.Deployment:
		surge, unavailable := s.surge()
		return max(1, surge+unavailable)
	case *appsv1.DaemonSet:
		r, total := o.Spec.UpdateStrategy.RollingUpdate, int(s.Status.Desired)
		if r == nil {
			return 1
		}
		resolve := func(v *intstr.IntOrString) int {
			if v == nil {
				return 0
			}
			n, _ := intstr.GetScaledValueFromIntOrPercent(v, total, true)
			return n
		}
		return max(1, resolve(r.MaxUnavailable)+resolve(r.MaxSurge))
	}
	return 1
}

// rounds is how many times a rolling update must wait for new pods, for this many pods. Without old pods all start at
// once, except those of a StatefulSet.
func (s *facts) rounds(pods int) int {
	if s.w.Ref.Kind == "Deployment" && len(s.old)+len(s.leaving) == 0 && s.Status.Old == 0 {
		return 1
	}
	return (pods + s.step() - 1) / s.step()
}

// typicalStart is how long a pod needs to become ready: the median of the new ones, else of those of the version before.
func (s *facts) typicalStart() (took time.Duration, whose string) {
	if times := s.startTimes(); len(times) > 0 {
		return times[(len(times)-1)/2], "a new pod"
	}
	if median, _, pods := s.measuredStart(); pods > 0 {
		return median, "a pod of the version before"
	}
	return 0, ""
}

// bound is the least time that the rollout takes when nothing goes wrong: every round waits for the start of its pods and
// for minReadySeconds. It is 0 when nothing is known of these.
func (s *facts) bound() time.Duration {
	start, _ := s.typicalStart()
	return time.Duration(s.rounds(int(s.Status.Desired))) * (start + s.minReadySeconds())
}

// arithmetic shows how bound comes about.
func (s *facts) arithmetic() []Proof {
	start, whose := s.typicalStart()
	if s.bound() == 0 || s.Status.Desired == 0 {
		return nil
	}
	var each []string
	if whose != "" {
		each = append(each, fmt.Sprintf("%s until %s is ready", short(start), whose))
	}
	if wait := s.minReadySeconds(); wait > 0 {
		each = append(each, short(wait)+" minReadySeconds")
	}
	rounds, atOnce := s.rounds(int(s.Status.Desired)), "all at once"
	if rounds > 1 {
		atOnce = fmt.Sprintf("at most %d at a time", s.step())
	}
	text := fmt.Sprintf("%s, %s: %s × (%s) = %s at least", plural(int(s.Status.Desired), "pod"), atOnce,
		plural(rounds, "round"), strings.Join(each, " + "), short(s.bound()))
	return []Proof{{Type: "arithmetic", Text: text, Ref: s.w.Ref.String()}}
}

// proposal is a timeout with room to spare: half more than what is needed, and more than what was not enough.
func (s *facts) proposal(needed time.Duration) time.Duration {
	if needed <= s.Timeout {
		needed = max(needed, s.Timeout+s.Timeout/4)
		return upwards(needed)
	}
	return upwards(needed * 3 / 2)
}

// upwards rounds a forecast up to what its precision deserves.
func upwards(d time.Duration) time.Duration {
	unit := time.Minute
	switch {
	case d <= 2*time.Minute:
		unit = 10 * time.Second
	case d <= 5*time.Minute:
		unit = 30 * time.Second
	}
	return (d + unit - 1) / unit * unit
}
