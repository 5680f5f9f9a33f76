package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// reader takes what an outlet hands over, as far as take lets it.
type reader struct {
	mu   sync.Mutex
	got  bytes.Buffer
	take func(p []byte) (int, error)
}

func (r *reader) Write(p []byte) (int, error) {
	n, err := r.take(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got.Write(p[:n])
	return n, err
}

func (r *reader) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

func TestOutletNeverWaits(t *testing.T) {
	reading := make(chan struct{})
	r := &reader{take: func(p []byte) (int, error) { <-reading; return len(p), nil }}
	o := newOutlet(r, nil)
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", 200))
		want.WriteString(line)
		if n, err := o.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := o.drain(t.Context(), 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "nobody read the last") {
		t.Errorf("a reader who does not read: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.drain(cancelled, time.Hour); err == nil {
		t.Error("a cancelled run waited for its reader")
	}
	close(reading)
	if err := o.drain(t.Context(), 10*time.Second); err != nil || r.text() != want.String() {
		t.Errorf("%v; %d bytes of %d arrived", err, len(r.text()), want.Len())
	}
}

func TestOutletOutlivesItsReader(t *testing.T) {
	r := &reader{take: func([]byte) (int, error) { return 0, syscall.EPIPE }}
	broken := make(chan error, 10)
	o := newOutlet(r, func(err error) { broken <- err })
	for range 3 {
		if _, err := o.Write([]byte("text")); err != nil {
			t.Fatal(err)
		}
		if err := o.drain(t.Context(), time.Second); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("drained with %v", err)
		}
	}
	if err := <-broken; !errors.Is(err, syscall.EPIPE) || len(broken) > 0 {
		t.Errorf("told of %v, and %d more", err, len(broken))
	}
}

// What passes is waited for, and nothing is lost or written twice: also not the part of a piece that arrived.
func TestOutletTriesAgain(t *testing.T) {
	for _, trouble := range []error{syscall.EAGAIN, syscall.ENOSPC} {
		attempts := 0
		r := &reader{take: func(p []byte) (int, error) {
			if attempts++; attempts < 3 {
				return 1, trouble
			}
			return len(p), nil
		}}
		o := newOutlet(r, func(err error) { t.Error(err) })
		fmt.Fprint(o, "some text")
		time.Sleep(3 * retryEvery)
		if err := o.drain(t.Context(), time.Minute); err != nil || r.text() != "some text" {
			t.Errorf("%v: %v, %q", trouble, err, r.text())
		}
	}
}

func TestFullDiskIsNotWaitedFor(t *testing.T) {
	r := &reader{take: func([]byte) (int, error) { return 0, syscall.ENOSPC }}
	o := newOutlet(r, nil)
	fmt.Fprint(o, "some text")
	time.Sleep(retryEvery / 2)
	before := time.Now()
	if err := o.drain(t.Context(), time.Minute); !errors.Is(err, syscall.ENOSPC) || time.Since(before) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(before))
	}
}

// After what is lost nothing more is printed: on a CI log, the rest may depend on it.
func TestOutletIsBounded(t *testing.T) {
	reading := make(chan struct{})
	r := &reader{take: func(p []byte) (int, error) { <-reading; return len(p), nil }}
	o := newOutlet(r, nil)
	for range 20 {
		o.Write(make([]byte, 1<<20))
	}
	fmt.Fprint(o, "and a little more")
	if err := o.failure(); !errors.Is(err, errBacklog) || o.waiting() != 0 {
		t.Errorf("%v; %d bytes wait", err, o.waiting())
	}
	close(reading)
	time.Sleep(50 * time.Millisecond)
	if strings.Contains(r.text(), "more") {
		t.Error("text was printed after a gap")
	}
}

// TestOutletKeepsLinesWhole: a process that is killed between two pieces has handed over no half of a line.
func TestOutletKeepsLinesWhole(t *testing.T) {
	reading := make(chan struct{})
	pieces := make(chan string, 100)
	r := &reader{take: func(p []byte) (int, error) {
		<-reading
		pieces <- string(p)
		return len(p), nil
	}}
	o := newOutlet(r, nil)
	for i := range 1000 {
		fmt.Fprintf(o, "line %d %s\n", i, strings.Repeat("x", i%300))
	}
	fmt.Fprint(o, strings.Repeat("y", 3*pieceSize), "\n")
	close(reading)
	if err := o.drain(t.Context(), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	close(pieces)
	whole := 0
	for piece := range pieces {
		if strings.Contains(piece, "y") {
			continue // longer than any piece
		}
		if whole++; !strings.HasSuffix(piece, "\n") {
			t.Errorf("a piece ends with %q", piece[max(0, len(piece)-20):])
		}
	}
	if whole < 3 {
		t.Errorf("%d pieces", whole)
	}
}

// lateWriter is a log that takes its time.
type lateWriter struct {
	mu  sync.Mutex
	log *strings.Builder
}

func (l *lateWriter) Write(p []byte) (int, error) {
	time.Sleep(20 * time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

// TestInOrder: two streams that end in one log keep their order where it matters.
func TestInOrder(t *testing.T) {
	l := &lateWriter{log: &strings.Builder{}}
	first, second := newOutlet(l, nil), newOutlet(l.log, nil)
	fmt.Fprintln(first, "error: why")
	inOrder(t.Context(), first)
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(second, "the verdict")
	inOrder(t.Context(), second)
	if got := l.log.String(); got != "error: why\nthe verdict\n" {
		t.Errorf("the log has %q", got)
	}
}
