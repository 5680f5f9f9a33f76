package main

import (
	"cmp"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// sign is something by which a watcher of the cluster could tell that a rollout is in trouble.
type sign struct {
	at   time.Time
	text string
}

// observer notes the signs of one namespace as the API server tells them.
type observer struct {
	mu    sync.Mutex
	known map[types.UID]int64 // what was there before: pods, and how often events had been seen
	run   bool                // rolloutgate has been started
	signs []sign
}

func newObserver() *observer { return &observer{known: map[types.UID]int64{}} }

// begin ends the time in which everything belongs to what was there before.
func (o *observer) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.run = true
}

// first is the first sign since the workload was applied. The watches of workload and pods are not in step, which is
// what the tolerance is for.
func (o *observer) first(applied time.Time) (sign, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	const tolerance = 200 * time.Millisecond
	late := slices.DeleteFunc(slices.Clone(o.signs), func(s sign) bool { return s.at.Before(applied.Add(-tolerance)) })
	if applied.IsZero() || len(late) == 0 {
		return sign{}, false
	}
	return slices.MinFunc(late, func(a, b sign) int { return a.at.Compare(b.at) }), true
}

func (o *observer) sawPod(at time.Time, object *unstructured.Unstructured) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.run {
		o.known[object.GetUID()] = 1
		return
	}
	if o.known[object.GetUID()] > 0 {
		return
	}
	var pod corev1.Pod
	if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &pod) == nil {
		o.note(at, podSign(&pod))
	}
}

func (o *observer) sawEvent(at time.Time, object *unstructured.Unstructured) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var e corev1.Event
	if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &e) != nil || e.Type != corev1.EventTypeWarning {
		return
	}
	if !o.run {
		o.known[e.UID] = times(&e)
		return
	}
	if times(&e) > o.known[e.UID] {
		o.note(at, "event "+e.Reason)
	}
}

func (o *observer) sawWorkload(at time.Time, object *unstructured.Unstructured) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.run {
		o.note(at, workloadSign(object))
	}
}

func (o *observer) note(at time.Time, text string) {
	if text != "" {
		o.signs = append(o.signs, sign{at, text})
	}
}

// times is how often an event was seen; both ways to count are in use.
func times(e *corev1.Event) int64 {
	if e.Series != nil {
		return int64(e.Series.Count)
	}
	return max(int64(e.Count), 1)
}

// podSign is the first thing in a pod's status that a healthy start does not show; "" for none.
func podSign(pod *corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return ""
	}
	if pod.Status.Phase == corev1.PodFailed {
		return "pod Failed " + pod.Status.Reason
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "PodScheduled=False " + c.Reason
		}
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := s.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return "waiting " + w.Reason
		}
		for _, t := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if t != nil && t.ExitCode != 0 {
				return "terminated " + cmp.Or(t.Reason, "Error")
			}
		}
	}
	return ""
}

// workloadSign is a condition by which a controller says that it failed.
func workloadSign(object *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if !ok {
			continue
		}
		kind, status := condition["type"], condition["status"]
		failed := (kind == "ReplicaFailure" || kind == "Failed") && status == "True"
		stuck := kind == "Progressing" && status == "False" && condition["reason"] != "DeploymentPaused"
		if failed || stuck {
			reason, _ := condition["reason"].(string)
			return "condition " + reason
		}
	}
	return ""
}
