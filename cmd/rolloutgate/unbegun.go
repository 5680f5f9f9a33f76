package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
)

// complete fills in the options of a command that has reports. From then on what keeps the run from beginning is in a report,
// too: where nothing is written, a CI system shows the results of an earlier run, or fails for want of any.
func (p *program) complete(c *cobra.Command, o *options) error {
	p.unbegun = func(err error) { p.reportUnbegun(c.Context(), c.Name(), o, err) }
	return o.complete(c, p.getenv)
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
	out.printUnbegun(r)
	if told, err := p.sinks(o); err == nil {
		out.warn(told.finish(ctx, r))
	}
}
