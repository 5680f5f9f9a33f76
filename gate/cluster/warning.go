package cluster

import (
	"context"
	"slices"
	"sync"
)

// warnings hands the API server's warnings (its Warning headers: a deprecated API, a pod that a policy would refuse) to
// whoever asked for them with collectWarnings; nobody else wants them on the console.
type warnings struct{}

// HandleWarningHeaderWithContext is called by client-go for each warning of an answer.
func (warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if c, ok := ctx.Value(warningsKey{}).(*collectedWarnings); ok && code == 299 && text != "" {
		c.add(text)
	}
}

type warningsKey struct{}

type collectedWarnings struct {
	mu    sync.Mutex
	texts []string
}

func (c *collectedWarnings) add(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.texts, text) {
		c.texts = append(c.texts, text)
	}
}

// collectWarnings returns a context for requests of which the warnings are wanted.
func collectWarnings(ctx context.Context) (context.Context, *collectedWarnings) {
	c := &collectedWarnings{}
	return context.WithValue(ctx, warningsKey{}, c), c
}
