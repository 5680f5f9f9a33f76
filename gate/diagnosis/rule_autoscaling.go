package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleAutoscaling = Rule{Family: "Autoscaling", Find: explainScaler, Causes: []Cause{
	{Code: "HpaReplicaFight", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "The manifest sets spec.replicas although a HorizontalPodAutoscaler decides that number, so this apply reset it and the autoscaler has to scale again in the middle of the rollout.",
		Signals: "spec.replicas in the manifest, a HorizontalPodAutoscaler whose scaleTargetRef is the workload, and a number of replicas that this run changed.",
		Remedy:  "Remove spec.replicas from the manifest; the API server keeps what the autoscaler set."},
	{Code: "HpaCannotScale", class: remark("controller", LayerWorkload, ScopeEnv),
		Meaning: "The autoscaler of the workload cannot do its work, so the number of pods does not follow the load.",
		Signals: "Condition ScalingActive=False (FailedGetResourceMetric, InvalidSelector, AmbiguousSelector) or AbleToScale=False (FailedGetScale) of the HorizontalPodAutoscaler, for two minutes or more.",
		Remedy:  "For resource metrics set requests on every container and check that metrics-server runs; for the others check the adapter of the metric and the selector."},
}}

// explainScaler names what an autoscaler has to do with it: HpaReplicaFight, HpaCannotScale.
func explainScaler(s *facts) []Finding {
	hpa := s.scaler()
	if hpa == nil {
		return nil
	}
	var found []Finding
	if f, ok := s.replicaFight(hpa); ok {
		found = append(found, f)
	}
	if f, ok := s.cannotScale(hpa); ok {
		found = append(found, f)
	}
	return found
}

// scaler is the HorizontalPodAutoscaler of the workload, if they were read and there is one.
func (s *facts) scaler() *autoscalingv2.HorizontalPodAutoscaler {
	var found *autoscalingv2.HorizontalPodAutoscaler
	for _, h := range s.Autoscalers {
		t := h.Spec.ScaleTargetRef
		group, _, _ := strings.Cut(t.APIVersion, "/")
		if t.Kind == s.w.Ref.Kind && t.Name == s.w.Ref.Name && group == s.w.Ref.Group && (found == nil || h.Name < found.Name) {
			found = h
		}
	}
	return found
}

// replicaFight is a number of replicas that this run wrote over the autoscaler's.
func (s *facts) replicaFight(hpa *autoscalingv2.HorizontalPodAutoscaler) (Finding, bool) {
	if s.Manifest == nil || s.Previous == nil || s.w.Applied == nil {
		return Finding{}, false
	}
	was, is := rollout.Replicas(s.Previous), rollout.Replicas(s.w.Applied)
	if _, sets := s.Manifest.Locate("spec.replicas"); !sets || was == is {
		return Finding{}, false
	}
	f := s.finding("HpaReplicaFight")
	f.Confidence, f.Detail, f.FieldPath = Proven, hpa.Name, "spec.replicas"
	least := int32(1)
	if hpa.Spec.MinReplicas != nil {
		least = *hpa.Spec.MinReplicas
	}
	f.Cause = fmt.Sprintf("the manifest set replicas from %d to %d, but autoscaler %s decides that number (%d to %d)", was, is, hpa.Name, least, hpa.Spec.MaxReplicas)
	if is < was {
		f.Cause += ": the workload shrank in the middle of the rollout"
	}
	f.Evidence = []Proof{{Type: "object", Text: fmt.Sprintf("replicas %d before this run, %d after it; the autoscaler wants %d", was, is, hpa.Status.DesiredReplicas), Ref: "horizontalpodautoscaler/" + hpa.Name}}
	f.Fix = []string{"remove spec.replicas from the manifest: the number then stays the autoscaler's"}
	return f, true
}

// settling is how long metrics may be missing: those of new pods are, until the first was taken.
const settling = 2 * time.Minute

// cannotScale is what the autoscaler itself complains of.
func (s *facts) cannotScale(hpa *autoscalingv2.HorizontalPodAutoscaler) (Finding, bool) {
	conditions := slices.Clone(hpa.Status.Conditions)
	slices.SortFunc(conditions, func(a, b autoscalingv2.HorizontalPodAutoscalerCondition) int {
		return strings.Compare(string(a.Type), string(b.Type))
	})
	for _, c := range conditions {
		active := c.Type == autoscalingv2.ScalingActive || c.Type == autoscalingv2.AbleToScale
		if !active || c.Status != corev1.ConditionFalse || c.Reason == "ScalingDisabled" || strings.HasPrefix(c.Reason, "Backoff") {
			continue
		}
		if s.now.Sub(c.LastTransitionTime.Time) < settling {
			continue
		}
		f := s.finding("HpaCannotScale")
		f.Confidence, f.Detail = Proven, c.Reason
		f.Cause = fmt.Sprintf("autoscaler %s cannot scale: %s", hpa.Name, quote(c.Message))
		f.Evidence = []Proof{{Type: "condition", Text: fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, quote(c.Message)), Time: c.LastTransitionTime.Time, Ref: "horizontalpodautoscaler/" + hpa.Name}}
		f.Fix = []string{"check the metric: kubectl describe hpa -n " + s.w.Ref.Namespace + " " + hpa.Name}
		switch c.Reason {
		case "FailedGetResourceMetric", "FailedGetContainerResourceMetric":
			f.Fix = []string{"set resources.requests on every container, and check that metrics-server runs: kubectl top pods -n " + s.w.Ref.Namespace}
			f.FieldPath = s.podPath + ".containers"
		case "AmbiguousSelector":
			f.Fix = []string{"give each workload labels of its own: several autoscalers count the same pods"}
			f.FieldPath = "spec.selector"
		}
		return f, true
	}
	return Finding{}, false
}
