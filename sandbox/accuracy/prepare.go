package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// prepare makes the namespace and what was there before.
func (t *trial) prepare(ctx context.Context) error {
	c := t.testCase
	if err := t.cluster.MakeNamespace(ctx, c.name); err != nil {
		return err
	}
	if !c.before {
		return nil
	}
	if err := t.writeBase(ctx); err != nil {
		return err
	}
	kind, name, _ := strings.Cut(c.Workload, "/")
	if before, err := t.read(ctx, c.Workload); before == nil || c.Unsettled {
		return err
	}
	switch kind {
	case "deployment", "statefulset", "daemonset":
		return t.settled(ctx, kind, name)
	case "job":
		_, err := t.cluster.Kubectl(ctx, c.name, "", "wait", "--for=condition=complete", c.Workload, "--timeout=2m")
		return err
	}
	return nil
}

// writeBase writes what was there before. A kind that the same file defines is served a moment later, so it tries again.
func (t *trial) writeBase(ctx context.Context) error {
	c := t.testCase
	args := append(bases[c.Base][:len(bases[c.Base]):len(bases[c.Base])], filepath.Join(c.dir, beforeFile))
	text, err := os.ReadFile(filepath.Join(c.dir, beforeFile))
	if err != nil {
		return err
	}
	limit := time.Duration(0)
	if bytes.Contains(text, []byte("kind: CustomResourceDefinition")) {
		limit = 30 * time.Second
	}
	return harness.Until(ctx, limit, "what was there before", func() error {
		_, err := t.cluster.Kubectl(ctx, c.name, "", args...)
		return err
	})
}

// settled waits until all pods of a workload are ready and no others are left. It asks the status instead of
// `kubectl rollout status`, which refuses some update strategies.
func (t *trial) settled(ctx context.Context, kind, name string) error {
	of := t.cluster.Dynamic.Resource(client.Resources[kind]).Namespace(t.testCase.name)
	return harness.Until(ctx, 2*time.Minute, "the workload before the rollout", func() error {
		object, err := of.Get(ctx, name, v1.GetOptions{})
		if err != nil {
			return err
		}
		return client.Complete(kind, object)
	})
}
