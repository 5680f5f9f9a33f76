package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func (p *program) watchCommand() *cobra.Command {
	o := p.newOptions()
	c := &cobra.Command{
		Use:   "watch KIND/NAME…",
		Short: "Gate a rollout that is already going on, without changing anything",
		Long: `Judges a rollout that somebody else has begun, or is to begin: Argo CD, Flux, another pipeline. It changes nothing.

A rollout that has not begun yet looks like one that is complete. --for-image waits for the version that is to be judged: a
pod template that has the image. Only from then on anything is judged.`,
		Example: `  rolloutgate watch deployment/web statefulset/db --timeout 5m
  rolloutgate watch deployment/web --for-image registry.example/shop/web:v2 --timeout 15m
  rolloutgate watch deployment/web --undo-command 'argocd app rollback web'`,
		RunE: func(c *cobra.Command, args []string) error {
			return p.onTargets(c, o, args, gate.Gate.Watch)
		},
	}
	o.connection(c.Flags())
	o.gating(c.Flags())
	o.awaiting(c.Flags())
	o.undoingBy(c.Flags())
	c.Flags().DurationVar(&o.undoTimeout, "undo-timeout", gate.DefaultUndoTimeout, "time for the undo, on top of --timeout")
	o.pushing(c.Flags())
	return c
}

// targetRun is a method of Gate that works on named workloads.
type targetRun func(gate.Gate, context.Context, []rollout.Target) (gate.Report, error)

// onTargets runs a command that names workloads instead of manifests.
func (p *program) onTargets(c *cobra.Command, o *options, args []string, run targetRun) error {
	if err := p.complete(c, o); err != nil {
		return err
	}
	return p.withGate(c.Context(), o, func(g gate.Gate, client *cluster.Client) (gate.Report, error) {
		targets, err := o.targets(c.Context(), client, args)
		if err != nil {
			return gate.Report{}, err
		}
		return run(g, c.Context(), targets)
	})
}
