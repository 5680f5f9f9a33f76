package instance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/node"
	"github.com/rolloutgate/rolloutgate/sandbox/process"
	"github.com/rolloutgate/rolloutgate/sandbox/simulation"
)

// condition is something to wait for.
type condition struct {
	what  string
	ready func() error
}

// start is the order of things: storage and API first, then everything that
// talks to it at once, then the wait for all of them.
func (b *boot) start(ctx context.Context) error {
	api := b.control.Server()
	if err := b.run(b.control.Etcd(), b.control.APIServer()); err != nil {
		return err
	}
	if err := b.wait(ctx, "the API server", func() error { return b.client.get(ctx, api+"/readyz", nil) }); err != nil {
		return err
	}
	traffic, err := b.traffic()
	if err != nil {
		return err
	}
	if err := b.run(b.control.ControllerManager(), b.control.Scheduler(), b.monitoring.Prometheus(), traffic); err != nil {
		return err
	}
	if b.instance.RealNode { // first, because it takes longest
		if err := b.startRealNode(); err != nil {
			return err
		}
	}
	if err := b.createObjects(ctx, api); err != nil {
		return err
	}
	if err := b.run(b.simulation.Kwok()); err != nil {
		return err
	}
	conditions := []condition{
		{"the scheduler", b.healthy(ctx, b.control.Scheduler().Address+"/readyz")},
		{"the controller manager", b.healthy(ctx, b.control.ControllerManager().Address+"/healthz")},
		{"the default service account", b.healthy(ctx, api+"/api/v1/namespaces/default/serviceaccounts/default")},
		{fmt.Sprintf("%d nodes", b.nodes()), func() error { return b.nodesReady(ctx, api) }},
		{"the simulated traffic", b.healthy(ctx, traffic.Address+"/ready")},
		{"Prometheus", b.healthy(ctx, b.monitoring.URL()+"/-/ready")},
	}
	if b.instance.RealNode {
		conditions = append(conditions, condition{"the addresses of Services", func() error { return node.ServicesAnswer(ctx, b.state.Services) }})
	}
	for _, w := range conditions {
		if err := b.wait(ctx, w.what, w.ready); err != nil {
			return err
		}
	}
	return nil
}

func (b *boot) run(specs ...process.Spec) error {
	for _, s := range specs {
		started, err := b.instance.processes().Start(s)
		if err != nil {
			return err
		}
		b.started = append(b.started, started)
	}
	return nil
}

// createObjects creates the nodes, and the definition of the log objects, which
// kwok must find when it starts.
func (b *boot) createObjects(ctx context.Context, api string) error {
	const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	if err := b.client.create(ctx, api+definitions, simulation.LogsDefinition()); err != nil {
		return fmt.Errorf("creating the definition of Logs: %w", err)
	}
	for _, object := range b.simulation.NodeObjects() {
		if err := b.client.create(ctx, api+"/api/v1/nodes", object); err != nil {
			return fmt.Errorf("creating simulated nodes: %w", err)
		}
	}
	return b.wait(ctx, "the Logs resource", b.healthy(ctx, api+"/apis/kwok.x-k8s.io/v1alpha1/logs"))
}

func (b *boot) healthy(ctx context.Context, url string) func() error {
	return func() error { return b.client.get(ctx, url, nil) }
}

// nodes is how many there will be.
func (b *boot) nodes() int {
	if b.instance.RealNode {
		return b.instance.Nodes + 1
	}
	return b.instance.Nodes
}

func (b *boot) nodesReady(ctx context.Context, api string) error {
	var nodes struct {
		Items []struct {
			Spec   struct{ Taints []struct{ Key string } }
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := b.client.get(ctx, api+"/api/v1/nodes", &nodes); err != nil {
		return err
	}
	ready := 0
	for _, n := range nodes.Items {
		open := true
		for _, c := range n.Status.Conditions {
			open = open && (c.Type != "Ready" || c.Status == "True")
		}
		// The taint goes a moment after the condition turns, and until then nothing
		// is scheduled here.
		for _, t := range n.Spec.Taints {
			open = open && t.Key != "node.kubernetes.io/not-ready"
		}
		if open && len(n.Status.Conditions) > 0 {
			ready++
		}
	}
	if ready < b.nodes() {
		return fmt.Errorf("%d of %d nodes are ready", ready, b.nodes())
	}
	return nil
}

const (
	startTimeout = 2 * time.Minute // for a machine that compiles something else meanwhile
	pollEvery    = 25 * time.Millisecond
)

// wait polls until ready returns nil. It gives up early when a process has
// ended, because then nothing will change any more.
func (b *boot) wait(ctx context.Context, what string, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	shown := time.Now()
	for {
		err := ready()
		if err == nil {
			fmt.Fprintf(b.instance.Log, "%5.1fs  %s\n", time.Since(b.begin).Seconds(), what)
			return nil
		}
		for _, p := range b.started {
			select {
			case <-p.Done:
				return fmt.Errorf("waiting for %s: %s has ended; its last lines:\n%s", what, p.Name, process.Tail(p.Log, 15))
			default:
			}
		}
		if time.Since(shown) > 5*time.Second {
			shown = time.Now()
			reason, _, _ := strings.Cut(err.Error(), "\n")
			fmt.Fprintf(b.instance.Log, "%5.1fs  still waiting for %s: %s\n", time.Since(b.begin).Seconds(), what, reason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, errors.Join(context.Cause(ctx), err))
		case <-time.After(pollEvery):
		}
	}
}
