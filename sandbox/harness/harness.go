// Package harness is what the programs share that judge rolloutgate from outside: accuracy, trials, bench, crash and exposure.
//
// It takes the paths of the binaries and a name for the sandbox, brings it up and takes it down, runs commands in it
// with an environment that holds nothing of the caller's, and renders what was measured: tables, JSON, percentiles.
// It never judges, and it holds no Kubernetes client, so that a program whose own memory counts can import it.
package harness

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Main parses the arguments of a program and runs it with a context that a signal ends. An error is printed after the
// program's name; the exit code is then 1.
func Main[Options any](name string, parse func(args []string) (Options, error), run func(Options, context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(o, ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// List splits the value of a flag at its commas; an empty one has no parts.
func List(text string) []string {
	return slices.DeleteFunc(strings.Split(text, ","), func(s string) bool { return s == "" })
}

// Absolute makes paths absolute in place: commands run in other directories.
func Absolute(paths ...*string) error {
	for _, path := range paths {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	return nil
}

// Folder returns the absolute path of the folder for what commands write: the one that was asked for, which stays, or
// else a temporary one, which remove takes away.
func Folder(asked, prefix string) (dir string, remove func(), err error) {
	if asked != "" {
		dir, err = filepath.Abs(asked)
		return dir, func() {}, err
	}
	dir, err = os.MkdirTemp("", prefix+"-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

// Machine is what measurements depend on, in a few words.
func Machine() string {
	return fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}
