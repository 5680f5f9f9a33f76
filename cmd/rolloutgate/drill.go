package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/drill"
)

func (p *program) drillCommand() *cobra.Command {
	o := p.newOptions()
	var faults []string
	var errorsWith string
	c := &cobra.Command{
		Use:   "drill KIND/NAME",
		Short: "Rehearse bad releases on a harmless copy of a workload: are they noticed, and does the undo work?",
		Long: `Make a copy of a Deployment or StatefulSet that no Service selects, run broken variants of it as run would run a release,
with the same flags, criteria and rights, and tell for each fault whether it was noticed, how fast, with which cause, and
whether the undo was verified. The copy is removed whatever happens. It is one pod that does what the original's pods do when
they start: one that takes messages from a queue takes some.`,
		Example: `  rolloutgate drill deployment/web --timeout 2m
  rolloutgate drill deployment/web --fault image,errors --errors-with FAULT=errors --config rolloutgate.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.drill(c, o, args, faults, errorsWith) },
	}
	o.connection(c.Flags())
	o.gating(c.Flags())
	o.locking(c.Flags())
	o.undoing(c.Flags())
	c.Flags().StringSliceVar(&faults, "fault", []string{"image", "crash", "probe", "slow"}, "faults to try: "+strings.Join(drill.Names(), ", "))
	c.Flags().StringVar(&errorsWith, "errors-with", "", "variable that makes the program answer with errors, as NAME=VALUE, for the fault errors")
	return c
}

func (p *program) drill(c *cobra.Command, o *options, args, names []string, errorsWith string) error {
	if err := p.complete(c, o); err != nil {
		return err
	}
	faults, err := drill.Find(names)
	if err != nil {
		return &usageError{"reading --fault: " + err.Error(), ""}
	}
	if name, _, ok := strings.Cut(errorsWith, "="); errorsWith != "" && (!ok || name == "") {
		return &usageError{fmt.Sprintf("reading --errors-with: %q is not NAME=VALUE", errorsWith), "for example FAULT=errors"}
	}
	p.writes = true
	return p.withGate(c.Context(), o, func(g gate.Gate, client *cluster.Client) (gate.Report, error) {
		targets, err := o.targets(c.Context(), client, args)
		if err != nil {
			return gate.Report{}, err
		}
		finding, cancel := context.WithTimeout(c.Context(), findTime)
		defer cancel()
		live, err := client.Live(finding, targets[0])
		if err != nil {
			return gate.Report{}, err
		}
		return g.Drill(c.Context(), gate.Drill{
			Workshop: client, Live: live, Faults: faults, Options: drill.Options{Timeout: o.timeout, ErrorsWith: errorsWith},
			Ends: client.Now().Add(g.Longest(len(faults))),
		})
	})
}
