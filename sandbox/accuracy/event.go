package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// ofContainers are the reasons of a kubelet whose events name a container.
var ofContainers = []string{"BackOff", "Created", "Failed", "FailedPostStartHook", "Killing", "ProbeWarning", "Pulled", "Pulling",
	"Started", "Unhealthy", "InspectFailed"}

// post writes one event as its reporter would: the same text about the same object raises a count.
func (c cluster) post(ctx context.Context, e event, about corev1.ObjectReference) error {
	from := cmp.Or(e.From, "kubelet")
	container := e.Container
	about.FieldPath = ""
	if from == "kubelet" && container != "" && slices.Contains(ofContainers, e.Reason) {
		about.FieldPath = fmt.Sprintf("spec.containers{%s}", container)
	}
	message := e.Message
	if about.Kind == "Pod" {
		pods := c.Dynamic.Resource(client.Resources["pod"]).Namespace(about.Namespace)
		object, err := pods.Get(ctx, about.Name, v1.GetOptions{})
		if err != nil {
			return err
		}
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &pod); err != nil {
			return err
		}
		if container == "" {
			container = pod.Spec.Containers[0].Name
		}
		if slices.ContainsFunc(pod.Spec.InitContainers, func(i corev1.Container) bool { return i.Name == container }) {
			about.FieldPath = strings.Replace(about.FieldPath, "spec.containers", "spec.initContainers", 1)
		}
		message = fill(message, &pod, container)
	}
	now := v1.NewTime(time.Now().Truncate(time.Second))
	sum := sha256.Sum256([]byte(string(about.UID) + e.Reason + message))
	name := fmt.Sprintf("%s.%x", about.Name, sum[:8])
	events := c.Dynamic.Resource(client.Resources["event"]).Namespace(about.Namespace)
	object, err := events.Get(ctx, name, v1.GetOptions{})
	if err == nil {
		count, _, _ := unstructured.NestedInt64(object.Object, "count")
		patch := fmt.Sprintf(`{"count":%d,"lastTimestamp":%q}`, count+1, now.UTC().Format(time.RFC3339))
		_, err = events.Patch(ctx, name, "application/merge-patch+json", []byte(patch), v1.PatchOptions{})
		return err
	}
	if !errors.IsNotFound(err) {
		return err
	}
	fields, err := toMap(corev1.Event{
		TypeMeta:   v1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: v1.ObjectMeta{Name: name, Namespace: about.Namespace}, InvolvedObject: about,
		Type: cmp.Or(e.Type, corev1.EventTypeWarning), Reason: e.Reason, Message: message, Count: 1,
		FirstTimestamp: now, LastTimestamp: now, Source: corev1.EventSource{Component: from}, ReportingController: from,
	})
	if err != nil {
		return err
	}
	_, err = events.Create(ctx, &unstructured.Unstructured{Object: fields}, v1.CreateOptions{})
	return err
}

// fill puts the names of a pod into a text.
func fill(text string, pod *corev1.Pod, container string) string {
	image := ""
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name == container {
			image = c.Image
		}
	}
	return strings.NewReplacer("$IMAGE", image, "$POD", pod.Name, "$NAMESPACE", pod.Namespace, "$UID", string(pod.UID),
		"$CONTAINER", container, "$NODE", pod.Spec.NodeName).Replace(text)
}
