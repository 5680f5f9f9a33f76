package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
)

func (p *program) diagnoseCommand() *cobra.Command {
	o := p.newOptions()
	var all, everywhere bool
	c := &cobra.Command{
		Use:   "diagnose KIND/NAME… | --all",
		Short: "Say what is wrong with workloads now, read-only",
		Example: `  rolloutgate diagnose deployment/web
  rolloutgate diagnose --all -n shop --exit-code`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case !all && !everywhere:
				return p.onTargets(c, o, args, gate.Gate.Diagnose)
			case len(args) > 0:
				return &usageError{"both --all and names are given", "leave one of them out"}
			}
			return p.onAll(c, o, everywhere)
		},
	}
	o.connection(c.Flags())
	c.Flags().BoolVar(&all, "all", false, "every workload of the namespace")
	c.Flags().BoolVarP(&everywhere, "all-namespaces", "A", false, "every workload of every namespace")
	c.Flags().BoolVar(&o.exitOnFindings, "exit-code", false, "exit with 10 when a workload is broken; without it, every answer is 0")
	return c
}

// onAll diagnoses all workloads.
func (p *program) onAll(c *cobra.Command, o *options, everywhere bool) error {
	if err := p.complete(c, o); err != nil {
		return err
	}
	return p.withGate(c.Context(), o, func(g gate.Gate, client *cluster.Client) (gate.Report, error) {
		ctx, cancel := context.WithTimeout(c.Context(), findTime)
		defer cancel()
		targets, notes, err := client.FindAll(ctx, everywhere)
		if err != nil {
			return gate.Report{}, err
		}
		report, err := g.Diagnose(c.Context(), targets)
		report.Notes = append(notes, report.Notes...)
		return report, err
	})
}
