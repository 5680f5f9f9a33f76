package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/rolloutgate/rolloutgate/sandbox/instance"
	"github.com/rolloutgate/rolloutgate/sandbox/process"
)

const runHelp = `Bring a sandbox up, run a command in it, take it down again.

The command finds KUBECONFIG, ROLLOUTGATE_PROMETHEUS_URL, SANDBOX_AUDIT_LOG,
SANDBOX_AUTHENTICATION, SANDBOX, which is this program, and, first in PATH, a
kubectl of the sandbox's own version. It gets the terminal and every signal sent to the sandbox. The
sandbox exits as the command does; 125 means that the sandbox itself failed,
126 and 127 that the command could not be started.

Without --name it is a sandbox of its own. With the name of one that is up
already, the command runs in that one, which stays up.`

// Exit codes of run when there is none of the command, as env(1) has them.
const (
	sandboxFailed    = 125
	notExecutable    = 126
	commandNotFound  = 127
	killedBySignal   = 128
	interruptedStart = killedBySignal + int(syscall.SIGINT)
)

func (o *options) run(ctx context.Context, args []string) error {
	if !o.named {
		o.name = fmt.Sprintf("run-%d", os.Getpid())
	}
	begin := time.Now()
	i, state, err := o.start(ctx, true)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		if ctx.Err() != nil {
			return exitError{interruptedStart}
		}
		return exitError{sandboxFailed}
	}
	if err := enter(state); err != nil {
		return err
	}
	code := execute(args)
	if state.Created.Before(begin) {
		return exitError{code} // it was up before, and somebody may still need it
	}
	if err := i.Down(context.WithoutCancel(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		if code == 0 {
			code = sandboxFailed
		}
	}
	return exitError{code}
}

// enter gives this process, and so its children, the sandbox' environment.
func enter(state instance.State) error {
	self, err := os.Executable()
	return errors.Join(
		err,
		os.Setenv("SANDBOX", self),
		os.Setenv("KUBECONFIG", state.Kubeconfig),
		os.Setenv("ROLLOUTGATE_PROMETHEUS_URL", state.Prometheus),
		os.Setenv("SANDBOX_AUDIT_LOG", state.AuditLog),
		os.Setenv("SANDBOX_AUTHENTICATION", state.Authentication),
		os.Setenv("PATH", state.Bin+string(os.PathListSeparator)+os.Getenv("PATH")),
	)
}

// execute runs the command with this process' streams and returns its exit code.
func execute(args []string) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// On a terminal the command must share our process group to read from it, and
	// gets the keyboard's signals by itself. Without one, a group of its own keeps
	// it from seeing a signal twice: sent to the group, and passed on.
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	cmd.SysProcAttr = process.Attributes(!terminal, true)

	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return commandNotFound
		}
		return notExecutable
	}
	done := make(chan struct{})
	defer close(done)
	go pass(signals, cmd.Process, terminal, done)
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		return sandboxFailed
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return killedBySignal + int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// pass hands signals on, except those that a terminal has delivered already.
func pass(signals <-chan os.Signal, to *os.Process, terminal bool, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case s := <-signals:
			if !terminal || s != os.Interrupt && s != syscall.SIGQUIT {
				_ = to.Signal(s)
			}
		}
	}
}
