//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// terminalSignals are those by which a terminal says that it has another size, and a person that the process is to stop or
// to dump its goroutines.
func terminalSignals() (signals <-chan os.Signal, release func()) {
	c := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGQUIT} {
		if !signal.Ignored(s) || s == syscall.SIGWINCH {
			signal.Notify(c, s)
		}
	}
	return c, func() { signal.Stop(c) }
}

// resizes tells whether a signal says that the terminal has another size.
func resizes(s os.Signal) bool { return s == syscall.SIGWINCH }

// suspend does what a signal does where nobody catches it, and returns when the process goes on. One that nothing stops,
// as the first of a container, goes on after a while.
func suspend(s os.Signal) {
	goesOn := make(chan os.Signal, 1)
	signal.Notify(goesOn, syscall.SIGCONT)
	defer signal.Stop(goesOn)
	if s == syscall.SIGTSTP {
		s = syscall.SIGSTOP // which is not caught
	} else {
		signal.Reset(s)
	}
	_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
	select { // it may take a moment until all threads have stopped
	case <-goesOn:
	case <-time.After(time.Second):
	}
}

// inForeground tells whether the terminal is this process's to draw on, and not that of a shell in front of it.
func inForeground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}
