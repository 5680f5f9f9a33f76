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
	name string // for a warning: that of its kind
	// event is told of what happens while the run goes on. It must not wait: the run does. Nil: only the end matters.
	event func(gate.Event)
	// finish is told how the run ended, after the verdict was printed, and returns when ctx ends.
	finish func(context.Context, gate.Report) error
}

// sinkKind is a kind of sink.
type sinkKind struct {
	name string // whom it tells, for a warning
	// each says that there is one for each cluster, where there are several.
	each bool
	// open makes a sink of what the flags and the config file say. Nil: nobody asked for it. An error is bad input.
	open func(o *options, getenv func(string) string) (*sink, error)
}

// sinkKinds are all kinds of sinks. A new one is one file and one row here.
func sinkKinds() []sinkKind {
	return []sinkKind{
		{name: "people", open: noticeSink},
		{name: "Prometheus", open: pushedMetrics},
		{name: "OpenTelemetry", open: traces},
		{name: "Kubernetes", each: true, open: kubernetesEvents},
	}
}

type sinks []sink

// sinks are those that were asked for, and what is wrong with others. An undo is not the moment to insist on an address: it
// goes on, and tells at its end who was not told.
func (p *program) sinks(o *options) (sinks, error) {
	return p.sinksOf(o, func(sinkKind) bool { return true })
}

// sinksOf are those of some kinds.
func (p *program) sinksOf(o *options, wanted func(sinkKind) bool) (sinks, error) {
	var all sinks
	var errs []error
	for _, kind := range append(sinkKinds(), p.moreSinks...) {
		if !wanted(kind) {
			continue
		}
		s, err := kind.open(o, p.getenv)
		switch {
		case err != nil && o.command == "undo":
			s = &sink{finish: func(context.Context, gate.Report) error { return err }}
		case err != nil:
			errs = append(errs, err)
			continue
		case s == nil:
			continue
		}
		s.name = kind.name
		all = append(all, *s)
	}
	return all, errors.Join(errs...)
}

// guarded does what only shows or tells something: a bug in that must not end a run in the middle, with nothing taken back.
func guarded(what string, do func() error) (err error) {
	defer func() {
		if bug := recover(); bug != nil {
			err = fmt.Errorf("%s: a bug of rolloutgate: %v", what, bug)
		}
	}()
	return do()
}

func (all sinks) event(e gate.Event) {
	for i, s := range all {
		if s.event == nil {
			continue
		}
		err := guarded("telling "+s.name+" of an event", func() error { s.event(e); return nil })
		if err != nil { // it is told nothing more
			all[i].event, all[i].finish = nil, func(context.Context, gate.Report) error { return err }
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
			if err := guarded("finishing", func() error { return s.finish(budget, r) }); err != nil {
				errs[i] = fmt.Errorf("telling %s of the run: %w", s.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
