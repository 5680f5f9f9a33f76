package main

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func scripted(t *testing.T, steps ...podStep) corev1.PodStatus {
	t.Helper()
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "migrate"}},
		Containers:     []corev1.Container{{Name: "web"}, {Name: "proxy"}},
	}}
	p := newScriptedPod(cluster{}, pod, 1, "")
	var last []byte
	for _, s := range steps {
		if err := p.change(s.target(pod), s); err != nil {
			t.Fatal(err)
		}
		patch, err := p.patch(s.Status)
		if err != nil {
			t.Fatal(err)
		}
		last = patch
	}
	var patched struct {
		Status corev1.PodStatus `json:"status"`
	}
	if err := json.Unmarshal(last, &patched); err != nil {
		t.Fatal(err)
	}
	return patched.Status
}

func conditionOf(status corev1.PodStatus, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

func TestScriptedPodRestarts(t *testing.T) {
	end := podStep{Terminated: &terminated{ExitCode: 139, Reason: "Error"}}
	again := end
	again.Waiting = json.RawMessage(`{"reason": "CrashLoopBackOff"}`)
	status := scripted(t, podStep{Running: true}, end, podStep{Running: true}, again)
	web := status.ContainerStatuses[0]
	if web.RestartCount != 1 || web.State.Waiting == nil || web.LastTerminationState.Terminated.ExitCode != 139 || status.Phase != corev1.PodRunning {
		t.Errorf("got %+v", web)
	}
	if other := status.ContainerStatuses[1]; !other.Ready || other.State.Running == nil {
		t.Errorf("the other container does not run: %+v", other)
	}
	if init := status.InitContainerStatuses[0]; init.State.Terminated == nil || conditionOf(status, "Initialized").Status != corev1.ConditionTrue {
		t.Errorf("the init container is not done: %+v", init)
	}
	if ready := conditionOf(status, corev1.PodReady); ready.Status != corev1.ConditionFalse || ready.Message != "containers with unready status: [web]" {
		t.Errorf("got %+v", ready)
	}
}

func TestScriptedPodWaitsAtItsInitContainer(t *testing.T) {
	status := scripted(t, podStep{InitContainer: "migrate", Running: true})
	if status.Phase != corev1.PodPending || status.ContainerStatuses[0].State.Waiting.Reason != "PodInitializing" {
		t.Errorf("got %+v", status)
	}
	if conditionOf(status, "Initialized").Status != corev1.ConditionFalse {
		t.Error("it is not initialized")
	}
}

func TestScriptedStatusIsOverridden(t *testing.T) {
	status := scripted(t, podStep{Ready: true, Status: json.RawMessage(`{"phase": "Failed", "reason": "Evicted",
		"conditions": [{"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"}]}`)})
	if status.Phase != corev1.PodFailed || status.Reason != "Evicted" || conditionOf(status, corev1.PodReady).Reason != "ReadinessGatesNotReady" {
		t.Errorf("got %+v", status)
	}
	if conditionOf(status, corev1.ContainersReady).Status != corev1.ConditionTrue {
		t.Error("conditions that are not named stay")
	}
}
