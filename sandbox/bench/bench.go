package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/instance"
	"github.com/rolloutgate/rolloutgate/sandbox/pki"
)

// bench holds what all measurements share.
type bench struct {
	options options
	sandbox instance.State
	dir     string // for everything that the commands read and write
	path    string // PATH of the commands
	api     *api
	relay   *relay
	server  string // where the commands find the API server
}

// The commands that are compared, and their names in the tables.
const (
	kubectlCold = "kubectl, no cache"
	kubectlWarm = "kubectl, warm cache"
	gateName    = "rolloutgate"
)

func (b *bench) commands() []command {
	const both = `kubectl apply -f "$0" && kubectl rollout status deployment --selector ` + benchLabel + ` --timeout=10m`
	kubectl := []string{"sh", "-c", both, "%s"}
	return []command{
		{name: kubectlCold, args: kubectl},
		{name: gateName, args: []string{b.options.rolloutgate, "run", "-f", "%s"}, services: true},
		{name: kubectlWarm, args: kubectl, warm: true},
	}
}

// commandsFor are those that roll one size.
func (b *bench) commandsFor(s size) []command {
	all := b.commands()
	if s.peers {
		all = append(all, b.peers()...)
	}
	return slices.DeleteFunc(all, func(c command) bool { return s.alone && c.name != gateName || s.apart && c.warm })
}

func newBench(o options) (*bench, error) {
	if _, err := exec.LookPath(o.rolloutgate); err != nil {
		return nil, fmt.Errorf("looking for rolloutgate: %w", err)
	}
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		return nil, fmt.Errorf("looking for a sandbox: KUBECONFIG is not set; run this as the command of `sandbox run`")
	}
	state, err := instance.Instance{Dir: filepath.Dir(kubeconfig)}.Status()
	if err != nil {
		return nil, fmt.Errorf("looking for a sandbox at KUBECONFIG: %w", err)
	}
	client, err := pki.Client(filepath.Join(state.Dir, "pki"), "admin")
	if err != nil {
		return nil, err
	}
	relay, err := newRelay(strings.TrimPrefix(state.APIServer, "https://"))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	return &bench{
		options: o, sandbox: state, dir: dir,
		path:  harness.SearchPath(state),
		api:   &api{server: state.APIServer, http: client},
		relay: relay, server: "https://" + relay.address(),
	}, nil
}

func (b *bench) close() {
	b.relay.close()
	_ = os.RemoveAll(b.dir)
	b.api.http.CloseIdleConnections()
}

// measureAll runs every measurement.
func (b *bench) measureAll(ctx context.Context) (results, error) {
	begin := time.Now()
	r := results{machine: describe(), versions: b.sandbox.Versions, nodes: b.sandbox.Nodes, date: begin.UTC()}
	var err error
	if r.kubectl, err = b.kubectlVersion(ctx); err != nil {
		return r, err
	}
	if r.binary, err = b.measureBinary(ctx); err != nil {
		return r, err
	}
	var smallest []*track
	for i, s := range b.options.sizes {
		tracks, err := b.measureSize(ctx, s)
		if err != nil {
			return r, err
		}
		r.groups = append(r.groups, group{size: s, tracks: tracks})
		if i == 0 {
			smallest = tracks
		} else if err := b.discard(ctx, tracks); err != nil {
			return r, err
		}
	}
	keeps, err := b.measureKeeping(ctx, b.options.sizes[0])
	if err != nil {
		return r, err
	}
	r.keeps = &keeps
	if b.options.neighbours > 0 {
		g, err := b.measureCrowd(ctx, smallest, b.options.sizes[0])
		if err != nil {
			return r, err
		}
		r.crowd = &g
	}
	r.took = time.Since(begin)
	return r, nil
}

// measureSize rolls one size with each command by turns.
func (b *bench) measureSize(ctx context.Context, s size) ([]*track, error) {
	var tracks []*track
	for i, c := range b.commandsFor(s) {
		t := &track{command: c, namespace: fmt.Sprintf("bench-%s-%d", s.slug(), i), size: s}
		if err := b.prepare(ctx, t, b.history(s)); err != nil {
			return nil, fmt.Errorf("preparing %s for %s: %w", s, c.name, err)
		}
		tracks = append(tracks, t)
	}
	return tracks, b.rounds(ctx, tracks, s.rounds, 0)
}

// history is how many old ReplicaSets a Deployment has. Many Deployments have one each: preparing more takes too long.
func (b *bench) history(s size) int {
	if s.workloads > 1 {
		return min(b.options.history, 1)
	}
	return b.options.history
}

// rounds measures the tracks by turns, and begins each round with another one: what the machine does beside this, and
// what the API server has just been busy with, then meets all of them alike.
func (b *bench) rounds(ctx context.Context, tracks []*track, rounds, others int) error {
	for round := range rounds {
		for i := range tracks {
			if err := b.measure(ctx, tracks[(round+i)%len(tracks)], others); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureCrowd repeats the rounds of rolloutgate with unrelated pods beside its Deployment.
func (b *bench) measureCrowd(ctx context.Context, tracks []*track, s size) (group, error) {
	n := b.options.neighbours
	g := group{size: s, neighbours: n}
	for _, alone := range tracks {
		if alone.command.name != gateName {
			continue
		}
		t := &track{command: alone.command, namespace: alone.namespace, size: s, replicas: alone.replicas, revision: alone.revision}
		if err := b.api.create(ctx, replicaSetsPath(t.namespace), neighbours(n)); err != nil {
			return g, err
		}
		if err := b.crowded(ctx, t.namespace, n); err != nil {
			return g, err
		}
		g.tracks = append(g.tracks, t)
	}
	return g, b.rounds(ctx, g.tracks, s.rounds, n)
}

// discard removes Deployments that were measured, so that the next ones find the cluster as empty as they did.
func (b *bench) discard(ctx context.Context, tracks []*track) error {
	for _, t := range tracks {
		for i := range t.size.workloads {
			if err := b.api.delete(ctx, deploymentsPath(t.namespace)+"/"+workloadName(i)+"?propagationPolicy=Background"); err != nil {
				return err
			}
		}
	}
	for _, t := range tracks {
		if err := b.settled(ctx, t.namespace, 0); err != nil {
			return err
		}
	}
	return nil
}

// binary is what the file itself costs.
type binary struct {
	size  int64
	start time.Duration // median
}

const coldStarts = 20

func (b *bench) measureBinary(ctx context.Context) (binary, error) {
	info, err := os.Stat(b.options.rolloutgate)
	if err != nil {
		return binary{}, err
	}
	var starts []time.Duration
	for range coldStarts {
		m, err := execute(ctx, b.dir, environment{path: b.path, home: b.dir}, []string{b.options.rolloutgate, "version"})
		if err != nil {
			return binary{}, fmt.Errorf("running rolloutgate version: %w", err)
		}
		starts = append(starts, m.wall)
	}
	return binary{info.Size(), harness.Median(starts)}, nil
}

// kubectlVersion makes sure that the sandbox' own kubectl is compared with.
func (b *bench) kubectlVersion(ctx context.Context) (string, error) {
	version, err := b.api.version(ctx)
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(b.sandbox.Bin, "kubectl"), "version", "--client").Output()
	if err != nil {
		return "", fmt.Errorf("running kubectl: %w", err)
	}
	if !strings.Contains(string(out), version+"\n") {
		return "", fmt.Errorf("checking kubectl: it is not of the API server's version %s: %s", version, out)
	}
	return version, nil
}
