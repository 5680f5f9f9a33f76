package main

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/live"
)

// frameEvery is the shortest time between two pictures, and clockEvery the time between those that only the clock asks for.
const (
	frameEvery = 100 * time.Millisecond
	clockEvery = time.Second
)

// liveOptions say how a terminal is redrawn.
type liveOptions struct {
	View    func() live.View // of the terminal as it is now; without a size nothing is drawn
	Now     func() time.Time // nil: the time of day
	Signals <-chan os.Signal // the terminal has another size, or the process is to be stopped
	// Suspend stops the process as a signal asks for, and returns when it goes on. The screen is left to others before.
	Suspend func(os.Signal)
	// Release ends what Signals needs; nil: that is nothing.
	Release func()
	Hidden  *atomic.Bool // whether the cursor is; nil: nobody wants to know
}

// redrawing shows a run in a block that is redrawn in place. One goroutine draws; what it has not drawn yet is guarded by a
// mutex.
type redrawing struct {
	liveOptions
	c    *console
	kick chan struct{} // holds a token when there may be something to draw
	quit chan struct{}
	done chan struct{}
	end  func()

	mu     sync.Mutex
	state  live.State
	begun  bool
	offset time.Duration // from the time of events to ours
	text   string        // lines that are not on the screen yet
	closed bool
	broken bool // there is no block any more: making it has failed
	screen screen
	view   live.View // of the last picture
}

func redraw(c *console) *redrawing {
	r := &redrawing{
		liveOptions: *c.Live, c: c, state: live.State{Timeout: c.Timeout},
		kick: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	r.end = sync.OnceFunc(func() {
		close(r.quit)
		<-r.done
		if r.Release != nil {
			r.Release()
		}
		r.leave(true)
	})
	go r.loop()
	return r
}

// event takes in what happened, and a line to print above the block, which may be empty.
func (r *redrawing) event(e gate.Event, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.begun {
		r.begun, r.offset = true, r.Now().Sub(e.Time)
	}
	r.safely(func() { r.state.Take(e) })
	switch {
	case r.closed:
		io.WriteString(r.c.w, line)
	case line != "" && len(r.text)+r.c.Unread() > maxUnread:
		r.c.missed++
	case line != "":
		r.text += r.c.skipped() + line
	}
	wake(r.kick)
}

// loop draws what is new, and the clock.
func (r *redrawing) loop() {
	defer close(r.done)
	clock := time.NewTicker(clockEvery)
	defer clock.Stop()
	for {
		select {
		case <-r.quit:
			return
		case s := <-r.Signals:
			r.signalled(s)
		case <-clock.C:
		case <-r.kick:
		}
		if !r.draw() {
			continue
		}
		select { // what comes now is shown in the next picture
		case <-r.quit:
			return
		case <-time.After(frameEvery):
		}
	}
}

// draw shows what has changed and reports whether that was anything. A reader who has not seen the last picture yet is not
// sent another one.
func (r *redrawing) draw() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.c.Unread() > 0 {
		wake(r.kick)
		return true
	}
	view := r.View()
	var block []string
	r.safely(func() { block = r.state.Block(r.Now().Add(-r.offset), view) })
	changed := r.show(block, view != r.view)
	r.view = view
	return changed
}

// safely does a part of making the block. A bug in that leaves the lines, and the run goes on. The caller holds the lock.
func (r *redrawing) safely(do func()) {
	if r.broken {
		return
	}
	if err := guarded("drawing", func() error { do(); return nil }); err != nil {
		r.broken = true
		r.text += "warning: " + printable(err) + "\n"
	}
}

// show puts a block on the screen, and above it the lines that are not there yet. The caller holds the lock.
func (r *redrawing) show(block []string, anew bool) (changed bool) {
	change := r.screen.change(r.text, block, anew)
	r.text = ""
	if change != "" {
		io.WriteString(r.c.w, change)
	}
	if r.Hidden != nil {
		r.Hidden.Store(r.screen.hidden)
	}
	return change != ""
}

// leave gives the screen to others: without a block, with a cursor.
func (r *redrawing) leave(forGood bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.show(nil, false)
	r.closed = forGood
}

// signalled takes a signal. For one that does not only say that the terminal has another size, the process is stopped; the
// run does not wait for that.
func (r *redrawing) signalled(s os.Signal) {
	if !resizes(s) {
		r.leave(false)
		r.Suspend(s)
	}
}

// close leaves the screen for good. What is told of later is printed as it comes.
func (r *redrawing) close() { r.end() }
