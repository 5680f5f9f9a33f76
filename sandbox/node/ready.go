package node

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// waitReady asks the API server, as the kubelet, until the node is Ready.
func (n *Node) waitReady(ctx context.Context, started time.Time) error {
	config, err := clientcmd.BuildConfigFromFlags("", n.cfg.Kubeconfig)
	if err != nil {
		return err
	}
	config.Timeout = 5 * time.Second
	api, err := client.NewForConfig(config)
	if err != nil {
		return err
	}
	for {
		state := ""
		if node, err := api.Nodes().Get(ctx, n.Name, metav1.GetOptions{}); err != nil {
			state = err.Error()
		} else if state = unready(node, started); state == "" {
			return nil
		}
		if err := n.inside.pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for the node to be Ready (%s): %w", state, err)
		}
	}
}

// unready is "" for a node that is Ready, and otherwise the reason why not. A condition from before started does not
// count: the Node object may be one that an earlier node left.
func unready(node *v1.Node, started time.Time) string {
	for _, c := range node.Status.Conditions {
		switch {
		case c.Type != v1.NodeReady:
		case c.LastHeartbeatTime.Time.Before(started.Truncate(time.Second)):
			return "the kubelet has not reported yet"
		case c.Status != v1.ConditionTrue:
			return c.Message
		default:
			return ""
		}
	}
	return "the kubelet has not reported yet"
}
