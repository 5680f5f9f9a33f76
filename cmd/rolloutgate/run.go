package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
)

func (p *program) runCommand() *cobra.Command {
	o := p.newOptions()
	c := &cobra.Command{
		Use:   "run -f FILENAME | run --workload KIND/NAME -- COMMAND",
		Short: "Apply manifests, gate the rollout, undo it when it is bad",
		Example: `  rolloutgate run -f deploy/
  rolloutgate run -f deploy/ --prometheus-url http://prometheus:9090 \
    --check 'sum(rate(http_requests_total{code=~"5.."}[1m])) / sum(rate(http_requests_total[1m])) <= 0.01'
  rolloutgate run --workload deployment/web --undo-command 'helm rollback web' -- helm upgrade --install web ./chart`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return p.manifestsOrCommand(c, o, args)
		},
	}
	o.connection(c.Flags())
	o.manifests(c.Flags())
	o.wrapping(c.Flags())
	o.respecting(c.Flags())
	o.staging(c.Flags())
	o.pruning(c.Flags())
	o.releasing(c.Flags())
	o.trying(c.Flags())
	o.labelling(c.Flags())
	o.telling(c.Flags())
	return c
}

// manifestsOrCommand is run: a command makes the release where one is given.
func (p *program) manifestsOrCommand(c *cobra.Command, o *options, args []string) error {
	if err := p.complete(c, o); err != nil {
		return err
	}
	argv, err := o.argv(c, args)
	if err != nil {
		return err
	}
	if len(argv) > 0 && len(o.sites) > 0 {
		return &usageError{"a command works in one cluster, and " + o.contextName() + " are several", "one run for each: --context NAME, and a --config without clusters"}
	}
	if len(argv) > 0 {
		return p.wrapCommand(c.Context(), o, argv)
	}
	if err := o.withoutCommand(); err != nil {
		return err
	}
	return p.gateManifests(c, o, func(o *options) bool { return o.dryRun == "server" })
}

// gateManifests is run, and plan when onlyPlan says so.
func (p *program) gateManifests(c *cobra.Command, o *options, onlyPlan func(*options) bool) error {
	read, err := o.objects(p)
	if err != nil {
		return err
	}
	pruned, err := o.pruned(read.Files)
	if err != nil {
		return err
	}
	p.writes = !onlyPlan(o)
	if len(o.sites) > 0 {
		return p.fleetManifests(c.Context(), o, read, onlyPlan(o))
	}
	return p.withGate(c.Context(), o, func(g gate.Gate, _ *cluster.Client) (gate.Report, error) {
		g.Prune = pruned
		carryOut := gate.Gate.Plan
		if !onlyPlan(o) {
			carryOut = gate.Gate.Run
			p.announce(&g, o.reportDir)
		}
		report, err := carryOut(g, c.Context(), read.Objects)
		report.Notes = append(read.Notes(), report.Notes...)
		return report, err
	})
}

// withGate builds the gate, shows its progress while it runs, prints the report in every form that is asked for, and
// takes the exit code from it.
func (p *program) withGate(ctx context.Context, o *options, run func(gate.Gate, *cluster.Client) (gate.Report, error)) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	g, err := o.gate(client, p.getenv)
	if err != nil {
		return err
	}
	if err := o.knowsACluster(); err != nil {
		return err
	}
	out, err := p.newOutput(o)
	if err != nil {
		return err
	}
	defer out.console.close() // also when what follows panics
	told, err := p.sinks(o)
	if err != nil {
		return err
	}
	g.Signals = p.later
	g.Progress = func(e gate.Event) {
		out.warn(guarded("showing an event", func() error { out.event(e); return nil }))
		told.event(e)
	}
	if out.log.mask != nil {
		g.Secrets = func(values []string) { out.warn(out.log.mask(values)) }
	}
	r, err := run(g, client)
	out.console.close()
	if r.SchemaVersion == "" {
		return err // it did not come to a run
	}
	p.code, p.unbegun = r.Exit.Code, nil
	if err != nil && len(r.Findings) == 0 {
		r.Exit.Because(err)
		fmt.Fprintf(p.stderr, "error: %s\n", printable(err)) // a finding would have said it better
		inOrder(ctx, p.stderr)
	}
	r.Logs, err = out.logs(r)
	out.warn(err)
	out.print(r)
	out.warn(told.finish(ctx, r))
	return nil
}
