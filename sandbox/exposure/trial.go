package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/requests"
)

// Files of a trial, in its folder.
const (
	beforeFile   = "before.yaml"
	afterFile    = "after.yaml"
	criteriaFile = "criteria.yaml" // under another name than rolloutgate looks for: version 1 has no criteria
)

const (
	rate    = 100              // requests a second
	warmUp  = 1200             // good answers of version 1, so that its noise is no surprise to the preflight
	timeout = 3 * time.Minute  // of rolloutgate
	longest = 6 * time.Minute  // of a whole trial
	patient = 90 * time.Second // with a Rollout that neither passes nor is aborted: longer than its canary lasts
	after   = 2 * time.Second  // how long clients go on when the last pod of version 2 is gone
)

// trial is a fault that goes out in a way, once.
type trial struct {
	name    string
	fault   fault
	way     way
	flags   []string // of rolloutgate
	cluster client.Cluster
	gate    string // the binary
	dir     string // for everything that the commands read and write
}

// seen is what a trial left, from those who cannot be wrong about it.
type seen struct {
	log      requests.Log // since version 2 was written
	released time.Time
	undone   time.Time
	scraped  time.Time // a pod of version 2, for the first time
	exit     int       // of rolloutgate
	output   string
	violated []string // the criteria for which it was taken back
	version2 bool     // all pods are of version 2 in the end
}

// play has version 1 serve, releases version 2, and waits for the end of it.
func (t *trial) play(ctx context.Context) (seen, error) {
	ctx, stop := context.WithTimeout(ctx, longest)
	defer stop()
	if err := t.prepare(ctx); err != nil {
		return seen{}, fmt.Errorf("preparing: %w", err)
	}
	address, err := t.cluster.Kubectl(ctx, t.name, "", "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return seen{}, err
	}
	clients := requests.Start(requests.Config{URL: "http://" + address + "/", Rate: rate})
	s, err := t.release(ctx, clients)
	log := clients.Stop()
	if err != nil {
		return s, err
	}
	if s.released.IsZero() {
		return s, fmt.Errorf("version 2 was never written\n%s", s.output)
	}
	s.log = log.Between(s.released, time.Time{})
	if s.scraped, err = firstScrape(ctx, t.cluster.State.Prometheus, t.name); err != nil {
		return s, err
	}
	return s, t.keep(log)
}

// prepare has version 1 serve.
func (t *trial) prepare(ctx context.Context) error {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	// A report of an earlier run must not be taken for one of this.
	if err := os.Remove(filepath.Join(t.dir, reportFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := t.writeFiles(); err != nil {
		return err
	}
	if err := t.cluster.MakeNamespace(ctx, t.name); err != nil {
		return err
	}
	if t.way.argo != nil {
		return t.applyRollout(ctx)
	}
	ran, err := t.rolloutgate(ctx, "before", "-f", beforeFile)
	if err == nil && ran.Exit != 0 {
		err = fmt.Errorf("rolling version 1 out ended with exit %d\n%s", ran.Exit, ran.Output)
	}
	return err
}

func (t *trial) writeFiles() error {
	for _, version := range []struct {
		file, release string
		env           env
	}{{beforeFile, "v1", t.fault.v1}, {afterFile, "v2", t.fault.v2}} {
		text, err := workload{Release: version.release, Replicas: t.way.replicas, Env: version.env, Argo: t.way.argo, Hold: t.way.hold,
			Prometheus: t.cluster.State.Prometheus, Namespace: t.name}.manifest()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(t.dir, version.file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(t.dir, criteriaFile), []byte(criteria), 0o644)
}

// release writes version 2 when version 1 has been asked enough, and returns when nothing more will come.
func (t *trial) release(ctx context.Context, clients *requests.Clients) (seen, error) {
	if err := harness.Until(ctx, time.Minute, "the answers of version 1", func() error {
		if n := clients.Log().Versions()["v1"]; n < warmUp {
			return fmt.Errorf("%d of %d came", n, warmUp)
		}
		return nil
	}); err != nil {
		return seen{}, err
	}
	kind := "deployment"
	if t.way.argo != nil {
		kind = "rollout"
	}
	watch, err := watchWorkload(ctx, t.cluster, kind, t.name)
	if err != nil {
		return seen{}, err
	}
	var s seen
	if t.way.argo != nil {
		err = t.throughArgo(ctx, watch)
	} else {
		err = t.throughGate(ctx, &s)
	}
	if err == nil {
		s.version2, err = t.settled(ctx)
	}
	s.released, s.undone = watch.end()
	if err == nil && !s.undone.IsZero() {
		s.violated = t.violated(ctx)
	}
	return s, err
}

// throughGate lets rolloutgate do it.
func (t *trial) throughGate(ctx context.Context, s *seen) error {
	args := []string{"-f", afterFile, "--config", criteriaFile, "--recovery", "5s", "--prometheus-url", t.cluster.State.Prometheus, "--report-dir", t.dir}
	ran, err := t.rolloutgate(ctx, "after", append(args, t.flags...)...)
	if err == nil {
		s.exit, s.output = ran.Exit, ran.Output
	}
	return err
}

// settled waits until the pods of one version are all there are, and tells whether it is the new one. Some time after
// the end two versions may still be there: a Rollout that is neither aborted nor complete stays so.
func (t *trial) settled(ctx context.Context) (version2 bool, err error) {
	err = harness.Until(ctx, 20*time.Second, "the last pods to go", func() error {
		releases, err := t.cluster.Kubectl(ctx, t.name, "", "get", "pods", "-l", "app="+service, "-o", `jsonpath={.items[*].metadata.labels.release}`)
		version2 = strings.Contains(releases, "v2")
		if err == nil && version2 && strings.Contains(releases, "v1") {
			err = errors.New("there are pods of both versions")
		}
		return err
	})
	if ctx.Err() != nil {
		return version2, ctx.Err()
	}
	if err != nil && t.way.argo == nil {
		return version2, err
	}
	return version2, harness.Pause(ctx, after)
}

// rolloutgate runs in the trial's folder and namespace; its output is kept under a name.
func (t *trial) rolloutgate(ctx context.Context, name string, args ...string) (*harness.Ran, error) {
	args = append([]string{"run", "-n", t.name, "--timeout", timeout.String(), "--ci", "none", "--color", "never"}, args...)
	return t.cluster.Run(ctx, harness.Command{Name: name, Dir: t.dir, Keep: t.dir, Path: t.gate, Args: args})
}

// keep writes the requests down: whatever the document says can be counted again.
func (t *trial) keep(log requests.Log) error {
	return harness.WriteJSON(filepath.Join(t.dir, "requests.json"), log)
}
