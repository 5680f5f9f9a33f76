package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// behaviorAnnotation with the value scripted keeps kwok's hands off a pod's status.
const behaviorAnnotation = "sandbox.rolloutgate.dev/behavior"

// scriptedPod is one pod that the harness plays: its status as a kubelet would have it.
type scriptedPod struct {
	cluster    cluster
	pod        *corev1.Pod
	logs       string // folder for its logs
	number     int    // of the scripted pods of the case, from 1
	over       bool   // it has failed or succeeded
	phase      corev1.PodPhase
	containers map[string]*corev1.ContainerStatus
	conditions map[corev1.PodConditionType]corev1.PodCondition
	started    time.Time
}

func isScripted(pod *corev1.Pod) bool {
	return pod.Annotations[behaviorAnnotation] == "scripted" && pod.Spec.NodeName != "" && pod.DeletionTimestamp == nil
}

func newScriptedPod(c cluster, pod *corev1.Pod, number int, logs string) *scriptedPod {
	p := &scriptedPod{cluster: c, pod: pod, number: number, logs: logs, phase: corev1.PodPending, started: time.Now(),
		containers: map[string]*corev1.ContainerStatus{}, conditions: map[corev1.PodConditionType]corev1.PodCondition{}}
	for _, spec := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		waiting := "ContainerCreating"
		if len(pod.Spec.InitContainers) > 0 {
			waiting = "PodInitializing"
		}
		p.containers[spec.Name] = &corev1.ContainerStatus{Name: spec.Name, Image: spec.Image, Started: new(bool),
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: waiting}}}
	}
	return p
}

// play goes through the steps until the last, or until the pod is gone.
func (p *scriptedPod) play(ctx context.Context, steps []podStep) error {
	for i := 0; i < len(steps) && !p.over; i++ {
		step := steps[i]
		if step.Only > 0 && p.number > step.Only {
			continue
		}
		if err := harness.Pause(ctx, time.Duration(step.After)); err != nil {
			return nil
		}
		if step.Repeat > 0 {
			i = step.Repeat - 2
			continue
		}
		err := p.perform(ctx, step)
		if errors.IsNotFound(err) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("playing pod %s, step %d: %w", p.pod.Name, i+1, err)
		}
	}
	return nil
}

func (p *scriptedPod) perform(ctx context.Context, step podStep) error {
	name := step.target(p.pod)
	if step.Logs != "" {
		if err := p.writeLogs(ctx, name, step.Logs); err != nil {
			return err
		}
	}
	if err := p.change(name, step); err != nil {
		return err
	}
	patch, err := p.patch([]byte(strings.ReplaceAll(p.fill(string(step.Status), name), "$NOW", time.Now().UTC().Format(time.RFC3339))))
	if err != nil {
		return err
	}
	pods := p.cluster.Dynamic.Resource(client.Resources["pod"]).Namespace(p.pod.Namespace)
	if _, err := pods.Patch(ctx, p.pod.Name, types.StrategicMergePatchType, patch, v1.PatchOptions{}, "status"); err != nil {
		return err
	}
	for _, e := range step.Events {
		if e.Container == "" {
			e.Container = name
		}
		if err := p.cluster.post(ctx, e, p.reference()); err != nil {
			return err
		}
	}
	return nil
}

func (s podStep) target(pod *corev1.Pod) string {
	switch {
	case s.InitContainer != "":
		return s.InitContainer
	case s.Container != "":
		return s.Container
	}
	return pod.Spec.Containers[0].Name
}

// reference is what events of the pod are about.
func (p *scriptedPod) reference() corev1.ObjectReference {
	return corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: p.pod.Namespace, Name: p.pod.Name, UID: p.pod.UID,
		FieldPath: "spec.containers"}
}

