package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// keeping is what it costs a plain run that others see it, and that it is on record.
type keeping struct {
	requests float64       // median
	took     time.Duration // of all of them, one after the other; median
}

// keepingRounds is how often that is measured.
const keepingRounds = 5

// measureKeeping rolls one size with rolloutgate alone, through a server that sees every request.
func (b *bench) measureKeeping(ctx context.Context, s size) (keeping, error) {
	t, err := newTracer(b.sandbox)
	if err != nil {
		return keeping{}, err
	}
	defer t.front.Close()
	defer func(server string) { b.server = server }(b.server)
	b.server = t.front.URL
	k := &track{namespace: "bench-keeping", size: s}
	for _, c := range b.commands() {
		if c.name == gateName {
			k.command = c
		}
	}
	if err := b.prepare(ctx, k, b.history(s)); err != nil {
		return keeping{}, fmt.Errorf("preparing %s for lock and record: %w", s, err)
	}
	var requests, took []float64
	for range keepingRounds {
		t.take()
		k.revision++
		if _, err := b.roll(ctx, k); err != nil {
			return keeping{}, err
		}
		n, sum := 0, time.Duration(0)
		for _, r := range t.take() {
			if r.keeps() {
				n++
				sum += r.answered.Sub(r.began)
			}
		}
		requests, took = append(requests, float64(n)), append(took, sum.Seconds())
		if err := b.settled(ctx, k.namespace, s.all()); err != nil {
			return keeping{}, err
		}
	}
	return keeping{harness.Median(requests), time.Duration(harness.Median(took) * float64(time.Second))}, b.discard(ctx, []*track{k})
}

// keeps tells whether a request is about the lease or the record of a run.
func (r *request) keeps() bool {
	return strings.Contains(r.path, "/leases") || strings.Contains(r.path, "/secrets")
}
