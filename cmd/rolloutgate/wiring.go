package main

import (
	"context"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// wired is a cluster in the form in which a run wants it.
type wired struct{ *cluster.Client }

var _ gate.Cluster = wired{}

// Watch begins to follow targets.
func (w wired) Watch(ctx context.Context, targets []rollout.Target) gate.Watch {
	return watching{w.Client.Watch(ctx, targets)}
}

type watching struct{ *cluster.Watch }

// Read reads everything that is worth reading about a target.
func (w watching) Read(ctx context.Context, i int, s rollout.Status) diagnosis.Evidence {
	return w.Freeze(ctx, i, s)
}
