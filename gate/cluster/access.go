package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// cannotUndo lists the verbs that an undo of the writes would need and that the account lacks. The dry-run has proven
// that it may apply; whether it may also put back what it applied would else come out when it is too late.
func (c *Client) cannotUndo(ctx context.Context, writes []patch.Write) []string {
	var questions []question
	for _, w := range writes {
		verb := map[patch.Action]string{patch.Created: "delete", patch.Configured: "update", patch.Pruned: "create"}[w.Action]
		q := question{verb, w.Resource.Group, w.Resource.Resource, w.Ref.Namespace}
		if verb != "" && !w.Deferred && !slices.Contains(questions, q) {
			questions = append(questions, q)
		}
	}
	return c.lacks(ctx, questions)
}

// mayReplace refuses a step from which this run could not go on, because it has to delete pods then and may not.
func (c *Client) mayReplace(ctx context.Context, w *patch.Write) error {
	set, ok := rollout.Typed(w.After).(*appsv1.DaemonSet)
	if !ok || set.Spec.UpdateStrategy.Type != appsv1.OnDeleteDaemonSetStrategyType {
		return nil
	}
	lacks := c.lacks(ctx, []question{
		{"delete", "", "pods", w.Ref.Namespace}, {"list", "", "pods", w.Ref.Namespace}, {"list", "apps", "controllerrevisions", w.Ref.Namespace},
	})
	if len(lacks) == 0 {
		return nil
	}
	return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", fmt.Errorf(
		"this account cannot %s, and some nodes of a DaemonSet get the new version first by the deletion of their old pods", strings.Join(lacks, ", ")))
}

// question is whether the account may do something.
type question struct{ verb, group, resource, namespace string }

// lacks are those that the API server says no to, in words. One that does not answer is given the benefit of the doubt.
func (c *Client) lacks(ctx context.Context, questions []question) []string {
	denied := make([]string, len(questions))
	inParallel(len(questions), func(n int) {
		q := questions[n]
		review, err := c.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authv1.SelfSubjectAccessReview{
			Spec: authv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authv1.ResourceAttributes{
				Verb: q.verb, Group: q.group, Resource: q.resource, Namespace: q.namespace,
			}},
		}, metav1.CreateOptions{})
		if err == nil && !review.Status.Allowed {
			denied[n] = fmt.Sprintf("%s %s", q.verb, q.resource)
		}
	})
	return slices.DeleteFunc(denied, func(s string) bool { return s == "" })
}
