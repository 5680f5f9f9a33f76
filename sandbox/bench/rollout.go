package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// oneRollout is how long one may take before the bench gives up on it.
const oneRollout = 20 * time.Minute

// track is what one command rolls: one Deployment, or several in one manifest, always the same: an object whose fields two tools own by turns
// would measure how they take them from each other.
type track struct {
	command   command
	namespace string
	size      size
	replicas  int  // of each Deployment, by now
	revision  int  // of the image
	spoiled   bool // the next release is a bad one
	samples   []sample
}

func (t *track) image() string { return fmt.Sprintf("example.test/web:r%d", t.revision) }

// prepare creates the Deployment with the history that one has after a while, by the command itself: without pods at
// first, so that a revision takes no time.
func (b *bench) prepare(ctx context.Context, t *track, history int) error {
	if err := b.api.create(ctx, "/api/v1/namespaces", namespaceObject(t.namespace)); err != nil {
		return err
	}
	t.replicas = 0
	for range history {
		t.revision++
		if _, err := b.roll(ctx, t); err != nil {
			return err
		}
	}
	t.replicas = t.size.pods
	t.revision++
	if _, err := b.roll(ctx, t); err != nil {
		return err
	}
	return b.settled(ctx, t.namespace, t.size.all())
}

// measure rolls the next revision out, keeps the sample, and waits until nothing of the old revision is left.
func (b *bench) measure(ctx context.Context, t *track, others int) error {
	if t.size.bad != "" {
		return b.measureBad(ctx, t, others)
	}
	watch, stop := context.WithCancel(ctx)
	defer stop()
	published, err := b.api.nextRollout(watch, t.namespace, t.size.workloads)
	if err != nil {
		return fmt.Errorf("watching %s: %w", t.namespace, err)
	}
	if _, err := b.relay.take(); err != nil { // what came before is not counted
		return err
	}
	t.revision++
	m, err := b.roll(ctx, t)
	if err != nil && t.command.mayFail && m.wall > 0 {
		return b.failed(t, m, err)
	}
	if err != nil {
		return err
	}
	s := sample{wall: m.wall, cpu: m.cpu, rss: m.rss}
	select {
	case p := <-published:
		s.lag = m.ended.Sub(p.deployment)
		if t.command.services {
			s.lag = m.ended.Sub(p.services)
		}
		s.behind = p.services.Sub(p.deployment)
	case <-time.After(30 * time.Second):
		return fmt.Errorf("watching %s: %s says that the rollout is complete, the API server does not", t.namespace, t.command.name)
	}
	if s.traffic, err = b.relay.take(); err != nil {
		return err
	}
	t.samples = append(t.samples, s)
	fmt.Fprintf(os.Stderr, "%-18s %-20s %7.2fs wall %6.2fs cpu %5.1f MiB %8d bytes in, lag %s (Services %s behind)\n",
		t.size, t.command.name, s.wall.Seconds(), s.cpu.Seconds(), float64(s.rss)/(1<<20), s.received, s.lag.Round(time.Millisecond), s.behind.Round(time.Millisecond))
	return b.settled(ctx, t.namespace, t.size.all()+others)
}

// failed notes that a command has called a good release bad, or has given up on it.
func (b *bench) failed(t *track, m measured, err error) error {
	fmt.Fprintf(os.Stderr, "%-18s %-20s %7.2fs wall, and failed: %v\n", t.size, t.command.name, m.wall.Seconds(), err)
	s := sample{wall: m.wall, cpu: m.cpu, rss: m.rss, failed: true}
	s.traffic, err = b.relay.take()
	t.samples = append(t.samples, s)
	return err
}

// roll runs the command for the current revision and checks that the rollout has really happened.
func (b *bench) roll(ctx context.Context, t *track) (measured, error) {
	m, err := b.execute(ctx, t)
	if err != nil {
		return m, err
	}
	return m, b.verify(ctx, t)
}

// execute runs the command for the current revision.
func (b *bench) execute(ctx context.Context, t *track) (measured, error) {
	ctx, cancel := context.WithTimeout(ctx, oneRollout)
	defer cancel()
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return measured{}, err
	}
	defer os.RemoveAll(dir)
	file, chart := filepath.Join(dir, "web.yaml"), ""
	if err := os.WriteFile(file, []byte(t.manifest()), 0o600); err != nil {
		return measured{}, err
	}
	if t.command.chart {
		if chart, err = writeChart(dir, t.manifest()); err != nil {
			return measured{}, err
		}
	}
	e := environment{path: b.path, home: dir, kubeconfig: filepath.Join(dir, "kubeconfig"), exit: t.command.exit}
	if t.command.warm {
		e.home = b.dir
	}
	if err := harness.Kubeconfig(b.sandbox, b.server, t.namespace, e.kubeconfig); err != nil {
		return measured{}, err
	}
	m, err := execute(ctx, dir, e, t.command.with(file, chart))
	if err != nil {
		return m, fmt.Errorf("running %s for %s: %w", t.command.name, t.size, err)
	}
	return m, nil
}

// with puts the paths of the manifest and of the chart into the arguments.
func (c command) with(file, chart string) []string {
	args := slices.Clone(c.args)
	for i := range args {
		args[i] = strings.NewReplacer("%s", file, "%chart", chart).Replace(args[i])
	}
	return args
}

// verify does not believe an exit code.
func (b *bench) verify(ctx context.Context, t *track) error {
	all, err := b.api.rolled(ctx, t.namespace)
	if err != nil {
		return fmt.Errorf("checking the rollout by %s: %w", t.command.name, err)
	}
	if len(all.Items) != t.size.workloads {
		return fmt.Errorf("checking the rollout by %s: there are %d Deployments, not %d", t.command.name, len(all.Items), t.size.workloads)
	}
	for _, d := range all.Items {
		if d.image() != t.image() || d.Spec.Replicas != t.replicas || !d.complete() {
			return fmt.Errorf("checking the rollout by %s: it ended well, but the Deployment is %+v", t.command.name, d)
		}
	}
	return nil
}

// settled waits until a namespace has exactly so many pods, and then a moment for the rest of the cluster to follow.
func (b *bench) settled(ctx context.Context, namespace string, pods int) error {
	ctx, cancel := context.WithTimeout(ctx, oneRollout)
	defer cancel()
	for {
		n, err := b.api.podCount(ctx, namespace)
		if err != nil {
			return fmt.Errorf("waiting for %d pods in %s: %w", pods, namespace, err)
		}
		if n == pods {
			return harness.Pause(ctx, time.Second)
		}
		if err := harness.Pause(ctx, 250*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for %d pods in %s, there are %d: %w", pods, namespace, n, err)
		}
	}
}

// crowded waits until the neighbours are all there and ready, so that they are not what keeps the cluster busy.
func (b *bench) crowded(ctx context.Context, namespace string, pods int) error {
	ctx, cancel := context.WithTimeout(ctx, oneRollout)
	defer cancel()
	for {
		ready, err := b.api.readyReplicas(ctx, namespace, neighbourName)
		if err != nil || ready == pods {
			return err
		}
		if err := harness.Pause(ctx, time.Second); err != nil {
			return fmt.Errorf("waiting for %d neighbours in %s, %d are ready: %w", pods, namespace, ready, err)
		}
	}
}
