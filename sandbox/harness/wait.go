package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Pause waits, or returns the context's error when that ends first.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Until asks ten times a second for what takes a moment. After the limit it returns the last answer.
func Until(ctx context.Context, limit time.Duration, what string, done func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := done()
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if err := Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// InParallel does something for each, so many at once, in their order.
func InParallel[T any](each []T, atOnce int, do func(T)) {
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, e := range each {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(e)
		})
	}
	all.Wait()
}