// change takes one step in memory. A container that runs after it ended has been restarted.
func (p *scriptedPod) change(name string, step podStep) error {
	status, ok := p.containers[name]
	if !ok {
		return fmt.Errorf("there is no container %s", name)
	}
	now := v1.Now()
	if t := step.Terminated; t != nil {
		began := now
		if status.State.Running != nil {
			began = status.State.Running.StartedAt
		}
		ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: t.ExitCode, Reason: t.Reason,
			Message: p.fill(t.Message, name), Signal: t.Signal, StartedAt: began, FinishedAt: now}}
		if step.Waiting == nil {
			p.rest(status)
			status.State = ended
		} else {
			status.LastTerminationState = ended
		}
		status.Ready, status.Started = false, new(bool)
	}
	if step.Waiting != nil {
		p.rest(status)
		var waiting corev1.ContainerStateWaiting
		if err := json.Unmarshal(step.Waiting, &waiting); err != nil {
			return err
		}
		waiting.Message = p.fill(waiting.Message, name)
		status.State, status.Ready = corev1.ContainerState{Waiting: &waiting}, false
	}
	if step.Running || step.Ready {
		p.rest(status)
		if status.State.Running == nil {
			if status.LastTerminationState.Terminated != nil {
				status.RestartCount++
			}
			status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
		}
		// A sidecar that runs and is not ready has not passed its startup probe: what comes after it waits.
		started := step.Ready || !p.isSidecar(name)
		status.Ready, status.Started = step.Ready, &started
		status.ContainerID = fmt.Sprintf("containerd://%s-%s-%d", p.pod.UID, name, status.RestartCount)
		status.ImageID = status.Image
		if started {
			p.siblings(name)
		}
	}
	p.phase = p.derivePhase()
	return nil
}

// rest moves an end that is over to where the previous run is told.
func (p *scriptedPod) rest(status *corev1.ContainerStatus) {
	if status.State.Terminated != nil {
		status.LastTerminationState = status.State
	}
}

// siblings lets the other containers run well once one of them does, and init containers be done by then.
func (p *scriptedPod) siblings(name string) {
	if slices.ContainsFunc(p.pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == name && !isSidecar(c) }) {
		return
	}
	now, yes := v1.Now(), true
	for _, c := range p.pod.Spec.InitContainers {
		if s := p.containers[c.Name]; c.Name != name && s.State.Terminated == nil && !isSidecar(c) {
			s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now}}
			s.Ready = true
		}
	}
	for _, c := range p.pod.Spec.Containers {
		if s := p.containers[c.Name]; c.Name != name && s.State.Waiting != nil && s.RestartCount == 0 && s.LastTerminationState.Terminated == nil {
			s.State, s.Ready, s.Started = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}, true, &yes
		}
	}
}

func (p *scriptedPod) isSidecar(name string) bool {
	return slices.ContainsFunc(p.pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == name && isSidecar(c) })
}

func isSidecar(c corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// fill puts the pod's names into a text.
func (p *scriptedPod) fill(text, container string) string {
	return fill(text, p.pod, container)
}

// writeLogs gives a container its log, with the object by which kwok serves one.
func (p *scriptedPod) writeLogs(ctx context.Context, container, text string) error {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		fmt.Fprintf(&lines, "%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), strings.TrimRight(line, "\n"))
	}
	file := filepath.Join(p.logs, fmt.Sprintf("%s-%s.log", p.pod.UID, container))
	if err := os.WriteFile(file, []byte(lines.String()), 0o644); err != nil {
		return err
	}
	object := map[string]any{
		"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Logs",
		"metadata": map[string]any{"name": p.pod.Name, "ownerReferences": []any{
			map[string]any{"apiVersion": "v1", "kind": "Pod", "name": p.pod.Name, "uid": string(p.pod.UID)}}},
		"spec": map[string]any{"logs": []any{
			map[string]any{"containers": []any{container}, "logsFile": file, "previousLogsFile": file}}},
	}
	logs := p.cluster.Dynamic.Resource(client.Resources["logs"]).Namespace(p.pod.Namespace)
	_, err := logs.Create(ctx, &unstructured.Unstructured{Object: object}, v1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
