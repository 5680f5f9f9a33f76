package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
)

// complete fills in the options of a command that has reports. From then on what keeps the run from beginning is in a report,
// too: where nothing is written, a CI system shows the results of an earlier run, or fails for want of any.
func (p *program) complete(c *cobra.Command, o *options) error {
	p.unbegun = func(err error) {
		command := c.Name()
		if o.dryRun == "server" {
			command = "plan" // it would have released nothing
		}
		p.reportUnbegun(c.Context(), command, o, err)
	}
	if err := o.complete(c, p.getenv); err != nil {
		return err
	}
	for _, warning := range misspelt(c.Root(), p.environ) {
		fmt.Fprintf(p.stderr, "warning: %s\n", warning)
	}
	return nil
}

// reportUnbegun writes the report of a run that an error has kept from beginning, and tells all who are told of a run. Options
// that are wrong themselves are left alone: the error is about one of them.
func (p *program) reportUnbegun(ctx context.Context, command string, o *options, why error) {
	out, err := p.newOutput(o)
	if err != nil {
		return
	}
	defer out.console.close()
	g := gate.Gate{Version: version(), Context: o.contextName(), Namespace: o.namespace(), Pipeline: o.pipeline(p.getenv)}
	r := g.Unbegun(command, outcomeOf(why), why)
	_, err = out.logs(r) // those of an earlier run explain nothing now
	out.warn(err)
	out.printUnbegun(r)
	told, _ := p.sinks(o) // what could not be opened may be what has kept the run from beginning
	out.warn(told.finish(ctx, r))
}
