package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// observe starts all watches of the namespace; they end with the context.
func (t *trial) observe(ctx context.Context) error {
	c := t.cluster.Dynamic
	ns := t.testCase.name
	workload, name, _ := resourceOf(t.testCase.Workload)
	return errors.Join(
		t.cluster.follow(ctx, c.Resource(client.Resources["pod"]).Namespace(ns), func(e watch.EventType, o *unstructured.Unstructured) {
			t.observer.sawPod(time.Now(), o)
			t.sawPod(ctx, e, o)
		}),
		t.cluster.follow(ctx, c.Resource(client.Resources["event"]).Namespace(ns), func(e watch.EventType, o *unstructured.Unstructured) {
			if e != watch.Deleted {
				t.observer.sawEvent(time.Now(), o)
			}
		}),
		t.cluster.follow(ctx, c.Resource(workload).Namespace(t.testCase.Namespace), func(e watch.EventType, o *unstructured.Unstructured) {
			if o.GetName() == name && e != watch.Deleted {
				t.sawWorkload(o)
			}
		}),
	)
}

func (t *trial) wasApplied() bool { return !t.appliedAt().IsZero() }

func (t *trial) appliedAt() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at
}

func (t *trial) begin() {
	t.observer.begin()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed = true
	for uid := range t.pods {
		t.old[uid] = true
	}
}

func (t *trial) sawWorkload(object *unstructured.Unstructured) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ours := appliedBy(object)
	switch {
	case !t.armed:
		t.applyBefore = ours
	case t.at.IsZero() && ours != t.applyBefore:
		t.at = time.Now()
		close(t.applied)
	}
	if !t.at.IsZero() {
		t.observer.sawWorkload(time.Now(), object)
	}
}

// appliedBy is what rolloutgate has applied of an object, and when; "" for nothing.
func appliedBy(object *unstructured.Unstructured) string {
	for _, m := range object.GetManagedFields() {
		if m.Manager == fieldManager && m.Operation == v1.ManagedFieldsOperationApply {
			return fmt.Sprint(m.Time, m.FieldsV1)
		}
	}
	return ""
}

// sawPod keeps what events need, and plays the pods that are scripted.
func (t *trial) sawPod(ctx context.Context, e watch.EventType, object *unstructured.Unstructured) {
	var pod corev1.Pod
	if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &pod) != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e == watch.Deleted {
		delete(t.pods, pod.UID)
		if end := t.playing[pod.UID]; end != nil {
			end()
		}
		return
	}
	t.pods[pod.UID] = &pod
	if t.playing[pod.UID] != nil || !isScripted(&pod) {
		return
	}
	ctx, t.playing[pod.UID] = context.WithCancel(ctx)
	number := len(t.playing)
	go func() {
		if err := newScriptedPod(t.cluster, &pod, number, t.dir).play(ctx, t.testCase.script.Pods); err != nil {
			t.complain(err)
		}
	}()
}

func (t *trial) complain(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = append(t.broken, err)
}

func (t *trial) newPods() []corev1.ObjectReference {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []corev1.ObjectReference
	for uid, pod := range t.pods {
		if !t.old[uid] && pod.DeletionTimestamp == nil {
			out = append(out, corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: uid})
		}
	}
	return out
}
