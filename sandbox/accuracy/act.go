package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

func (t *trial) act(ctx context.Context, a action) error {
	ns := t.testCase.name
	named := func(text string) string {
		return strings.NewReplacer("$NAMESPACE", ns, "$NOW", time.Now().UTC().Format(time.RFC3339)).Replace(text)
	}
	var err error
	switch {
	case a.Wait > 0:
		return harness.Pause(ctx, time.Duration(a.Wait))
	case len(a.Kubectl) > 0:
		args := slices.Clone(a.Kubectl)
		for i := range args {
			args[i] = named(args[i])
		}
		_, err = t.cluster.Kubectl(ctx, ns, "", args...)
	case a.Apply != "":
		_, err = t.cluster.Kubectl(ctx, ns, named(a.Apply), "apply", "-f", "-")
	case a.Until != nil:
		return t.waitFor(ctx, *a.Until)
	case a.Signal != "":
		return t.send(a.Signal)
	default:
		return t.report(ctx, *a.Event)
	}
	if a.MayFail {
		return nil
	}
	return err
}

// report posts an event of an action as often as it says. Pods come and go: each time it is about those that exist.
func (t *trial) report(ctx context.Context, e event) error {
	every := max(time.Duration(e.Every), 0)
	if every == 0 {
		every = 10 * time.Second
	}
	for i := range max(e.Times, 1) {
		if i > 0 && harness.Pause(ctx, every) != nil {
			return nil
		}
		about, err := t.subjects(ctx, e.On)
		if err != nil {
			return err
		}
		for _, subject := range about {
			if err := t.cluster.post(ctx, e, subject); err != nil {
				return err
			}
		}
	}
	return nil
}

// subjects are the objects that an event of an action is about, by now.
func (t *trial) subjects(ctx context.Context, on string) ([]corev1.ObjectReference, error) {
	switch on {
	case "", "pod":
		return t.newPods(), nil
	case "workload":
		return t.subject(ctx, t.testCase.Workload)
	case "replicaset":
		all, err := t.cluster.Dynamic.Resource(client.Resources["replicaset"]).Namespace(t.testCase.name).List(ctx, v1.ListOptions{})
		if err != nil || len(all.Items) == 0 {
			return nil, err
		}
		newest := slices.MaxFunc(all.Items, func(a, b unstructured.Unstructured) int {
			return a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time)
		})
		return []corev1.ObjectReference{referTo(&newest)}, nil
	}
	return t.subject(ctx, on)
}

func (t *trial) subject(ctx context.Context, kindAndName string) ([]corev1.ObjectReference, error) {
	resource, name, ok := resourceOf(kindAndName)
	if !ok {
		return nil, fmt.Errorf("an event cannot be about %q", kindAndName)
	}
	object, err := t.cluster.Dynamic.Resource(resource).Namespace(t.testCase.name).Get(ctx, name, v1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return []corev1.ObjectReference{referTo(object)}, nil
}

func referTo(object *unstructured.Unstructured) corev1.ObjectReference {
	return corev1.ObjectReference{APIVersion: object.GetAPIVersion(), Kind: object.GetKind(),
		Namespace: object.GetNamespace(), Name: object.GetName(), UID: object.GetUID()}
}
