package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// applyRollout has the Rollout of version 1 serve.
func (t *trial) applyRollout(ctx context.Context) error {
	if err := t.apply(ctx, beforeFile); err != nil {
		return err
	}
	return harness.Until(ctx, time.Minute, "version 1 of the Rollout", func() error {
		phase, err := t.cluster.Kubectl(ctx, t.name, "", "get", "rollouts.argoproj.io", service, "-o", "jsonpath={.status.phase}")
		if err == nil && phase != rolloutHealthy {
			err = fmt.Errorf("it is %q", phase)
		}
		return err
	})
}

func (t *trial) apply(ctx context.Context, file string) error {
	_, err := t.cluster.Kubectl(ctx, t.name, "", "apply", "-f", filepath.Join(t.dir, file))
	return err
}

// throughArgo writes version 2 and waits until the controller has aborted it, has let it pass, or does neither for too long.
func (t *trial) throughArgo(ctx context.Context, watch *moments) error {
	if err := t.apply(ctx, afterFile); err != nil {
		return err
	}
	var began bool
	deadline := time.Now().Add(patient)
	for time.Now().Before(deadline) {
		undone, phase := watch.now()
		began = began || phase != rolloutHealthy && phase != ""
		if undone || began && phase == rolloutHealthy {
			return nil
		}
		if err := harness.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
