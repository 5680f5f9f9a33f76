package main

import (
	"context"
	"encoding/json"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// serving is what runs of a Deployment.
type serving struct {
	Image    string
	Wanted   int32
	Ready    int32
	Pods     int // that are not going away
	Restarts int // of their containers
}

// servingIn asks the cluster for what runs of the service now.
func servingIn(ctx context.Context, c *harness.Cluster, namespace string) (serving, error) {
	var d appsv1.Deployment
	var pods corev1.PodList
	if err := errors.Join(
		get(ctx, c, &d, namespace, "get", "deployment", service, "-o", "json"),
		get(ctx, c, &pods, namespace, "get", "pods", "-l", "app="+service, "-o", "json"),
	); err != nil {
		return serving{}, err
	}
	s := serving{Image: d.Spec.Template.Spec.Containers[0].Image, Wanted: *d.Spec.Replicas, Ready: d.Status.ReadyReplicas}
	for _, p := range pods.Items {
		if p.DeletionTimestamp != nil {
			continue
		}
		s.Pods++
		for _, status := range p.Status.ContainerStatuses {
			s.Restarts += int(status.RestartCount)
		}
	}
	return s, nil
}

func get(ctx context.Context, c *harness.Cluster, into any, namespace string, args ...string) error {
	text, err := c.Kubectl(ctx, namespace, "", args...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}
