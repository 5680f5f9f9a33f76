package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/controlplane"
	"github.com/rolloutgate/rolloutgate/sandbox/monitoring"
	"github.com/rolloutgate/rolloutgate/sandbox/node"
	"github.com/rolloutgate/rolloutgate/sandbox/pki"
	"github.com/rolloutgate/rolloutgate/sandbox/process"
	"github.com/rolloutgate/rolloutgate/sandbox/simulation"
	"github.com/rolloutgate/rolloutgate/sandbox/traffic"
)

// Up starts everything and returns when pods can be scheduled and queried. An
// instance that is up already is returned as it is; remains of one that crashed
// are cleared first. When it fails, nothing is left running.
func (i Instance) Up(ctx context.Context) (State, error) {
	unlock, err := i.lock(ctx)
	if err != nil {
		return State{}, err
	}
	defer unlock()
	switch state, err := i.Status(); {
	case err == nil:
		return state, nil
	case !errors.Is(err, ErrNotUp):
		return State{}, err
	}
	if err := errors.Join(i.clear(), Sweep(ctx, filepath.Dir(i.Dir))); err != nil {
		return State{}, err
	}
	b, err := i.prepare(ctx)
	if err != nil {
		return State{}, errors.Join(err, i.clear())
	}
	if err := b.start(ctx); err != nil {
		return State{}, i.fail(err)
	}
	b.state.Ready = true
	if err := b.state.write(); err != nil {
		return State{}, i.fail(fmt.Errorf("writing the state of sandbox %s: %w", i.Name, err))
	}
	return i.Status()
}

// fail ends all processes but leaves their logs for the user to read; the next
// Up or Down clears them away.
func (i Instance) fail(err error) error {
	return errors.Join(err, i.processes().Stop(), fmt.Errorf("the logs are in %s", i.processes().Logs))
}

// boot is one instance on its way up.
type boot struct {
	instance   Instance
	state      State
	control    controlplane.Config
	simulation simulation.Config
	monitoring monitoring.Config
	client     *client
	started    []process.Started
	begin      time.Time
}

// prepare writes everything the processes read.
func (i Instance) prepare(ctx context.Context) (*boot, error) {
	b := &boot{instance: i, begin: time.Now()}
	if err := os.MkdirAll(i.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("creating sandbox %s: %w", i.Name, err)
	}
	if err := os.WriteFile(i.path(marker), nil, 0o644); err != nil {
		return nil, fmt.Errorf("creating sandbox %s: %w", i.Name, err)
	}
	ports, err := i.claim(ctx, b)
	if err != nil {
		return nil, err
	}
	ca, err := pki.NewAuthority(i.path("pki"))
	if err != nil {
		return nil, err
	}
	first, err := node.FirstService(b.state.Services)
	if err != nil {
		return nil, err
	}
	b.control = controlplane.Config{Bin: i.Bin, Data: i.Dir, CA: ca, Ports: ports.Ports, Services: b.state.Services, First: first}
	b.simulation = simulation.Config{Bin: i.Bin, Data: i.Dir, CA: ca, Server: b.control.Server(), Port: ports.Kwok, Nodes: i.Nodes}
	b.monitoring = monitoring.Config{
		Bin: i.Bin, Data: i.Dir, Kubeconfig: i.path("kubeconfig"), Port: ports.Prometheus,
		NodeLabel: simulation.NodeLabel, Traffic: ports.Traffic, MetricsPath: traffic.MetricsPath, Interval: "1s",
	}
	for _, prepare := range []func() error{b.control.Prepare, b.simulation.Prepare, b.monitoring.Prepare} {
		if err := prepare(); err != nil {
			return nil, err
		}
	}
	b.client, err = newClient(ca)
	return b, err
}

// anyServices is the network of Services that lead nowhere: without a real node
// it is only numbers, and may be the same in each instance.
const anyServices = "10.96.0.0/16"

// claim picks ports, and for a real node a network of Services, that no other
// instance has claimed, started or not, and writes them to the state file so
// that the next one sees them.
func (i Instance) claim(ctx context.Context, b *boot) (Ports, error) {
	siblings := filepath.Dir(filepath.Clean(i.Dir))
	unlock, err := process.Lock(ctx, filepath.Join(siblings, "ports.lock"))
	if err != nil {
		return Ports{}, fmt.Errorf("claiming ports: %w", err)
	}
	defer unlock()
	taken := map[int]bool{}
	var networks []string
	files, _ := filepath.Glob(filepath.Join(siblings, "*", stateFile))
	for _, file := range files {
		if other, err := readState(file); err == nil {
			for _, port := range other.Ports.all() {
				taken[port] = true
			}
			if other.RealNode {
				networks = append(networks, other.Services)
			}
		}
	}
	free, err := process.FreePorts(8, taken)
	if err != nil {
		return Ports{}, err
	}
	services := anyServices
	if i.RealNode {
		if services, err = node.ChooseServices(networks); err != nil {
			return Ports{}, err
		}
	}
	ports := Ports{
		Ports: controlplane.Ports{Etcd: free[0], EtcdPeer: free[1], APIServer: free[2], ControllerManager: free[3], Scheduler: free[4]},
		Kwok:  free[5], Traffic: free[6], Prometheus: free[7],
	}
	b.state = State{
		Name: i.Name, Dir: i.Dir, Bin: i.Bin, Nodes: i.Nodes, RealNode: i.RealNode, Services: services, Versions: i.Versions,
		Kubeconfig: i.path("kubeconfig"), Ports: ports, Created: time.Now(),
		APIServer:      controlplane.Config{Ports: ports.Ports}.Server(),
		Prometheus:     monitoring.Config{Port: ports.Prometheus}.URL(),
		AuditLog:       controlplane.Config{Data: i.Dir}.AuditLog(),
		Authentication: controlplane.Config{Data: i.Dir}.Authentication(),
	}
	if i.Bound {
		self := process.Self(i.Name)
		b.state.Owner = &self
	}
	if err := b.state.write(); err != nil {
		return Ports{}, fmt.Errorf("writing the state of sandbox %s: %w", i.Name, err)
	}
	return ports, nil
}
