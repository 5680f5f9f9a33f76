// Command rolloutgate is the step between "deploy" and "done" in a pipeline: it applies manifests, watches the
// rollout, judges it, says why it is bad, puts back what was there, and exits with a code that tells what happened.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// gcPercent trades a little time for a lot of memory: a gate mostly waits, often in a small container.
const gcPercent = 40

// lastWords is how long a run has to end by itself after the third signal.
const lastWords = time.Second

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// Without a handler, a write to a pipe that nobody reads ends the process, in the middle of an undo if need be.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	var hidden atomic.Bool
	ctx, later := listen(func() { bringBack(&hidden) })

	stderr := newOutlet(os.Stderr, nil)
	stdout := newOutlet(os.Stdout, func(err error) { unprinted(stderr, err) })
	p := &program{calledAs: os.Args[0], getenv: os.Getenv, environ: os.Environ(), stdin: os.Stdin, stdout: stdout, stderr: stderr, later: later, hidden: &hidden}
	code := p.execute(ctx, os.Args[1:])
	p.drain(ctx, stdout, stderr)
	os.Exit(code)
}

// listen turns signals into what a run understands: the first one cancels the context, the ones after it are handed on.
// Whoever sends a third wants the process gone; last is called before it is.
func listen(last func()) (context.Context, <-chan os.Signal) {
	ctx, cancel := context.WithCancelCause(context.Background())
	received, later := make(chan os.Signal, 3), make(chan os.Signal, 3)
	signal.Notify(received, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as it is below nohup
		signal.Notify(received, syscall.SIGHUP)
	}
	go func() {
		first := (<-received).(syscall.Signal)
		cancel(gate.Cancelled{Signal: first})
		later <- <-received
		third := (<-received).(syscall.Signal)
		later <- third
		time.Sleep(lastWords)
		last()
		os.Exit(128 + int(third))
	}()
	return ctx, later
}

// drain waits for the readers of what was printed, within reason. Where a person looks at what changed nothing, perhaps
// page by page, it waits until they have seen it.
func (p *program) drain(ctx context.Context, stdout, stderr *outlet) {
	idle, most := idlePatience, slowPatience
	if !p.writes && isTerminal(os.Stdin) && isTerminal(os.Stderr) {
		idle, most = time.Hour, 24*time.Hour
	}
	patient, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	// A signal may come while we wait, or have come before.
	defer context.AfterFunc(ctx, func() { time.Sleep(cancelledPatience); cancel() })()
	if err := stdout.drain(patient, idle); err != nil && stdout.failure() == nil {
		unprinted(stderr, err)
		idle = cancelledPatience
	}
	_ = stderr.drain(patient, min(idle, idlePatience)) // there is nobody left to tell
}

// unprinted says on stderr why something is missing on stdout.
func unprinted(stderr *outlet, err error) {
	fmt.Fprintf(stderr, "warning: writing to standard output: %v; the exit code tells the result\n", err)
}
