package main

import "github.com/spf13/cobra"

func (p *program) planCommand() *cobra.Command {
	o := p.newOptions()
	c := &cobra.Command{
		Use:   "plan -f FILENAME",
		Short: "Show what run would change, without changing anything",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.gateManifests(c, o, func(*options) bool { return true })
		},
	}
	o.connection(c.Flags())
	o.manifests(c.Flags())
	o.staging(c.Flags())
	o.pruning(c.Flags())
	o.recording(c.Flags())
	o.labelling(c.Flags())
	o.gating(c.Flags())
	return c
}
