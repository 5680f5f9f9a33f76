package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// command is one way to roll a manifest out, up to the verdict.
type command struct {
	name string
	args []string // %s is the manifest's path, %chart that of a chart with the same
	// warm keeps the home directory, and with it kubectl's cache of what the API server offers. A fresh CI job has none.
	warm bool
	// services tells that the command also waits until the Services send traffic to the new pods.
	services bool
	chart    bool   // it takes a chart
	config   string // its rolloutgate.yaml; empty: none
	exit     int    // how it is to end
	mayFail  bool   // that it fails is a result
}

// sample is what one rollout cost.
type sample struct {
	wall, cpu time.Duration
	rss       int64         // bytes, of the largest process
	lag       time.Duration // from the moment that the API server published the end that the command waits for
	behind    time.Duration // from the complete Deployment to Services that send traffic to all new pods
	failed    bool
	traffic
}

// environment is where commands run.
type environment struct {
	path, kubeconfig, home string
	exit                   int // the code that is expected
}

// measured is what a process that ended has used.
type measured struct {
	wall, cpu time.Duration
	rss       int64
	ended     time.Time
}

// execute runs one command in dir to its end. Its output goes to a file, because a pipe would have to be drained
// before the end is noticed.
//
// The kernel counts memory from the fork on, when parent and child are one: a child never seems smaller than this
// process, which therefore has to stay small.
func execute(ctx context.Context, dir string, e environment, args []string) (measured, error) {
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return measured{}, err
	}
	defer output.Close()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, harness.Environment(e.path, e.kubeconfig, e.home), output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // children too
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return measured{}, err
	}
	err = cmd.Wait()
	ended := time.Now()
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) && ended.ExitCode() == e.exit {
		err = nil
	} else if err == nil && e.exit != 0 {
		err = fmt.Errorf("it exited with 0, not with %d", e.exit)
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, tail(output))
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage) // of the command and all children that it waited for
	return measured{
		wall:  ended.Sub(begin),
		cpu:   cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		rss:   usage.Maxrss * maxrssUnit,
		ended: ended,
	}, err
}

// tail is the end of what a failed command said.
func tail(output *os.File) string {
	const much = 2000
	end, err := output.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(io.NewSectionReader(output, max(0, end-much), much))
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	return string(text)
}
