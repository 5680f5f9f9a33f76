package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

// shortages are the resources of which a quota has too little for one more object.
type shortages []messages.Shortage

// String is "pods 3 of 3 used, 1 more needed", with a question mark for a number that is not known.
func (all shortages) String() string {
	var texts []string
	for _, s := range all {
		texts = append(texts, fmt.Sprintf("%s %s of %s used, %s more needed", s.Resource, amount(s.Used), amount(s.Hard), amount(s.Need)))
	}
	return strings.Join(texts, "; ")
}

func amount(q *resource.Quantity) string {
	if q == nil {
		return "?"
	}
	return q.String()
}

// ofPods reports whether pods themselves are counted, or what they request.
func (all shortages) ofPods() bool {
	return slices.ContainsFunc(all, func(s messages.Shortage) bool {
		_, known := podHolds(&corev1.Pod{}, s.Resource)
		return known || s.Resource == "pods" || s.Resource == "count/pods"
	})
}

// proof is the same with what one more pod needs: "pods 3 used of 3; one more pod needs 1".
func (all shortages) proof() string {
	var texts []string
	for _, s := range all {
		texts = append(texts, fmt.Sprintf("%s %s used of %s; one more pod needs %s", s.Resource, amount(s.Used), amount(s.Hard), amount(s.Need)))
	}
	return strings.Join(texts, "; ")
}

// fits reports whether there is room for one more by now.
func (all shortages) fits() bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(s messages.Shortage) bool { return !readable(s) || lacks(s, resource.Quantity{}) })
}

// readable reports whether anything follows from the numbers.
func readable(s messages.Shortage) bool { return s.Need != nil && s.Used != nil && s.Hard != nil }

// lacks reports whether it is certain that one more does not fit even when something is given back.
func lacks(s messages.Shortage, back resource.Quantity) bool {
	if !readable(s) {
		return false
	}
	after := s.Used.DeepCopy()
	after.Sub(back)
	after.Add(*s.Need)
	return after.Cmp(*s.Hard) > 0
}

// renewed takes the numbers of the quota itself where it was read: an event tells of the moment of the attempt.
func (s *facts) renewed(quota string, all shortages) (shortages, bool) {
	for _, q := range s.Quotas {
		if q.Name != quota {
			continue
		}
		all = slices.Clone(all)
		for i := range all {
			name := corev1.ResourceName(all[i].Resource)
			used, hasUsed := q.Status.Used[name]
			hard, hasHard := q.Status.Hard[name]
			if !hasUsed || !hasHard {
				return all, false
			}
			all[i].Used, all[i].Hard = &used, &hard
		}
		return all, true
	}
	return all, false
}

// quotaPatience tells a quota that throttles from one that blocks. Old pods that leave give back what they hold; the
// rollout is stuck for good only if not even all that may leave make room for the first new pod. While new pods are
// there, they may become available and let more of the old ones go.
func (s *facts) quotaPatience(f *Finding, told shortages) {
	if strings.HasPrefix(f.FieldPath, s.podPath) && len(s.containers) == 0 {
		f.FieldPath = s.podPath + ".containers"
	}
	all, read := s.renewed(f.Detail, told)
	f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: "quota " + f.Detail + ": " + all.proof(), Ref: "resourcequota/" + f.Detail})
	a := s.algebra()
	switch stuck, ok := s.stuckShortage(a, all); {
	case read && all.fits():
		f.Terminal = TerminalTimeout
		f.Cause += "; by now there is room, and the controller tries again by itself"
		f.Fix = []string{"give it time: the controller's next attempt may be minutes away"}
		return
	case len(s.pods) > 0:
		f.Terminal = TerminalTimeout
	case a.rolling && ok:
		s.surgeDeadlock(f, a, stuck)
	case a.rolling && a.oldPods > 0, a.leaving > 0:
		f.Terminal = TerminalTimeout
		if a.leaving+a.mayStillRemove > 0 {
			f.Cause += "; " + a.other + " pods that leave will make room"
		}
	}
	if a.rolling && len(s.old) > 0 && f.Terminal != TerminalDeadlock {
		f.Fix = append(f.Fix, "a rolling update needs room for one pod more, unless maxSurge is 0 and maxUnavailable at least 1")
	}
}

