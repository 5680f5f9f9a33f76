package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/sandbox/components"
	"github.com/rolloutgate/rolloutgate/sandbox/instance"
)

// options are the flags of all commands.
type options struct {
	module   components.Module
	name     string
	named    bool // --name or --dir was given
	dir      string
	nodes    int
	realNode bool
	json     bool

	optimized bool
}

func command(module components.Module) *cobra.Command {
	o := &options{module: module}
	root := &cobra.Command{
		Use:           "sandbox",
		Short:         "A real Kubernetes control plane, simulated nodes and Prometheus on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&o.name, "name", "default", "name of the sandbox; several can run side by side")
	root.PersistentFlags().StringVar(&o.dir, "dir", "", "directory of the sandbox (default: its name below the user's cache directory)")

	up := &cobra.Command{
		Use: "up", Args: cobra.NoArgs,
		Short: "Build what is missing, start the sandbox and print its environment",
		Example: `  eval "$(sandbox up)"
  kubectl get nodes`,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.up(cmd.Context()) },
	}
	run := &cobra.Command{
		Use: "run [flags] -- COMMAND [ARG...]", Args: cobra.MinimumNArgs(1),
		Short:   "Bring a sandbox up, run a command in it, take it down",
		Long:    runHelp,
		Example: `  sandbox run -- kubectl get nodes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.named = cmd.Flags().Changed("name") || cmd.Flags().Changed("dir")
			return o.run(cmd.Context(), args)
		},
	}
	run.Flags().SetInterspersed(false)
	build := &cobra.Command{
		Use: "build", Args: cobra.NoArgs,
		Short: "Build the components only",
		RunE: func(cmd *cobra.Command, _ []string) error {
			built, err := o.build(cmd.Context())
			if err == nil {
				fmt.Println(built.Dir)
			}
			return err
		},
	}
	down := &cobra.Command{
		Use: "down", Args: cobra.NoArgs,
		Short: "End the sandbox and remove its directory",
		RunE:  func(cmd *cobra.Command, _ []string) error { return o.down(cmd.Context()) },
	}
	status := &cobra.Command{
		Use: "status", Args: cobra.NoArgs,
		Short: "Show versions, addresses, processes and uptime; exits with 3 when the sandbox is not up",
		RunE:  func(*cobra.Command, []string) error { return o.status() },
	}
	status.Flags().BoolVar(&o.json, "json", false, "print JSON")
	for _, c := range []*cobra.Command{up, run} {
		c.Flags().IntVar(&o.nodes, "nodes", 5, "number of simulated nodes")
	}
	for _, c := range []*cobra.Command{up, run, build} {
		c.Flags().BoolVar(&o.realNode, "real-node", false, "also run a real kubelet and kube-proxy (root on Linux)")
		c.Flags().BoolVar(&o.optimized, "optimized", false, "compile the components as a release is compiled, for measurements: takes longer to build")
	}
	root.AddCommand(up, run, down, status, build, requestsCommand(), componentCommand())
	return root
}

// cache is where sandboxes and binaries live.
func cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache directory: %w", err)
	}
	return filepath.Join(dir, "rolloutgate"), nil
}

// instance resolves the flags that say which sandbox is meant.
func (o *options) instance() (instance.Instance, error) {
	dir := o.dir
	if dir == "" {
		if o.name == "" || strings.ContainsAny(o.name, `/\.`) {
			return instance.Instance{}, fmt.Errorf("--name %q: a name may not be empty or contain slashes or dots", o.name)
		}
		base, err := cache()
		if err != nil {
			return instance.Instance{}, err
		}
		dir = filepath.Join(base, "sandbox", o.name)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return instance.Instance{}, fmt.Errorf("--dir %q: %w", o.dir, err)
	}
	return instance.Instance{Name: o.name, Dir: dir, Nodes: o.nodes, RealNode: o.realNode, Log: os.Stderr}, nil
}

func (o *options) wanted() []components.Component {
	want := components.Base()
	if o.realNode {
		want = append(want, components.Node()...)
	}
	return want
}

func (o *options) flags() components.Flags {
	if o.optimized {
		return components.Optimized()
	}
	return components.Quick()
}

// build finds the components beside this program, where an unpacked archive has them, or in the cache, or builds them.
func (o *options) build(ctx context.Context) (components.Result, error) {
	if self, err := os.Executable(); err == nil {
		if dir := components.Packed(filepath.Join(filepath.Dir(self), "components"), o.module, o.flags(), o.wanted()); dir != "" {
			return components.Result{Dir: dir}, nil
		}
	}
	base, err := cache()
	if err != nil {
		return components.Result{}, err
	}
	built, err := components.Build(ctx, filepath.Join(base, "components"), o.module, o.flags(), o.wanted(), os.Stderr)
	if err == nil && len(built.Built) > 0 {
		fmt.Fprintf(os.Stderr, "built in %s\n", built.Took.Round(100*time.Millisecond))
	}
	return built, err
}

// start builds and brings up, and reports both durations.
func (o *options) start(ctx context.Context, bound bool) (instance.Instance, instance.State, error) {
	i, err := o.instance()
	if err != nil {
		return i, instance.State{}, err
	}
	built, err := o.build(ctx)
	if err != nil {
		return i, instance.State{}, err
	}
	i.Bin, i.Bound, i.Versions = built.Dir, bound, o.module.Versions(o.wanted())
	begin := time.Now()
	state, err := i.Up(ctx)
	if err != nil {
		return i, state, err
	}
	fmt.Fprintf(os.Stderr, "sandbox %s: built in %.1fs, ready in %.1fs\n", i.Name, built.Took.Seconds(), time.Since(begin).Seconds())
	return i, state, nil
}

func (o *options) up(ctx context.Context) error {
	_, state, err := o.start(ctx, false)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	fmt.Printf("export KUBECONFIG=%q\n", state.Kubeconfig)
	fmt.Printf("export ROLLOUTGATE_PROMETHEUS_URL=%q\n", state.Prometheus)
	fmt.Printf("export SANDBOX_AUDIT_LOG=%q\n", state.AuditLog)
	fmt.Printf("export SANDBOX_AUTHENTICATION=%q\n", state.Authentication)
	fmt.Printf("export SANDBOX=%q\n", self)
	fmt.Printf("export PATH=%q:\"$PATH\"\n", state.Bin)
	return nil
}

func (o *options) down(ctx context.Context) error {
	i, err := o.instance()
	if err != nil {
		return err
	}
	if err := i.Down(ctx); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "sandbox %s: down\n", i.Name)
	return nil
}

func printJSON(value any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
