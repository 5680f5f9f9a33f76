// Command rolloutgate is the step between "deploy" and "done" in a pipeline: it applies manifests, watches the
// rollout, judges it, says why it is bad, puts back what was there, and exits with a code that tells what happened.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/rolloutgate/rolloutgate/gate"
)

// gcPercent trades a little time for a lot of memory: a gate mostly waits, often in a small container.
const gcPercent = 40

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first := (<-signals).(syscall.Signal)
		cancel(gate.Cancelled{Signal: first})
		// Whoever asks twice means it. The cluster stays as it is at this moment.
		second := (<-signals).(syscall.Signal)
		os.Exit(128 + int(second))
	}()
	os.Exit(execute(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}
