package cluster

import (
	"context"
	"fmt"
	"slices"

	authv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// cannotUndo lists the verbs that an undo of the writes would need and that the account lacks. The dry-run has proven
// that it may apply; whether it may also put back what it applied would else come out when it is too late. An API
// server that does not answer the question is given the benefit of the doubt.
func (c *Client) cannotUndo(ctx context.Context, writes []patch.Write) []string {
	type question struct{ verb, group, resource, namespace string }
	var questions []question
	for _, w := range writes {
		verb := map[patch.Action]string{patch.Created: "delete", patch.Configured: "update"}[w.Action]
		q := question{verb, w.Resource.Group, w.Resource.Resource, w.Ref.Namespace}
		if verb != "" && !w.Deferred && !slices.Contains(questions, q) {
			questions = append(questions, q)
		}
	}
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
