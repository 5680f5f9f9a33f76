package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func (p *program) analyzeCommand() *cobra.Command {
	o := p.newOptions()
	var backtest time.Duration
	c := &cobra.Command{
		Use:   "analyze [KIND/NAME…]",
		Short: "Ask the success criteria alone, about what runs now or in the past",
		Example: `  rolloutgate analyze deployment/web --config rolloutgate.yaml
  rolloutgate analyze deployment/web --backtest 24h`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.complete(c, o); err != nil {
				return err
			}
			if len(o.spec.Criteria) == 0 && len(o.checks) == 0 {
				return &usageError{"there are no criteria to ask", "write them into " + defaultConfig + ", or give --check"}
			}
			if backtest < 0 {
				return &usageError{fmt.Sprintf("reading --backtest: %s is negative", backtest), ""}
			}
			return p.withGate(c.Context(), o, func(g gate.Gate, client *cluster.Client) (gate.Report, error) {
				var targets []rollout.Target
				if len(args) > 0 {
					var err error
					if targets, err = o.targets(c.Context(), client, args); err != nil {
						return gate.Report{}, err
					}
				}
				return g.Analyze(c.Context(), targets, backtest)
			})
		},
	}
	o.connection(c.Flags())
	o.judging(c.Flags())
	c.Flags().DurationVar(&backtest, "backtest", 0, "replay the criteria over the windows of this much of the past, for example 24h")
	return c
}
