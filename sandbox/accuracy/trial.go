package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// fieldManager of rolloutgate: by it the harness knows that the workload was applied.
const fieldManager = "rolloutgate"

// patience of the harness with commands that should have ended by themselves.
const patience = 90 * time.Second

// trial is one case on its cluster.
type trial struct {
	testCase *testCase
	cluster  cluster
	gate     string // the binary
	dir      string // for everything that the commands write
	observer *observer

	mu          sync.Mutex
	applied     chan struct{}   // closed when the workload was applied
	at          time.Time       // when that was
	armed       bool            // rolloutgate has been started
	applyBefore string          // what an earlier run had applied of the workload
	seen        map[string]bool // what did not hold at some time, though it always has to
	process     *os.Process     // rolloutgate, for the world that moves
	pods        map[types.UID]*corev1.Pod
	old         map[types.UID]bool
	playing     map[types.UID]context.CancelFunc
	broken      []error // of scripts
}

func newTrial(c *testCase, on cluster, gate, dir string) *trial {
	return &trial{testCase: c, cluster: on, gate: gate, dir: dir, observer: newObserver(), applied: make(chan struct{}),
		pods: map[types.UID]*corev1.Pod{}, old: map[types.UID]bool{}, seen: map[string]bool{}, playing: map[types.UID]context.CancelFunc{}}
}

