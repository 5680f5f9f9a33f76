package cluster

import (
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/prune"
)

// readersPage is how many objects are read at a time.
const readersPage = 500

// Readers lists what runs pods in a namespace with the templates of these: the workloads that nobody owns, and, when they are
// asked for, the pods that have not ended.
func (c *Client) Readers(ctx context.Context, namespace string, pods bool) ([]prune.Reader, error) {
	lists := []func(context.Context, string, metav1.ListOptions) ([]prune.Reader, string, error){
		c.readingDeployments, c.readingStatefulSets, c.readingDaemonSets, c.readingReplicaSets, c.readingControllers, c.readingJobs, c.readingCronJobs,
	}
	if pods {
		lists = append(lists, c.readingPods)
	}
	var all []prune.Reader
	for _, list := range lists {
		for next := ""; ; {
			page, more, err := list(ctx, namespace, metav1.ListOptions{Limit: readersPage, Continue: next})
			if err != nil {
				return nil, fmt.Errorf("listing what reads it: %w", err)
			}
			all = append(all, page...)
			if next = more; next == "" {
				break
			}
		}
	}
	return all, nil
}

// reading is a reader with the template of an object, unless another one owns it.
func reading(group, kind string, o metav1.Object, spec corev1.PodSpec) []prune.Reader {
	if metav1.GetControllerOf(o) != nil || o.GetDeletionTimestamp() != nil {
		return nil
	}
	return []prune.Reader{{Object: manifest.Ref{Group: group, Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}, Spec: spec}}
}

func (c *Client) readingDeployments(ctx context.Context, namespace string, o metav1.ListOptions) (all []prune.Reader, more string, err error) {
	list, err := c.typed.AppsV1().Deployments(namespace).List(ctx, o)
	if err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		all = append(all, reading("apps", "Deployment", &list.Items[i], list.Items[i].Spec.Template.Spec)...)
	}
	return all, list.Continue, nil
}

func (c *Client) readingStatefulSets(ctx context.Context, namespace string, o metav1.ListOptions) (all []prune.Reader, more string, err error) {
	list, err := c.typed.AppsV1().StatefulSets(namespace).List(ctx, o)
	if err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		set := &list.Items[i]
		for _, r := range reading("apps", "StatefulSet", set, set.Spec.Template.Spec) {
			for _, claim := range set.Spec.VolumeClaimTemplates {
				r.Claims = append(r.Claims, claim.Name)
			}
			all = append(all, r)
		}
	}
	return all, list.Continue, nil
}

func (c *Client) readingDaemonSets(ctx context.Context, namespace string, o metav1.ListOptions) (all []prune.Reader, more string, err error) {
	list, err := c.typed.AppsV1().DaemonSets(namespace).List(ctx, o)
	if err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		all = append(all, reading("apps", "DaemonSet", &list.Items[i], list.Items[i].Spec.Template.Spec)...)
	}
	return all, list.Continue, nil
}

func (c *Client) readingReplicaSets(ctx context.Context, namespace string, o metav1.ListOptions) (all []prune.Reader, more string, err error) {
	list, err := c.typed.AppsV1().ReplicaSets(namespace).List(ctx, o)
	if err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		all = append(all, reading("apps", "ReplicaSet", &list.Items[i], list.Items[i].Spec.Template.Spec)...)
	}
	return all, list.Continue, nil
}

func (c *Client) readingControllers(ctx context.Context, namespace string, o metav1.ListOptions) (all []prune.Reader, more string, err error) {
	list, err := c.typed.CoreV1().ReplicationControllers(namespace).List(ctx, o)
	if err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		if template := list.Items[i].Spec.Template; template != nil {
			all = append(all, reading("", "ReplicationController", &list.Items[i], template.Spec)...)
		}
	}
	return all, list.Continue, nil
}

func (c *Client) readingJobs(ctx context.Context, namespace string, o metav1.ListOptions) (all []prune.Reader, more string, err error) {
	list, err := c.typed.BatchV1().Jobs(namespace).List(ctx, o)
	if err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		if job := &list.Items[i]; job.Status.CompletionTime == nil && !failed(job.Status.Conditions) {
			all = append(all, reading("batch", "Job", job, job.Spec.Template.Spec)...)
		}
	}
	return all, list.Continue, nil
}

func (c *Client) readingCronJobs(ctx context.Context, namespace string, o metav1.ListOptions) (all []prune.Reader, more string, err error) {
	list, err := c.typed.BatchV1().CronJobs(namespace).List(ctx, o)
	if err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		all = append(all, reading("batch", "CronJob", &list.Items[i], list.Items[i].Spec.JobTemplate.Spec.Template.Spec)...)
	}
	return all, list.Continue, nil
}

// readingPods are those that have not ended, whoever owns them: one of an older revision still reads what it did.
func (c *Client) readingPods(ctx context.Context, namespace string, o metav1.ListOptions) (all []prune.Reader, more string, err error) {
	list, err := c.typed.CoreV1().Pods(namespace).List(ctx, o)
	if err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		p := &list.Items[i]
		if p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			all = append(all, prune.Reader{Object: manifest.Ref{Kind: "Pod", Namespace: p.Namespace, Name: p.Name}, Spec: p.Spec})
		}
	}
	return all, list.Continue, nil
}

func failed(conditions []batchv1.JobCondition) bool {
	return slices.ContainsFunc(conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue
	})
}
