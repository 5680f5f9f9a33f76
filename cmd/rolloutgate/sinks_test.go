package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

func TestSinksCostAtMostTheirBudget(t *testing.T) {
	hangs := sink{name: "a server that hangs", finish: func(ctx context.Context, _ gate.Report) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	told := 0
	works := sink{name: "one that works", event: func(gate.Event) { told++ }, finish: func(context.Context, gate.Report) error { told++; return nil }}
	fails := sink{name: "one that fails", finish: func(context.Context, gate.Report) error { return errors.New("no such host") }}
	synctest.Test(t, func(t *testing.T) {
		all := sinks{hangs, works, fails}
		all.event(gate.Event{})
		begin := time.Now()
		err := all.finish(t.Context(), gate.Report{})
		if took := time.Since(begin); took != sinkBudget {
			t.Errorf("took %s, the budget is %s", took, sinkBudget)
		}
		if told != 2 {
			t.Errorf("told %d times, want 2", told)
		}
		for _, want := range []string{"telling a server that hangs of the run: it took too long", "telling one that fails of the run: no such host"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		_ = sinks{hangs}.finish(ctx, gate.Report{})
		if took := time.Since(begin); took != cancelledSinkBudget {
			t.Errorf("took %s after a signal, the budget is %s", took, cancelledSinkBudget)
		}
	})
}

// TestSinksWithBugs: a sink that panics is told nothing more, and all others are.
func TestSinksWithBugs(t *testing.T) {
	told := 0
	works := sink{name: "one that works", event: func(gate.Event) { told++ }, finish: func(context.Context, gate.Report) error { told++; return nil }}
	all := sinks{
		{name: "one with a bug", event: func(gate.Event) { panic("a nil map") }},
		{name: "one with a late bug", finish: func(context.Context, gate.Report) error { panic("no such index") }},
		works,
	}
	all.event(gate.Event{})
	all.event(gate.Event{})
	err := all.finish(t.Context(), gate.Report{})
	if told != 3 {
		t.Errorf("told %d times, want 3", told)
	}
	for _, want := range []string{"one with a bug of an event: a bug of rolloutgate: a nil map", "one with a late bug of the run: finishing: a bug of rolloutgate: no such index"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// TestUndoInsistsOnNobody: what is wrong with a sink ends a run before it begins, and is told at the end of an undo.
func TestUndoInsistsOnNobody(t *testing.T) {
	p := &program{getenv: func(string) string { return "" }, moreSinks: []sinkKind{
		{name: "a server", open: func(*options, func(string) string) (*sink, error) { return nil, errors.New("no such file") }},
	}}
	if _, err := p.sinks(&options{command: "run"}); err == nil {
		t.Error("a run begins")
	}
	all, err := p.sinks(&options{command: "undo"})
	if err != nil {
		t.Fatal(err)
	}
	all.event(gate.Event{})
	if err := all.finish(t.Context(), gate.Report{}); err == nil || !strings.Contains(err.Error(), "telling a server of the run: no such file") {
		t.Errorf("an undo says %v", err)
	}
}
