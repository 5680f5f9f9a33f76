// Package client is a sandbox with a Kubernetes client, for the harnesses that read and write many objects.
//
// It takes what package harness takes and adds the client. It is a package of its own because the client is large, and
// bench measures next to its own memory.
package client

import (
	"context"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// Cluster is a sandbox that is up.
type Cluster struct {
	*harness.Cluster
	Dynamic dynamic.Interface
}

// BringUp starts a sandbox; whoever calls it takes it down, also after an error.
func BringUp(ctx context.Context, binary, name, home string, flags ...string) (Cluster, error) {
	up, err := harness.BringUp(ctx, binary, name, home, flags...)
	c := Cluster{Cluster: up}
	if err != nil {
		return c, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", up.State.Kubeconfig)
	if err != nil {
		return c, err
	}
	config.QPS = -1 // the harness must not be what is slow
	c.Dynamic, err = dynamic.NewForConfig(config)
	return c, err
}
