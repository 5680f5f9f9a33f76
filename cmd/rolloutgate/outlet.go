package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

// Whoever reads the output decides nothing about the cluster. A reader that is slow, stopped or gone, and a full disk,
// neither hold a run up nor end it: what is printed waits in memory, and another goroutine hands it to the reader.

const (
	// maxBacklog is how much may wait for a reader, in bytes. A run prints less unless its diffs are huge.
	maxBacklog = 16 << 20
	// pieceSize is how much is handed over at once, in bytes: a reader that takes this much is alive.
	pieceSize = 32 << 10
	// retryEvery is the time between two attempts to write what could not be written for now.
	retryEvery = 200 * time.Millisecond
)

// The time that the end of a process waits for a reader who takes nothing, for one who takes little, and for either when
// the run was cancelled: whoever did that is about to kill it.
const (
	idlePatience      = 5 * time.Second
	slowPatience      = time.Minute
	cancelledPatience = time.Second
)

// orderPatience is how long what is printed next may wait for what was printed to another stream.
const orderPatience = 200 * time.Millisecond

// errBacklog is why nothing more is printed for a reader who is too slow.
var errBacklog = fmt.Errorf("nobody reads it: %d MiB wait", maxBacklog>>20)

// outlet is a writer that never waits and never fails. What it takes reaches the reader in order, without gaps: after
// the first piece that is lost, nothing more is written. Its methods may be called from any goroutine.
type outlet struct {
	w      io.Writer
	broken func(error) // called once when nothing more will be written; nil: nobody wants to know

	mu      sync.Mutex
	backlog []byte
	err     error         // why nothing more is written
	trouble error         // of the last attempt, which will be repeated
	more    chan struct{} // holds a token when there may be something to write
	moved   chan struct{} // holds a token when something was written, or never will be
	told    chan struct{} // closed when broken was called and has returned
}

// newOutlet begins to hand over to w what it is given.
func newOutlet(w io.Writer, broken func(error)) *outlet {
	o := &outlet{w: w, broken: broken, more: make(chan struct{}, 1), moved: make(chan struct{}, 1), told: make(chan struct{})}
	go o.pump()
	return o
}

// Write takes a copy of p. It always succeeds: who prints has nothing to decide by a failure.
func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	if o.err == nil && len(o.backlog)+len(p) > maxBacklog {
		o.fail(errBacklog)
	}
	if o.err == nil {
		o.backlog = append(o.backlog, p...)
	}
	o.mu.Unlock()
	wake(o.more)
	return len(p), nil
}

// waiting is how many bytes the reader has not taken yet.
func (o *outlet) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.backlog)
}

// failure is why nothing more will be written; nil as long as the reader may still take everything.
func (o *outlet) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// fail drops what waits and whatever comes. The caller holds the lock.
func (o *outlet) fail(err error) {
	o.err, o.backlog = err, nil
	go func() { // it may print to another outlet, or to this one
		defer close(o.told)
		if o.broken != nil {
			o.broken(err)
		}
	}()
	wake(o.moved)
}

// pump hands over what waits, for the life of the process.
func (o *outlet) pump() {
	for range o.more {
		for o.handOver() {
		}
	}
}

// handOver writes one piece, and tells whether there is more to do.
func (o *outlet) handOver() bool {
	o.mu.Lock()
	piece := wholeLines(o.backlog[:min(len(o.backlog), pieceSize)])
	o.mu.Unlock()
	if len(piece) == 0 {
		return false
	}
	n, err := o.w.Write(piece)
	o.mu.Lock()
	if o.err != nil {
		o.mu.Unlock()
		return false
	}
	o.backlog, o.trouble = o.backlog[n:], nil
	if len(o.backlog) == 0 {
		o.backlog = nil
	}
	if n > 0 {
		wake(o.moved)
	}
	if err != nil && !passes(err) {
		o.fail(err)
	} else if err != nil {
		o.trouble = err
	}
	again := o.err == nil
	o.mu.Unlock()
	if again && err != nil {
		time.Sleep(retryEvery)
	}
	return again
}

// wholeLines leaves out the beginning of a last line, where there are others: a process that is killed after it has handed
// them over leaves no half of a line.
func wholeLines(piece []byte) []byte {
	if end := bytes.LastIndexByte(piece, '\n'); end >= 0 {
		return piece[:end+1]
	}
	return piece
}

// passes tells whether a write may succeed later: another process has made the pipe non-blocking, as some programs do
// with the terminal that they share with us, or a disk is full.
func passes(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// drain waits until the reader has taken everything, until it has taken nothing for the time idle, or until ctx ends. The
// error says why something is missing.
func (o *outlet) drain(ctx context.Context, idle time.Duration) error {
	if o.onFullDisk() { // which does not become empty by waiting
		idle = min(idle, 2*retryEvery)
	}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		if err := o.failure(); err != nil {
			select {
			case <-o.told: // so that what it prints is not lost with the process
			case <-ctx.Done():
			}
			return err
		}
		if o.waiting() == 0 {
			return nil
		}
		select {
		case <-o.moved:
			timer.Reset(idle)
		case <-timer.C:
			return o.unread(idle)
		case <-ctx.Done():
			return o.unread(idle)
		}
	}
}

// inOrder waits for a moment until the reader of a stream has everything: where two streams end in one log, what is printed to the
// other one next stands behind it, and the last line of a run is its verdict.
func inOrder(ctx context.Context, w io.Writer) {
	if o, ok := w.(*outlet); ok {
		_ = o.drain(ctx, orderPatience) // or it stands where it stands
	}
}

func (o *outlet) onFullDisk() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return errors.Is(o.trouble, syscall.ENOSPC) || errors.Is(o.trouble, syscall.EDQUOT)
}

// unread is the error of a reader who did not take everything in time.
func (o *outlet) unread(waited time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.trouble != nil {
		return o.trouble
	}
	return fmt.Errorf("nobody read the last %d bytes of it within %s", len(o.backlog), waited)
}

// wake puts a token into a channel that holds one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
