package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// What may be wrong with a release that is measured.
const (
	oneBad = "one-bad" // one Deployment of many never becomes ready, because its program ends again and again
	crash  = "crash"   // all pods end again and again
)

// exitFailed is how rolloutgate ends when a bad release was put back and that was verified.
const exitFailed = 10

// spoil makes a manifest a bad release.
func (t *track) spoil(documents []string) {
	for i := range documents {
		if t.size.bad == crash || t.size.bad == oneBad && i == len(documents)/2 {
			documents[i] = strings.Replace(documents[i], "  template:\n    metadata:\n", "  template:\n    metadata:\n      annotations: {sandbox.rolloutgate.dev/behavior: crash-loop}\n", 1)
		}
	}
}

// measureBad rolls a bad release out and checks that everything was put back.
func (b *bench) measureBad(ctx context.Context, t *track, others int) error {
	if _, err := b.relay.take(); err != nil {
		return err
	}
	t.revision, t.spoiled, t.command.exit = t.revision+1, true, exitFailed
	m, err := b.execute(ctx, t)
	t.revision, t.spoiled, t.command.exit = t.revision-1, false, 0
	if err == nil {
		err = b.verify(ctx, t)
	}
	if err != nil {
		return fmt.Errorf("rolling a bad release out: %w", err)
	}
	s := sample{wall: m.wall, cpu: m.cpu, rss: m.rss}
	if s.traffic, err = b.relay.take(); err != nil {
		return err
	}
	t.samples = append(t.samples, s)
	fmt.Fprintf(os.Stderr, "%-18s %-20s %7.2fs wall %6.2fs cpu %5.1f MiB %8d bytes in\n", t.size, t.command.name, s.wall.Seconds(), s.cpu.Seconds(), float64(s.rss)/(1<<20), s.received)
	return b.settled(ctx, t.namespace, t.size.all()+others)
}
