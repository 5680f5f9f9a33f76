//go:build realnode

package main

import "testing"

// TestRealNode runs whole rollouts on a real kubelet.
func TestRealNode(t *testing.T) { onCluster(t, "testdata/realnode") }
