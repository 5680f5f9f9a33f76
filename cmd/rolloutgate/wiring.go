package main

import (
	"context"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// wired is a cluster in the form in which a run wants it.
type wired struct{ *cluster.Client }

var _ gate.Cluster = wired{}

// Watch begins to follow targets.
func (w wired) Watch(ctx context.Context, targets []rollout.Target) gate.Watch {
	return w.Client.Watch(ctx, targets)
}
