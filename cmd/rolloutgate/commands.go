package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
)

// buildVersion is set by the linker; without it the module's own version is used.
var buildVersion string

func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

func (p *program) runCommand() *cobra.Command {
	o := newOptions()
	c := &cobra.Command{
		Use:   "run -f FILENAME",
		Short: "Apply manifests, gate the rollout, undo it when it is bad",
		Example: `  rolloutgate run -f deploy/
  rolloutgate run -f deploy/ --prometheus-url http://prometheus:9090 \
    --check 'sum(rate(http_requests_total{code=~"5.."}[1m])) / sum(rate(http_requests_total[1m])) <= 0.01'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.gateManifests(c, o, func(o *options) bool { return o.dryRun == "server" })
		},
	}
	o.connection(c.Flags())
	o.manifests(c.Flags())
	o.gating(c.Flags())
	o.undoing(c.Flags())
	return c
}

func (p *program) planCommand() *cobra.Command {
	o := newOptions()
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
	o.gating(c.Flags())
	return c
}

// gateManifests is run, and plan when onlyPlan says so.
func (p *program) gateManifests(c *cobra.Command, o *options, onlyPlan func(*options) bool) error {
	if err := o.settled(c, p.getenv); err != nil {
		return err
	}
	objects, err := o.objects(p)
	if err != nil {
		return err
	}
	return p.withGate(o, func(g gate.Gate) (gate.Report, error) {
		if onlyPlan(o) {
			return g.Plan(c.Context(), objects)
		}
		return g.Run(c.Context(), objects)
	})
}

func (p *program) watchCommand() *cobra.Command {
	o := newOptions()
	c := &cobra.Command{
		Use:     "watch KIND/NAME…",
		Short:   "Gate a rollout that is already going on, without changing anything",
		Example: "  rolloutgate watch deployment/web statefulset/db --timeout 5m",
		RunE: func(c *cobra.Command, args []string) error {
			return p.onTargets(c, o, args, gate.Gate.Watch)
		},
	}
	o.connection(c.Flags())
	o.gating(c.Flags())
	return c
}

func (p *program) diagnoseCommand() *cobra.Command {
	o := newOptions()
	var all, everywhere bool
	c := &cobra.Command{
		Use:   "diagnose KIND/NAME… | --all",
		Short: "Say what is wrong with workloads now, read-only",
		Example: `  rolloutgate diagnose deployment/web
  rolloutgate diagnose --all -n shop`,
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
	return c
}

// onAll diagnoses all workloads.
func (p *program) onAll(c *cobra.Command, o *options, everywhere bool) error {
	if err := o.settled(c, p.getenv); err != nil {
		return err
	}
	return p.withGate(o, func(g gate.Gate) (gate.Report, error) {
		ctx, cancel := context.WithTimeout(c.Context(), findTime)
		defer cancel()
		targets, notes, err := g.Cluster.FindAll(ctx, everywhere)
		if err != nil {
			return gate.Report{}, err
		}
		report, err := g.Diagnose(c.Context(), targets)
		report.Notes = append(notes, report.Notes...)
		return report, err
	})
}

// onTargets runs a command that names workloads instead of manifests.
func (p *program) onTargets(c *cobra.Command, o *options, args []string, run targetRun) error {
	if err := o.settled(c, p.getenv); err != nil {
		return err
	}
	return p.withGate(o, func(g gate.Gate) (gate.Report, error) {
		targets, err := o.targets(c.Context(), g.Cluster, args)
		if err != nil {
			return gate.Report{}, err
		}
		return run(g, c.Context(), targets)
	})
}

func (p *program) versionCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if output == "json" {
				return json.NewEncoder(p.stdout).Encode(map[string]string{
					"version": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "reportSchema": gate.SchemaVersion,
				})
			}
			_, err := fmt.Fprintf(p.stdout, "rolloutgate %s (%s %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}
