// Command sandbox runs a real Kubernetes control plane, simulated nodes and a real Prometheus on this machine,
// as ordinary processes built from Go modules: no container engine, no downloads but the Go module proxy.
//
//	sandbox run -- rolloutgate run -f manifests/
//
// README.md describes the commands and the annotations that make simulated pods fail.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/rolloutgate/rolloutgate/sandbox/components"
)

// The sandbox carries the two files that pin its components, so that it works
// from any directory and without its sources.
var (
	//go:embed go.mod
	goMod []byte
	//go:embed go.sum
	goSum []byte
)

func main() {
	// Processes that must end with this one are tied to the thread that starts
	// them; the main thread is the one that lives as long as the process.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := command(components.Module{Mod: goMod, Sum: goSum}).ExecuteContext(ctx)
	var exit exitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.code)
	case err != nil:
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// exitError carries an exit code past cobra.
type exitError struct {
	code int
}

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }
