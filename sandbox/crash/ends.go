package main

import (
	"context"
	"net/http"
	"syscall"
	"time"
)

// end is something that happens to a run at one of its writes.
type end struct {
	name  string
	about string
	leads leads
	// strike does it and returns what becomes of the write. Meanwhile nothing of the process passes the relay.
	strike func(strike) fate
}

// strike is what an end is done to.
type strike struct {
	ctx     context.Context
	process *process
	after   bool // the write was carried out
	short   bool
}

// leads is what a run may make of an end.
type leads int

const (
	dies       leads = iota // it is gone, and has said nothing
	interrupts              // it goes on to its undo, and says that it was cancelled by SIGINT
	terminates              // the same with SIGTERM or SIGHUP
	hurries                 // it is interrupted, and killed when that takes too long
	bears                   // it ends as if nothing had been
	stumbles                // it gets over it, or gives up and takes everything back
	sleeps                  // it is stopped for a while
)

const (
	notice = 100 * time.Millisecond // in which a process hears a signal

	// GitHub's runner sends SIGINT to a step that is cancelled, then these.
	untilTerm = 7500 * time.Millisecond
	untilKill = 2500 * time.Millisecond

	asleep  = 90 * time.Second // longer than any lease is valid
	stalled = 30 * time.Second // longer than a client waits for one write
	restart = 5 * time.Second
)

// ends are what can happen. Each is one row of the table.
func ends() []end {
	answer := func(status int, reason string) func(strike) fate {
		return func(strike) fate { return fate{status: status, reason: reason} }
	}
	return []end{
		{"SIGKILL", "the process is killed", dies, func(s strike) fate {
			s.process.kill()
			return fate{reset: true}
		}},
		{"SIGINT", "Ctrl-C", interrupts, signals(syscall.SIGINT)},
		{"SIGTERM", "what GitLab and Kubernetes send", terminates, signals(syscall.SIGTERM)},
		{"GitHub", "SIGINT to all of the group, SIGTERM 7.5 s later, SIGKILL 2.5 s after that", hurries, func(s strike) fate {
			s.process.signalGroup(syscall.SIGINT)
			time.AfterFunc(untilTerm, func() { s.process.signalGroup(syscall.SIGTERM) })
			time.AfterFunc(untilTerm+untilKill, func() { s.process.signalGroup(syscall.SIGKILL) })
			time.Sleep(notice)
			return fate{}
		}},
		{"SIGHUP", "the terminal is gone", terminates, signals(syscall.SIGHUP)},
		{"stdout", "whoever reads its output leaves", bears, func(s strike) fate {
			s.process.closeStdout()
			return fate{}
		}},
		{"SIGSTOP", "it is stopped for 90 s, or until another process has taken over (`--short`), and then goes on", sleeps, stop},
		{"reset", "the connection is reset, and all that is under way on it", stumbles, func(strike) fate { return fate{reset: true} }},
		{"429", "too many requests, with Retry-After", stumbles, answer(http.StatusTooManyRequests, "TooManyRequests")},
		{"500", "the API server answers with an error of its own", stumbles, answer(http.StatusInternalServerError, "InternalError")},
		{"503", "something before the API server is not available", stumbles, answer(http.StatusServiceUnavailable, "ServiceUnavailable")},
		{"410", "every watch ends, and the next one is told that it is too old", bears, func(s strike) fate {
			s.process.relay.expire()
			return fate{}
		}},
		{"stall", "nothing passes for 30 s", stumbles, func(s strike) fate {
			wait(s.ctx, stalled)
			return fate{}
		}},
		{"restart", "all connections are reset, and all new ones for 5 s", stumbles, func(s strike) fate {
			s.process.relay.refuse(restart)
			return fate{reset: true}
		}},
	}
}

// signals sends a signal and gives the process a moment to hear it before the world goes on.
func signals(signal syscall.Signal) func(strike) fate {
	return func(s strike) fate {
		s.process.signal(signal)
		time.Sleep(notice)
		return fate{}
	}
}

// stop stops the process. A write that was not carried out never is: the connection does not live for so long. Who plays
// the short form lets the process go on.
func stop(s strike) fate {
	s.process.signal(syscall.SIGSTOP)
	if !s.short {
		time.AfterFunc(asleep, func() { s.process.signalGroup(syscall.SIGCONT) })
	}
	return fate{reset: !s.after}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
