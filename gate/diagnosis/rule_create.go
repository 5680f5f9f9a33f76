package diagnosis

import (
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

var ruleCreate = Rule{Family: "Creating pods", Find: explainCreate, Causes: []Cause{
	{Code: "QuotaExceeded", class: after("create", LayerCluster, ScopeEnv, 2, time.Minute),
		InUndo:  "UndoBlocked",
		Meaning: "A ResourceQuota of the namespace has no room for one more pod (or object). During a rolling update that is a deadlock if the old pods that may leave before a new one is available do not give back enough; Detail then says SurgeDeadlock.",
		Signals: "Event FailedCreate of the ReplicaSet, StatefulSet, DaemonSet or Job (or the condition ReplicaFailure when the events are gone) with \"exceeded quota: ..., requested: ..., used: ..., limited: ...\"; status.used and status.hard of the quota; replicas, maxSurge and maxUnavailable.",
		Remedy:  "Raise the quota, lower the pod's requests, or let an old pod leave first: maxSurge 0 and maxUnavailable 1."},
	{Code: "QuotaNeedsResources", class: after("create", LayerCluster, ScopeSpec, 2, 10*time.Second),
		InUndo:  "UndoBlocked",
		Meaning: "A ResourceQuota counts a request or limit that a container of the pod does not state, so no such pod is admitted.",
		Signals: "Event FailedCreate with \"failed quota: ...: must specify limits.cpu for: ...\".",
		Remedy:  "State the named requests and limits on every container, init containers too, or give the namespace a LimitRange with defaults."},
	{Code: "LimitRangeViolation", class: after("create", LayerCluster, ScopeSpec, 2, 10*time.Second),
		InUndo:  "UndoBlocked",
		Meaning: "A request or limit of a container is outside of the range that a LimitRange of the namespace allows.",
		Signals: "Event FailedCreate with \"maximum cpu usage per Container is 1, but limit is 2\" or its like for minimum and for the ratio of limit to request.",
		Remedy:  "Bring the named value into the range, or have the LimitRange changed."},
	{Code: "PodSecurityViolation", class: after("create", LayerCluster, ScopeSpec, 2, 10*time.Second),
		InUndo:  "UndoBlocked",
		Meaning: "The namespace enforces a Pod Security level that the pod does not meet.",
		Signals: "Event FailedCreate with \"violates PodSecurity \"restricted:latest\": ...\", which lists each missing setting; for a Pod the answer to the write.",
		Remedy:  "Set the securityContext fields that the text lists, or deploy into a namespace with a lower level."},
	{Code: "AdmissionDenied", class: after("create", LayerCluster, ScopeSpec, 2, 15*time.Second),
		InUndo:  "UndoBlocked",
		Meaning: "An admission webhook or a ValidatingAdmissionPolicy of the cluster refuses the object or its pods.",
		Signals: "\"admission webhook ... denied the request\" or \"ValidatingAdmissionPolicy ... denied request\", in the answer to the write or in an event FailedCreate.",
		Remedy:  "Change what the policy names, or ask its owner for an exception."},
	{Code: "AdmissionWebhookDown", class: after("create", LayerCluster, ScopeEnv, 3, 2*time.Minute),
		InUndo: "UndoBlocked", Refusal: RefusedForNow,
		Meaning: "An admission webhook does not answer, and its failurePolicy makes the API server refuse everything that it should have seen. The manifest is not to blame.",
		Signals: "\"failed calling webhook ...\" with a missing service, a refused connection, a timeout or a certificate error, in the answer to the write or in an event FailedCreate.",
		Remedy:  "Repair the service behind the webhook; if it may be skipped, set its failurePolicy to Ignore."},
	{Code: "ServiceAccountMissing", class: after("create", LayerCluster, ScopeSpec, 2, 30*time.Second),
		LooksUp: []string{"ServiceAccount"}, MayArrive: true, TriedSeldom: true, InUndo: "UndoBlocked",
		Meaning: "The pod names a service account that does not exist in its namespace.",
		Signals: "Event FailedCreate with \"error looking up service account shop/web: serviceaccount ... not found\".",
		Remedy:  "Create the service account, put its manifest into the same run, or correct serviceAccountName."},
	{Code: "PriorityClassMissing", class: after("create", LayerCluster, ScopeSpec, 2, 30*time.Second),
		LooksUp: []string{"PriorityClass"}, MayArrive: true, TriedSeldom: true, InUndo: "UndoBlocked",
		Meaning: "The pod names a PriorityClass that does not exist.",
		Signals: "Event FailedCreate with \"no PriorityClass with name ... was found\".",
		Remedy:  "Create the PriorityClass, or correct priorityClassName."},
	{Code: "RuntimeClassMissing", class: after("create", LayerCluster, ScopeSpec, 2, 30*time.Second),
		LooksUp: []string{"RuntimeClass"}, MayArrive: true, TriedSeldom: true, InUndo: "UndoBlocked",
		Meaning: "The pod names a RuntimeClass that does not exist.",
		Signals: "Event FailedCreate with \"RuntimeClass ... not found\".",
		Remedy:  "Create the RuntimeClass, or correct runtimeClassName."},
	{Code: "PodCreateRejected", class: after("create", LayerCluster, ScopeSpec, 3, 30*time.Second),
		InUndo:  "UndoBlocked",
		Meaning: "The API server refuses the pods, or the claims of a StatefulSet, in words that no other cause covers.",
		Signals: "Event FailedCreate of the controller; the newest one counts, because the condition ReplicaFailure keeps the text of the first failure.",
		Remedy:  "Act on the quoted words; creating the pod template by hand with --dry-run=server shows the same answer."},
	{Code: "ReplicaSetCreateFailed", class: after("create", LayerCluster, ScopeSpec, 3, 30*time.Second),
		InUndo:  "UndoBlocked",
		Meaning: "The Deployment's controller may not make the ReplicaSet of the new version: a quota on ReplicaSets or an admission policy stands in the way.",
		Signals: "Condition Progressing=False with reason ReplicaSetCreateError, and the event of the same reason on the Deployment.",
		Remedy:  "Do what the quoted answer asks for; old ReplicaSets that fill a quota go away with a lower revisionHistoryLimit."},
}}

// explainCreate names why a controller may not make pods: QuotaExceeded, QuotaNeedsResources, LimitRangeViolation,
// PodSecurityViolation, AdmissionDenied, AdmissionWebhookDown, ServiceAccountMissing, PriorityClassMissing,
// RuntimeClassMissing, PodCreateRejected, ReplicaSetCreateFailed. The newest FailedCreate event counts: the
// ReplicaFailure condition keeps the text of the first failure until a create succeeds
// (pkg/controller/replicaset/replica_set_utils.go, SetCondition), so it is used only when there is no event.
func explainCreate(s *facts) []Finding {
	if s.namespaceGoes() {
		return nil // which NamespaceTerminating says
	}
	if f, ok := s.noReplicaSet(); ok {
		return []Finding{f}
	}
	text, proof, count := s.createFailure()
	if text == "" {
		return nil
	}
	failure := messages.ParseCreateFailure(text)
	d, said := controllerDenial(failure)
	f := s.refused(d, count)
	f.Evidence = []Proof{proof}
	if failure.Claim {
		f.FieldPath = "spec.volumeClaimTemplates"
	}
	switch f.Code {
	case "PodSecurityViolation", "QuotaNeedsResources":
		s.narrow(&f, said)
	case "QuotaExceeded":
		s.quotaPatience(&f, said.Shortages)
	case "LimitRangeViolation":
		s.limited(&f, said.Bounds)
	case "ServiceAccountMissing", "PriorityClassMissing", "RuntimeClassMissing":
		kind := strings.TrimSuffix(f.Code, "Missing")
		f.Cause += meant(f.Detail, s.Names[kind])
		s.patient(&f, kind, f.Detail)
	}
	return []Finding{f}
}

// controllerDenial words the API server's answer to a controller, and takes it apart where it is known.
func controllerDenial(failure messages.CreateFailure) (denial, messages.Denial) {
	if said, ok := messages.ParseDenial(failure.Answer); ok {
		return denied(said), said
	}
	return denial{
		code: "PodCreateRejected", cause: quote(messages.WithoutPodName(failure.Answer)),
		fix: []string{"create the pod template by hand with --dry-run=server to see the same answer"},
	}, messages.Denial{}
}

// refused is a finding about pods that may not be made.
func (s *facts) refused(d denial, count int) Finding {
	f := s.finding(d.code)
	f.Stage = "create"
	f.Detail, f.Fix, f.Count = d.detail, d.fix, count
	f.Confidence = Proven
	f.Cause = "no new pods can be created: " + d.cause
	if len(s.pods) > 0 {
		f.Cause = "not all new pods can be created: " + d.cause
	}
	f.FieldPath = s.podPath
	if d.field != "" {
		f.FieldPath += "." + d.field
	}
	return f
}

// narrow points at the container that the words name.
func (s *facts) narrow(f *Finding, said messages.Denial) {
	if s.template == nil || len(said.Containers) == 0 {
		return
	}
	if field := narrowed(said, &s.template.Spec); field != "" {
		f.FieldPath = s.podPath + "." + field
		return
	}
	f.Container, f.injected, f.FieldPath = said.Containers[0], true, s.metaPath()
	f.Fix[0] = "change what injects container " + f.Container + ", or do without it"
}

// noReplicaSet is a Deployment whose controller may not make the new ReplicaSet. It then does not publish
// observedGeneration either, only this condition and an event (pkg/controller/deployment/sync.go, getNewReplicaSet).
func (s *facts) noReplicaSet() (Finding, bool) {
	const reason = "ReplicaSetCreateError"
	d, ok := s.w.Live.(*appsv1.Deployment)
	if !ok || s.newReplicaSet() != nil {
		return Finding{}, false
	}
	text, proof, count := "", Proof{}, 0
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Reason == reason && s.fresh(c.LastUpdateTime.Time) {
			text, count = c.Message, 3
			proof = Proof{Type: "condition", Text: "Progressing=" + string(c.Status) + " " + reason + ": " + quote(c.Message), Time: c.LastUpdateTime.Time, Ref: s.w.Ref.String()}
		}
	}
	if failures := s.eventsOf(string(d.UID), func(e Event) bool { return e.Reason == reason }); len(failures) > 0 {
		newest := failures[len(failures)-1]
		text, proof, count = newest.Message, newest.proof(), occurrences(failures)
	}
	if text == "" {
		return Finding{}, false
	}
	answer, _ := controllerDenial(messages.ParseCreateFailure(text))
	f := s.finding("ReplicaSetCreateFailed")
	f.Confidence, f.Count, f.Fix, f.FieldPath = Proven, count, answer.fix, s.podPath
	if answer.code != "PodCreateRejected" {
		f.Detail = answer.code
	} else {
		f.Fix = []string{"apply the deployment by hand to see whether the answer is still the same: " + s.w.Ref.String()}
	}
	if answer.code == "QuotaExceeded" {
		f.Fix = append(f.Fix, "lower spec.revisionHistoryLimit, so that fewer old ReplicaSets count")
		f.FieldPath = "spec.revisionHistoryLimit"
	}
	f.Cause = "the replica set of the new version cannot be created: " + answer.cause
	f.Evidence = []Proof{proof}
	return f, true
}

// createFailure is the newest refusal to create a pod, if pods are still missing.
func (s *facts) createFailure() (text string, proof Proof, count int) {
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
