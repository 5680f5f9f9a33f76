package diagnosis

import (
	"regexp"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// createPrefix is what controllers write before the API server's words, and podName the name that a failed attempt
// would have had, a new one each time.
var (
	createPrefix = regexp.MustCompile(`^(Error creating: |Create Pod \S+ in StatefulSet \S+ failed error: |create Pod \S+ in StatefulSet \S+ failed error: )`)
	podName      = regexp.MustCompile(`pods? "[^"]+"( is)? ?`)
)

// explainCreate names why a controller may not make pods: QuotaExceeded, QuotaNeedsResources, LimitRangeViolation,
// PodSecurityViolation, AdmissionDenied, AdmissionWebhookDown, ServiceAccountMissing, PriorityClassMissing,
// RuntimeClassMissing, PodCreateRejected. The newest FailedCreate event counts: the ReplicaFailure condition keeps the
// text of the first failure until a create succeeds (pkg/controller/replicaset/replica_set_utils.go, SetCondition), so
// it is used only when there is no event.
func explainCreate(s *scene) []Finding {
	text, proof, count := s.createFailure()
	if text == "" {
		return nil
	}
	words := createPrefix.ReplaceAllString(text, "")
	d, ok := decodeDenial(words)
	if !ok {
		words = quote(podName.ReplaceAllString(words, ""))
		d = denial{code: "PodCreateRejected", cause: words, fix: []string{"create the pod template by hand with --dry-run=server to see the same answer"}}
	}
	f := s.finding(d.code)
	f.Stage = "create"
	f.Detail, f.Fix, f.Count = d.detail, d.fix, count
	f.Confidence = Proven
	f.Cause = "no new pods can be created: " + d.cause
	if n := len(s.pods); n > 0 {
		f.Cause = "not all new pods can be created: " + d.cause
	}
	f.FieldPath = s.podPath
	if d.field != "" {
		f.FieldPath += "." + d.field
	}
	f.Evidence = []Proof{proof}
	switch d.code {
	case "QuotaExceeded":
		s.quotaPatience(&f)
	case "ServiceAccountMissing":
		if s.togetherWith("ServiceAccount", d.detail) {
			f.After = together
		}
	}
	return []Finding{f}
}

// createFailure is the newest refusal to create a pod, if pods are still missing.
func (s *scene) createFailure() (text string, proof Proof, count int) {
	uid := ""
	if s.w.Live != nil {
		uid = string(s.w.Live.GetUID())
	}
	rs := s.newReplicaSet()
	if s.w.Ref.Kind == "Deployment" {
		if rs == nil {
			return "", Proof{}, 0
		}
		uid = string(rs.UID)
		if rs.Spec.Replicas != nil && rs.Status.Replicas >= *rs.Spec.Replicas {
			return "", Proof{}, 0
		}
	} else if s.Status.Desired > 0 && len(s.pods) >= int(s.Status.Desired) {
		return "", Proof{}, 0
	}
	failures := s.eventsOf(uid, func(e Event) bool { return e.Reason == "FailedCreate" })
	if len(failures) > 0 {
		newest := failures[len(failures)-1]
		return newest.Message, newest.proof(), occurrences(failures)
	}
	if rs == nil {
		return "", Proof{}, 0
	}
	for _, c := range rs.Status.Conditions {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue && c.Reason == "FailedCreate" && s.fresh(c.LastTransitionTime.Time) {
			// The controller retries within milliseconds at first, so the condition stands for many attempts.
			return c.Message, Proof{Type: "condition", Text: "ReplicaFailure: " + quote(c.Message), Time: c.LastTransitionTime.Time, Ref: "replicaset/" + rs.Name}, 10
		}
	}
	return "", Proof{}, 0
}

// quotaPatience tells a quota that throttles from one that blocks. With new pods there, old ones will leave and give
// back what they hold. With none and maxUnavailable 0 nothing can ever leave.
func (s *scene) quotaPatience(f *Finding) {
	if strings.HasPrefix(f.FieldPath, s.podPath) && len(s.containers) == 0 {
		f.FieldPath = s.podPath + ".containers"
	}
	switch _, unavailable := s.surge(); {
	case len(s.pods) > 0:
		f.Terminal = TerminalTimeout
	case s.w.Ref.Kind == "Deployment" && len(s.old) > 0 && unavailable == 0:
		f.Terminal, f.After = TerminalDeadlock, 30*time.Second
		f.FieldPath = "spec.strategy.rollingUpdate"
		f.Cause += "; maxUnavailable is 0, so no old pod may leave to make room"
		f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: "maxUnavailable 0: the rollout keeps every old pod until a new one is available, and the quota admits no new one"})
		f.Fix = append([]string{"set maxUnavailable to 1 (and maxSurge to 0)"}, f.Fix...)
	}
}

// surge resolves a Deployment's maxSurge and maxUnavailable as its controller does: surge rounds up, unavailable down,
// and both may not be 0 (pkg/controller/deployment/util, ResolveFenceposts).
func (s *scene) surge() (surge, unavailable int) {
	d, ok := s.w.Live.(*appsv1.Deployment)
	if !ok {
		return 0, 1
	}
	replicas := 1
	if d.Spec.Replicas != nil {
		replicas = int(*d.Spec.Replicas)
	}
	r := d.Spec.Strategy.RollingUpdate
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return 0, replicas
	}
	quarter := intstr.FromString("25%")
	most, least := &quarter, &quarter
	if r != nil && r.MaxSurge != nil {
		most = r.MaxSurge
	}
	if r != nil && r.MaxUnavailable != nil {
		least = r.MaxUnavailable
	}
	surge, _ = intstr.GetScaledValueFromIntOrPercent(most, replicas, true)
	unavailable, _ = intstr.GetScaledValueFromIntOrPercent(least, replicas, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}
