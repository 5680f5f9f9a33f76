package cluster

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// Foreign lists what others have changed of an object since this run wrote it.
func (c *Client) Foreign(ctx context.Context, w patch.Write) ([]patch.Kept, error) {
	live, err := c.at(w.Resource, w.Ref.Namespace).Get(ctx, w.Ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading who has changed %s: %w", w.Ref, err)
	}
	return patch.Foreign(w, live, nil), nil
}
