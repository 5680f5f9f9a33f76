package gate

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// Phase is what a run is doing.
type Phase int

// The phases, in the order in which a bad run passes them. A good one goes from Watching to Reporting.
const (
	Planning   Phase = iota // asks what would change, and whether the criteria hold now; writes nothing
	Writing                 // writes the objects of a stage
	Watching                // follows and judges the rollout, criteria included
	Explaining              // reads the evidence that the undo will destroy
	Undoing                 // takes the writes back
	Verifying               // watches the old version return
	Rechecking              // asks the criteria whether the undo has helped
	Reporting               // reads the course of the criteria for the report
)

// Response is what something from outside does to a phase.
type Response int

// The responses. Whatever ends a phase, the run still reports.
const (
	GoOn     Response = iota // nothing: the phase ends by itself
	CutShort                 // the phase ends, and the run goes on with what follows it
	Judge                    // the phase ends with a verdict: the rollout did not finish in time
	TakeBack                 // the phase ends; what was written is taken back, nothing else is done before
	Stop                     // the phase ends, and the run with it: there is nothing to take back
	Yield                    // the phase ends, and the run with it: what it wrote is another run's now
	Abandon                  // everything ends at once, an undo too
)

// interruption is what can come from outside.
type interruption int

const (
	timeUp interruption = iota // the phase's own time is over
	firstSignal
	secondSignal
	thirdSignal
	lockLost
	calledOff
)

// responses says, for each phase, what its time being up, a first, a second and a third signal, a lost lock, and being called off
// mean in it. A first signal always leads to the undo's writes: what is cut short is what comes before and after them. A second
// signal is impatience and skips nothing that matters; whoever sends a third wants the process gone. A run that is called off, as
// a part of a larger one, has all the time that its undo takes.
var responses = [...][6]Response{
	//           time is up  first     second    third    lock lost  called off
	Planning:   {Stop, Stop, Stop, Abandon, Stop, Stop},
	Writing:    {Judge, TakeBack, TakeBack, Abandon, Yield, TakeBack},
	Watching:   {Judge, TakeBack, TakeBack, Abandon, Yield, TakeBack},
	Explaining: {CutShort, CutShort, CutShort, Abandon, CutShort, CutShort},
	Undoing:    {CutShort, GoOn, GoOn, Abandon, Yield, GoOn},
	Verifying:  {CutShort, CutShort, CutShort, Abandon, Yield, GoOn},
	Rechecking: {CutShort, CutShort, CutShort, Abandon, CutShort, GoOn},
	Reporting:  {CutShort, CutShort, CutShort, Abandon, GoOn, GoOn},
}

// Cancelled is why a run's context ended: by a signal.
type Cancelled struct{ Signal syscall.Signal }

func (c Cancelled) Error() string { return "cancelled by " + c.Signal.String() }

// CalledOffError is why a run's context ended: not by a signal, but because another part of a larger run was bad. What the run
// has written is taken back, and watched until it is back.
type CalledOffError struct{ Why string }

func (e *CalledOffError) Error() string { return "called off: " + e.Why }

// errTimeUp is why the context of a phase ended: by its own time.
var errTimeUp = errors.New("the time is up")

// course follows a run through its phases. It hears the signals at any time, whatever the run is waiting for, and ends
// the present phase when the table says so. A phase that is entered after a signal is answered by the same table: it
// may be over before it begins.
type course struct {
	root context.Context // outlives every signal: only the phases end
	stop func()

	mu      sync.Mutex
	phase   Phase
	end     context.CancelCauseFunc // ends the present phase
	signals []syscall.Signal
	lost    error // why the lock is not this run's any more; nil while it is
	off     error // a *CalledOffError; nil while the run goes on
}

// newCourse begins to listen. That the caller cancels the context is the first signal, and signals are the later ones; unless it
// is cancelled with a *CalledOffError, which is none.
func newCourse(ctx context.Context, signals <-chan os.Signal) *course {
	root, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &course{root: root, end: func(error) {}}
	done := make(chan struct{})
	c.stop = func() { cancel(); <-done }
	before := ctx.Err() != nil
	if before {
		c.ended(context.Cause(ctx)) // and not some time during the first phase
	}
	go func() {
		defer close(done)
		if !before {
			select {
			case <-root.Done():
				return
			case <-ctx.Done():
				c.ended(context.Cause(ctx))
			}
		}
		for {
			select {
			case <-root.Done():
				return
			case s, open := <-signals:
				if !open {
					signals = nil
					continue
				}
				c.hear(s.(syscall.Signal))
			}
		}
	}()
	return c
}

// signalOf is the signal in the cause of a cancelled context; a caller that names none asked politely.
func signalOf(cause error) syscall.Signal {
	var c Cancelled
	if errors.As(cause, &c) {
		return c.Signal
	}
	return syscall.SIGTERM
}

// ended takes in why the context of the run was cancelled.
func (c *course) ended(cause error) {
	var off *CalledOffError
	if !errors.As(cause, &off) {
		c.hear(signalOf(cause))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = off
	c.respond()
}

func (c *course) hear(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signals = append(c.signals, s)
	c.respond()
}

// respond ends the present phase if the signals so far mean that. The caller holds the lock.
func (c *course) respond() {
	if c.lost != nil && responses[c.phase][lockLost] != GoOn {
		c.end(c.lost)
	}
	if n := len(c.signals); n > 0 && responses[c.phase][min(n, int(thirdSignal))] != GoOn {
		c.end(Cancelled{c.signals[0]})
	}
	if c.off != nil && responses[c.phase][calledOff] != GoOn {
		c.end(c.off)
	}
}

// lose says that another run has the lock now.
func (c *course) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = err
	c.respond()
}

// yielded is why the run must not write any more; nil while it may.
func (c *course) yielded() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// enter begins a phase. Its context ends by the caller's release, after the budget, or by a signal that means that; the
// cause says which. A budget of zero is none.
func (c *course) enter(p Phase, budget time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(c.root)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.end = p, cancel
	c.respond()
	release := func() { cancel(nil) }
	if budget <= 0 {
		return ctx, release
	}
	limited, timer := context.WithTimeoutCause(ctx, budget, errTimeUp)
	return limited, func() { timer(); cancel(nil) }
}

// cancelled is the first signal; ok is false when there was none.
func (c *course) cancelled() (s syscall.Signal, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.signals) == 0 {
		return 0, false
	}
	return c.signals[0], true
}

// response is what ended a phase's context, by the table.
func (c *course) response(ctx context.Context, p Phase) Response {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return GoOn
	case errors.Is(cause, errTimeUp):
		return responses[p][timeUp]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil && errors.Is(context.Cause(ctx), c.lost) {
		return responses[p][lockLost]
	}
	if c.off != nil && errors.Is(context.Cause(ctx), c.off) {
		return responses[p][calledOff]
	}
	return responses[p][min(max(len(c.signals), 1), int(thirdSignal))]
}

// calledOff is why the run was called off; nil while it was not, and when a signal has cancelled it as well.
func (c *course) calledOff() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.signals) > 0 {
		return nil
	}
	return c.off
}
