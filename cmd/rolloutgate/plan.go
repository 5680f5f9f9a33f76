package main

import "github.com/spf13/cobra"

func (p *program) planCommand() *cobra.Command {
	o := p.newOptions()
	c := &cobra.Command{
		Use:   "plan -f FILENAME",
		Short: "Show what run would change, without changing anything",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.complete(c, o); err != nil {
				return err
			}
			if c.ArgsLenAtDash() >= 0 {
				return cannotPlan()
			}
			if err := cobra.NoArgs(c, args); err != nil {
				return usage(err)
			}
			return p.gateManifests(c, o, func(*options) bool { return true })
		},
	}
	o.connection(c.Flags())
	o.manifests(c.Flags())
	o.respecting(c.Flags())
	o.staging(c.Flags())
	o.pruning(c.Flags())
	o.recording(c.Flags())
	o.labelling(c.Flags())
	o.gating(c.Flags())
	return c
}