// play runs the case; an error is the harness' own.
func (t *trial) play(ctx context.Context) (result, error) {
	ctx, stop := context.WithTimeout(ctx, time.Duration(t.testCase.Timeout)+5*time.Minute)
	defer stop()
	if err := t.prepare(ctx); err != nil {
		return result{}, fmt.Errorf("preparing: %w", err)
	}
	if err := t.observe(ctx); err != nil {
		return result{}, fmt.Errorf("watching: %w", err)
	}
	for _, a := range t.testCase.script.Setup {
		if err := t.act(ctx, a); err != nil {
			return result{}, fmt.Errorf("setting up: %w", err)
		}
	}
	t.begin()
	if t.testCase.moves() {
		return t.playAmid(ctx)
	}
	gate, kubectl, err := t.race(ctx)
	if err != nil {
		return result{}, err
	}
	r := newResult(t.testCase)
	if err := r.judge(t.testCase, gate, filepath.Join(t.dir, "report.json")); err != nil {
		return r, err
	}
	r.Kubectl = *kubectl
	if first, ok := t.observer.first(t.appliedAt()); ok && !t.testCase.Quiet {
		r.Sign, r.SignToVerdict = first.text, seconds(gate.Ended().Sub(first.at))
	}
	r.Event, err = t.newestWarning(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	return r, errors.Join(append(t.broken, err)...)
}

// playAmid runs rolloutgate in a world that moves, and compares what is told and what is in the cluster with the case.
func (t *trial) playAmid(ctx context.Context) (result, error) {
	r := newResult(t.testCase)
	if err := t.keepWatch(ctx); err != nil {
		return r, fmt.Errorf("watching: %w", err)
	}
	gate, early, err := t.amid(ctx)
	if err != nil {
		return r, err
	}
	told, err := t.told(gate)
	if err != nil {
		return r, err
	}
	if r.Failed, err = t.inTheEnd(ctx, gate.Exit, told); err != nil {
		return r, err
	}
	if early != "" {
		r.Failed = append(r.Failed, early)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Failed = append(r.Failed, slices.Sorted(maps.Keys(t.seen))...)
	return r, errors.Join(append(t.broken, r.judge(t.testCase, gate, filepath.Join(t.dir, "report.json")))...)
}

// race runs rolloutgate and, from the moment that it has applied the workload, kubectl and the actions.
func (t *trial) race(ctx context.Context) (*harness.Ran, *kubectlSaid, error) {
	ctx, stop := context.WithTimeout(ctx, time.Duration(t.testCase.Timeout)+patience)
	defer stop()
	var others sync.WaitGroup
	var said *kubectlSaid
	var kubectlErr error
	acting, endActing := context.WithCancel(ctx)
	ended := make(chan struct{})
	watching, endWatching := context.WithCancel(ctx)
	defer endWatching()
	others.Go(func() {
		select {
		case <-ctx.Done():
		case <-ended:
			if t.wasApplied() {
				said, kubectlErr = t.rolloutStatus(watching)
			} else {
				said, kubectlErr = t.refusedApply(ctx)
			}
		case <-t.applied:
			said, kubectlErr = t.rolloutStatus(watching)
		}
	})
	var actions sync.WaitGroup
	actions.Go(func() {
		select {
		case <-acting.Done():
			return
		case <-t.applied:
		}
		for _, a := range t.testCase.script.Actions {
			if err := t.act(acting, a); err != nil && acting.Err() == nil {
				t.complain(fmt.Errorf("acting: %w", err))
				return
			}
		}
	})
	gate, err := t.rolloutgate(ctx, nil)
	select {
	case <-t.applied:
	case <-time.After(200 * time.Millisecond): // the watch may lag behind a very short run
	}
	close(ended)
	if gate != nil && gate.Exit != 0 {
		time.AfterFunc(kubectlLag, endWatching)
	}
	others.Wait()
	endActing()
	actions.Wait()
	if err = errors.Join(err, kubectlErr); err == nil && said == nil {
		err = fmt.Errorf("waiting for the end: %w", context.Cause(ctx))
	}
	return gate, said, err
}

// rolloutgate runs it; only where the world moves does it undo what is bad. started is told of the process, and may be nil.
func (t *trial) rolloutgate(ctx context.Context, started func(*os.Process)) (*harness.Ran, error) {
	c := t.testCase
	args := []string{"run", "-f", rolloutFile, "--timeout", c.Timeout.String(), "--report-dir", t.dir, "--ci", "none", "--color", "never",
		"-n", c.Namespace}
	if !c.moves() {
		args = append(args, "--undo=never")
	}
	args = append(args, c.Args...)
	return t.cluster.Run(ctx, harness.Command{Name: "rolloutgate", Dir: c.dir, Keep: t.dir, Path: t.gate, Args: args,
		Prepare: c.Reader.readBy, Started: started})
}

// kubectlLag is how much longer than rolloutgate kubectl may take before it is stopped.
const kubectlLag = 5 * time.Second

// rolloutStatus is kubectl's side of the race; ending ctx stops it.
func (t *trial) rolloutStatus(ctx context.Context) (*kubectlSaid, error) {
	c := t.testCase
	ran, err := t.execute(ctx, "kubectl", t.cluster.KubectlPath(), "rollout", "status", c.Workload, "--timeout="+c.Timeout.String(), "-n", c.Namespace)
	if ran == nil || err != nil && ctx.Err() == nil {
		return nil, err
	}
	said := newKubectlSaid("rollout status", ran)
	if ctx.Err() != nil {
		said.Waiting, said.Named = true, false
	}
	return said, nil
}

// refusedApply asks kubectl for the same write when the API server refused that of rolloutgate.
func (t *trial) refusedApply(ctx context.Context) (*kubectlSaid, error) {
	args := []string{"apply", "--server-side", "-f", rolloutFile, "-n", t.testCase.Namespace}
	for _, a := range t.testCase.Args {
		if strings.HasPrefix(a, "--as=") {
			args = append(args, a)
		}
	}
	ran, err := t.execute(ctx, "kubectl", t.cluster.KubectlPath(), args...)
	if err != nil {
		return nil, err
	}
	return newKubectlSaid("apply", ran), nil
}

// execute runs a command in the case's folder to its end and keeps its output.
func (t *trial) execute(ctx context.Context, name, binary string, args ...string) (*harness.Ran, error) {
	return t.cluster.Run(ctx, harness.Command{Name: name, Dir: t.testCase.dir, Keep: t.dir, Path: binary, Args: args})
}
