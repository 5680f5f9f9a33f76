package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (p *scriptedPod) derivePhase() corev1.PodPhase {
	ended, failed := 0, false
	for _, c := range p.pod.Spec.Containers {
		s := p.containers[c.Name]
		if s.State.Terminated != nil {
			ended++
			failed = failed || s.State.Terminated.ExitCode != 0
		}
		if s.State.Running != nil || s.LastTerminationState.Terminated != nil {
			p.phase = corev1.PodRunning
		}
	}
	policy := p.pod.Spec.RestartPolicy
	if ended == len(p.pod.Spec.Containers) && policy != corev1.RestartPolicyAlways {
		if !failed {
			return corev1.PodSucceeded
		}
		if policy == corev1.RestartPolicyNever {
			return corev1.PodFailed
		}
	}
	return p.phase
}

// patch is the whole status as far as the harness plays it, with what a step overrides.
func (p *scriptedPod) patch(override json.RawMessage) ([]byte, error) {
	status := corev1.PodStatus{Phase: p.phase}
	begun := v1.NewTime(p.started)
	status.StartTime = &begun
	if p.phase != corev1.PodPending {
		status.PodIP = "10.1.0.1"
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	}
	initialized, ready := true, true
	for _, c := range p.pod.Spec.InitContainers {
		s := *p.containers[c.Name]
		initialized = initialized && (s.State.Terminated != nil && s.State.Terminated.ExitCode == 0 || isSidecar(c) && s.Started != nil && *s.Started)
		status.InitContainerStatuses = append(status.InitContainerStatuses, s)
	}
	var unready []string
	for _, c := range p.pod.Spec.Containers {
		s := *p.containers[c.Name]
		if !s.Ready {
			ready, unready = false, append(unready, c.Name)
		}
		status.ContainerStatuses = append(status.ContainerStatuses, s)
	}
	message := fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " "))
	p.condition("Initialized", initialized, "ContainersNotInitialized", "containers with incomplete status")
	p.condition(corev1.ContainersReady, ready, "ContainersNotReady", message)
	p.condition(corev1.PodReady, ready, "ContainersNotReady", message)
	for _, kind := range slices.Sorted(maps.Keys(p.conditions)) {
		status.Conditions = append(status.Conditions, p.conditions[kind])
	}
	object, err := toMap(status)
	if err != nil {
		return nil, err
	}
	if len(override) > 0 {
		var fields map[string]any
		if err := json.Unmarshal(override, &fields); err != nil {
			return nil, err
		}
		p.override(object, fields)
		p.over = fields["phase"] == string(corev1.PodFailed) || fields["phase"] == string(corev1.PodSucceeded)
	}
	return json.Marshal(map[string]any{"status": object})
}

// override replaces fields of the status; conditions are replaced one by one.
func (p *scriptedPod) override(status, fields map[string]any) {
	for key, value := range fields {
		if key != "conditions" {
			status[key] = value
			continue
		}
		own, _ := status["conditions"].([]any)
		wanted, _ := value.([]any)
		for _, w := range wanted {
			condition, _ := w.(map[string]any)
			own = slices.DeleteFunc(own, func(o any) bool { return o.(map[string]any)["type"] == condition["type"] })
			if condition["lastTransitionTime"] == nil {
				condition["lastTransitionTime"] = v1.Now().UTC().Format(time.RFC3339)
			}
			own = append(own, condition)
		}
		status["conditions"] = own
	}
}

func (p *scriptedPod) condition(kind corev1.PodConditionType, holds bool, reason, message string) {
	c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: v1.Now()}
	if !holds {
		c.Status, c.Reason, c.Message = corev1.ConditionFalse, reason, message
	}
	if old, ok := p.conditions[kind]; ok && old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	p.conditions[kind] = c
}

func toMap(value any) (map[string]any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	return object, json.Unmarshal(text, &object)
}
