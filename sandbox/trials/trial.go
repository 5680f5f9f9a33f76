package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// Files of a trial, in its folder.
const (
	beforeFile    = "before.yaml"
	afterFile     = "after.yaml"
	neighbourFile = "neighbour.yaml"
	criteriaFile  = "criteria.yaml" // under another name than rolloutgate looks for: version 1 has no criteria
	reportFile    = "report.json"
)

const (
	recovery = 30 * time.Second
	timeout  = 3 * time.Minute // of rolloutgate
	longest  = 8 * time.Minute // of a whole trial
	warmUp   = 1200            // requests to version 1, so that its noise is no surprise to the preflight
)

// trial is one scenario played once.
type trial struct {
	scenario *scenario
	number   int
	attempt  int // from 0; see playAll
	cluster  *harness.Cluster
	gate     string // the binary
	dir      string // for everything that the commands read and write
}

func (t *trial) name() string {
	name := fmt.Sprintf("%s-%02d", t.scenario.name, t.number)
	if t.attempt > 0 {
		name += fmt.Sprintf("-again-%d", t.attempt)
	}
	return name
}

// play returns what came of it; an error is the harness' own.
func (t *trial) play(ctx context.Context) (result, error) {
	ctx, stop := context.WithTimeout(ctx, longest)
	defer stop()
	r := newResult(t.scenario, t.number)
	if err := t.prepare(ctx); err != nil {
		return r, fmt.Errorf("preparing: %w", err)
	}
	ran, err := t.rolloutgate(ctx, "after", "-f", afterFile, "--config", criteriaFile, "--recovery", recovery.String(),
		"--prometheus-url", t.cluster.State.Prometheus, "--report-dir", t.dir)
	if err != nil {
		return r, err
	}
	seen, err := t.observe(ctx)
	if err != nil {
		return r, fmt.Errorf("observing: %w", err)
	}
	return r, r.judge(t.scenario, ran, seen)
}

// prepare has version 1 serve and be scraped.
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
	if err := t.cluster.MakeNamespace(ctx, t.name()); err != nil {
		return err
	}
	if t.scenario.neighbour != nil {
		if _, err := t.cluster.Kubectl(ctx, t.name(), "", "apply", "-f", filepath.Join(t.dir, neighbourFile)); err != nil {
			return err
		}
	}
	ran, err := t.rolloutgate(ctx, "before", "-f", beforeFile)
	if err != nil {
		return err
	}
	if ran.Exit != 0 {
		return fmt.Errorf("rolling version 1 out ended with exit %d\n%s", ran.Exit, ran.Output)
	}
	return harness.Until(ctx, time.Minute, "the requests to version 1", func() error {
		old, err := history(ctx, t.cluster.State.Prometheus, t.name(), "v1", "errors")
		if err != nil {
			return err
		}
		if _, n := served(old, time.Now()); n < warmUp {
			return fmt.Errorf("%.0f of %d were scraped", n, warmUp)
		}
		return nil
	})
}

func (t *trial) writeFiles() error {
	files := map[string]workload{beforeFile: t.scenario.before, afterFile: t.scenario.after}
	if t.scenario.neighbour != nil {
		files[neighbourFile] = *t.scenario.neighbour
	}
	for name, w := range files {
		if t.scenario.restarts > 0 && name == afterFile {
			// The pods count their starts in one place, so that only the first of them crashes.
			w.Memory = filepath.Join(t.dir, "state")
			if err := os.RemoveAll(w.Memory); err != nil {
				return err
			}
		}
		text, err := w.manifest()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(t.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(t.dir, criteriaFile), []byte(criteria), 0o644)
}

// rolloutgate runs in the trial's folder and namespace; its output is kept under a name.
func (t *trial) rolloutgate(ctx context.Context, name string, args ...string) (*harness.Ran, error) {
	args = append([]string{"run", "-n", t.name(), "--timeout", timeout.String(), "--ci", "none", "--color", "never"}, args...)
	return t.cluster.Run(ctx, harness.Command{Name: name, Dir: t.dir, Keep: t.dir, Path: t.gate, Args: args})
}

// observed is what a trial left, from the report and from those who cannot be wrong about it.
type observed struct {
	report    report
	serving   serving
	processes []*process // of version 2
}

func (t *trial) observe(ctx context.Context) (observed, error) {
	var o observed
	var err error
	if o.report, err = readReport(filepath.Join(t.dir, reportFile)); err != nil {
		return o, err
	}
	if o.serving, err = servingIn(ctx, t.cluster, t.name()); err != nil {
		return o, err
	}
	o.processes, err = history(ctx, t.cluster.State.Prometheus, t.name(), "v2", t.scenario.criterion)
	return o, err
}
