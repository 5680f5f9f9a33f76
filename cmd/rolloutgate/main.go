// Command rolloutgate is the step between "deploy" and "done" in a pipeline: it applies manifests, watches the
// rollout, judges it, says why it is bad, puts back what was there, and exits with a code that tells what happened.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// gcPercent trades a little time for a lot of memory: a gate mostly waits, often in a small container.
const gcPercent = 40

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	signals, later := make(chan os.Signal, 8), make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go handOn(signals, cancel, later)
	os.Exit(execute(ctx, later, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// lastWords is how long the process lives on after its third signal, for the report.
const lastWords = time.Second

// handOn gives the signals to whoever is at work: the first one cancels, the later ones go to the run, which knows what
// they mean in each of its phases. A third one ends the process even if the run does not.
func handOn(signals <-chan os.Signal, cancel context.CancelCauseFunc, later chan<- os.Signal) {
	first := (<-signals).(syscall.Signal)
	cancel(gate.Cancelled{Signal: first})
	later <- <-signals
	third := <-signals
	later <- third
	time.Sleep(lastWords)
	os.Exit(128 + int(third.(syscall.Signal)))
}
