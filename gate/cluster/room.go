package cluster

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

// Room reads what a namespace and the nodes have for more pods. What the account may not read is left out: the scheduler
// and the API server say it later.
func (c *Client) Room(ctx context.Context, namespace string, withClaims bool) (room diagnosis.Room, err error) {
	core := c.typed.CoreV1()
	quotas, err := core.ResourceQuotas(namespace).List(ctx, metav1.ListOptions{})
	if err == nil {
		for i := range quotas.Items {
			room.Quotas = append(room.Quotas, &quotas.Items[i])
		}
	} else if !IsDenied(err) {
		return room, err
	}
	if withClaims {
		claims, err := core.PersistentVolumeClaims(namespace).List(ctx, metav1.ListOptions{})
		if err == nil {
			for i := range claims.Items {
				room.Claims = append(room.Claims, &claims.Items[i])
			}
		} else if !IsDenied(err) {
			return room, err
		}
	}
	nodes, err := core.Nodes().List(ctx, metav1.ListOptions{Limit: maxNodes})
	if err == nil && nodes.Continue == "" { // of a part of them nothing follows
		for i := range nodes.Items {
			room.Nodes = append(room.Nodes, &nodes.Items[i])
		}
	} else if err != nil && !IsDenied(err) {
		return room, err
	}
	return room, nil
}
