package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// The time that all who are told of a run may take together at its end, and when it was cancelled: whoever did that is
// about to kill the process.
const (
	sinkBudget          = 10 * time.Second
	cancelledSinkBudget = 2 * time.Second
)

// sink is somebody beyond the console and the report files who is told of a run: people who get a notice, a server that
// keeps history. None of them changes the verdict, the exit code or the undo, and none of them is waited for longer than
// the budget.
type sink struct {
	name string // for a warning
	// event is told of what happens while the run goes on. It must not wait: the run does. Nil: only the end matters.
	event func(gate.Event)
	// finish is told how the run ended, after the verdict was printed, and returns when ctx ends.
	finish func(context.Context, gate.Report) error
}

// newSink makes a sink of what the flags and the config file say. Nil: nobody asked for it. An error is bad input.
type newSink func(o *options, getenv func(string) string) (*sink, error)

// sinkKinds are all sinks. A new one is one file and one row here.
func sinkKinds() []newSink {
	return []newSink{
		noticeSink,
		pushedMetrics,
		traces,
		kubernetesEvents,
	}
}

type sinks []sink

func (p *program) sinks(o *options) (sinks, error) {
	var all sinks
	for _, kind := range append(sinkKinds(), p.moreSinks...) {
		s, err := kind(o, p.getenv)
		if err != nil {
			return nil, err
		}
		if s != nil {
			all = append(all, *s)
		}
	}
	return all, nil
}

func (all sinks) event(e gate.Event) {
	for _, s := range all {
		if s.event != nil {
			s.event(e)
		}
	}
}

// finish tells all of them at once how the run ended. The context is that of the run: its end shortens the budget.
func (all sinks) finish(ctx context.Context, r gate.Report) error {
	budget, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), sinkBudget, errors.New("it took too long"))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.Sleep(cancelledSinkBudget); cancel() })()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		if s.finish == nil {
			continue
		}
		wg.Go(func() {
			if err := s.finish(budget, r); err != nil {
				errs[i] = fmt.Errorf("telling %s of the run: %w", s.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
