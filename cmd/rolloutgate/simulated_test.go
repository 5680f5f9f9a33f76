//go:build cluster

package main

import "testing"

// TestCluster runs whole rollouts on a real control plane with simulated nodes.
func TestCluster(t *testing.T) { onCluster(t, "testdata/cluster") }

// TestClusterNodes runs those that change nodes: nothing else goes on beside them.
func TestClusterNodes(t *testing.T) { onCluster(t, "testdata/nodes") }