// stuckShortage is the resource of which the new pod needs more than is free and all old pods that may leave give back.
// What the newest attempt was told may be from before some of them left, so those count as if they still had to go.
func (s *facts) stuckShortage(a algebra, all shortages) (stuck messages.Shortage, ok bool) {
	if len(s.pods) > 0 || a.oldPods == 0 {
		return messages.Shortage{}, false
	}
	may := a.mayLeave()
	for _, short := range all {
		held, known := s.held(short.Resource)
		if !known && may > 0 {
			continue
		}
		held.Mul(int64(may))
		if lacks(short, held) {
			return short, true
		}
	}
	return messages.Shortage{}, false
}

// surgeDeadlock words the proof.
func (s *facts) surgeDeadlock(f *Finding, a algebra, stuck messages.Shortage) {
	f.Terminal, f.After = TerminalDeadlock, 30*time.Second
	f.Detail += ", SurgeDeadlock"
	f.FieldPath = "spec.strategy.rollingUpdate"
	f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: a.sentence(), Ref: s.w.Ref.String()})
	may := a.mayLeave()
	if may == 0 {
		f.Cause += "; maxUnavailable is " + a.unavailableText + ", so no " + a.other + " pod may leave to make room"
		f.Fix = append([]string{"set maxUnavailable to 1 (and maxSurge to 0)"}, f.Fix...)
		if back, known := s.held(stuck.Resource); known && lacks(stuck, back) {
			f.Fix = f.Fix[1:] // even the room of one old pod would not be enough
		}
		return
	}
	back, _ := s.held(stuck.Resource)
	f.FieldPath = s.podPath + ".containers"
	back.Mul(int64(may))
	f.Cause += fmt.Sprintf("; maxUnavailable is %s, and the %s that may leave %s back only %s of %s", a.unavailableText, plural(may, a.other+" pod"), verb(may, "give"), &back, stuck.Resource)
	f.Fix = append([]string{fmt.Sprintf("lower the pod's %s, or raise maxUnavailable so that more old pods leave first", stuck.Resource)}, f.Fix...)
}

// held is how much of a resource, in the quota's words, an old pod holds; the biggest counts. It is not known for what
// a quota counts otherwise (a priority class, a storage class).
func (s *facts) held(name string) (most resource.Quantity, known bool) {
	if name == "pods" || name == "count/pods" {
		return resource.MustParse("1"), true
	}
	for _, p := range slices.Concat(s.old, s.leaving) {
		q, ok := podHolds(p, name)
		if !ok {
			return resource.Quantity{}, false
		}
		if q.Cmp(most) > 0 {
			most = q
		}
	}
	return most, len(s.old) > 0
}

// podHolds is a pod's share of a quota (pkg/quota/v1/evaluator/core/pods.go, PodUsageFunc).
func podHolds(p *corev1.Pod, name string) (resource.Quantity, bool) {
	wanted, ok := strings.CutPrefix(name, "limits.")
	if ok {
		return resourcehelper.PodLimits(p, resourcehelper.PodResourcesOptions{})[corev1.ResourceName(wanted)], true
	}
	wanted, prefixed := strings.CutPrefix(name, "requests.")
	switch corev1.ResourceName(wanted) {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
	default:
		if !prefixed && !strings.HasPrefix(wanted, "hugepages-") || wanted == "storage" {
			return resource.Quantity{}, false
		}
	}
	return resourcehelper.PodRequests(p, resourcehelper.PodResourcesOptions{})[corev1.ResourceName(wanted)], true
}
