package main

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
)

// severalContexts gives a kubeconfig as many contexts as there are to be clusters: each has a cluster of its own with the
// same server, and a namespace.
func severalContexts(text string, n int, namespace func(int) string) ([]byte, error) {
	c, err := clientcmd.Load([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	base := c.Contexts[c.CurrentContext]
	if base == nil {
		return nil, fmt.Errorf("reading the kubeconfig: it has no current context")
	}
	for i := range n {
		cluster, context := *c.Clusters[base.Cluster], *base
		c.Clusters[contextName(i)] = &cluster
		context.Cluster, context.Namespace = contextName(i), namespace(i)
		c.Contexts[contextName(i)] = &context
	}
	return clientcmd.Write(*c)
}
