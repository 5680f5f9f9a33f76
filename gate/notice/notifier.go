package notice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// What is said while a run goes on: how many messages may wait, and how long one may take. Nobody waits for them.
const (
	maxQueued = 16
	eventTime = time.Minute
)

// Notifier tells the receivers of one run. Event never waits, and may be called from any goroutine.
type Notifier struct {
	receivers []Receiver
	run       gate.Run // as far as it is known before it begins

	mu     sync.Mutex
	parts  map[string]gate.Run // where each part is of a run in several clusters
	queue  chan Message        // nil until the first message
	done   chan struct{}
	stop   context.CancelFunc
	ended  bool
	warned bool // there is one early warning a run
	errs   []error
}

// New makes a notifier. The run is what is known of it before it begins: where, and which pipeline.
func New(receivers []Receiver, run gate.Run) *Notifier {
	return &Notifier{receivers: receivers, run: run}
}

// Event tells people of an event that they may want to know at once: a stage waits for them, or the first sign of trouble. It
// hands the message to a goroutine and returns.
func (n *Notifier) Event(e gate.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run.Started.IsZero() {
		n.run.Started = e.Time
	}
	if p, is := e.Payload.(gate.Started); is && e.Cluster == "" {
		n.run.ID = p.Run
	} else if is {
		part := n.run
		part.Namespace, part.Context = p.Namespace, p.Context
		if n.parts == nil {
			n.parts = map[string]gate.Run{}
		}
		n.parts[e.Cluster] = part
	}
	run := n.run
	if part, known := n.parts[e.Cluster]; known {
		run = part
	}
	m, is := ofEvent(e, run)
	early := slices.Contains(m.Occasions, EarlyWarning)
	if !is || n.ended || early && n.warned || !n.wanted(m) {
		return
	}
	n.warned = n.warned || early
	if n.queue == nil {
		n.begin()
	}
	select {
	case n.queue <- m:
	default:
		n.errs = append(n.errs, fmt.Errorf("%q was not sent: too many messages wait", m.Title))
	}
}

// wanted tells whether anybody asked for a message.
func (n *Notifier) wanted(m Message) bool {
	return slices.ContainsFunc(n.receivers, func(r Receiver) bool { return m.isFor(r.On) })
}

// begin starts the goroutine that sends what is queued.
func (n *Notifier) begin() {
	ctx, stop := context.WithCancelCause(context.Background())
	queue, done := make(chan Message, maxQueued), make(chan struct{})
	n.queue, n.done, n.stop = queue, done, func() { stop(errors.New("the run has ended")) }
	go func() {
		defer close(done)
		for m := range queue {
			one, cancel := context.WithTimeoutCause(ctx, eventTime, errors.New("no answer in time"))
			err := send(one, n.receivers, m)
			cancel()
			n.mu.Lock()
			n.errs = append(n.errs, err)
			n.mu.Unlock()
		}
	}()
}

// Finish tells how the run ended, and returns when everybody was told or ctx ends, also of what was still queued. It is called
// once.
func (n *Notifier) Finish(ctx context.Context, r gate.Report) error {
	n.mu.Lock()
	n.ended = true
	if n.queue != nil {
		close(n.queue)
	}
	n.mu.Unlock()
	err := send(ctx, n.receivers, OfReport(r))
	if n.queue != nil {
		select {
		case <-n.done:
		case <-ctx.Done():
		}
		n.stop()
		<-n.done
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(append(n.errs, err)...)
}

// send tells all who asked for it, at once.
func send(ctx context.Context, receivers []Receiver, m Message) error {
	errs := make([]error, len(receivers))
	var wg sync.WaitGroup
	for i, r := range receivers {
		if m.isFor(r.On) {
			wg.Go(func() { errs[i] = r.Send(ctx, m) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Wants tells whether a receiver asked for a message.
func (r Receiver) Wants(m Message) bool { return m.isFor(r.On) }

// Send sends a message to one receiver, whatever it asked for. The error has no secrets; it is an [*Error] where a server
// or the network is the reason. A bug in a sender is an error, too: it may send while a run goes on, which is not to end in
// the middle.
func (r Receiver) Send(ctx context.Context, m Message) (err error) {
	defer func() {
		if bug := recover(); bug != nil {
			err = fmt.Errorf("%s: a bug of rolloutgate: %v", r.Name, bug)
		}
	}()
	if err := r.sender.send(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	return nil
}
