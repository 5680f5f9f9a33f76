package notice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// recorder is a sender that takes its time.
type recorder struct {
	takes time.Duration
	err   error
	mu    sync.Mutex
	got   []string
}

func (r *recorder) send(ctx context.Context, m Message) error {
	select {
	case <-time.After(r.takes):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, m.Title)
	return r.err
}

// titles are those of the messages that it has taken.
func (r *recorder) titles() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func asked(stage string) gate.Event {
	return gate.NewEvent(time.Now(), manifest.Ref{}, gate.Asked{Stage: stage, Run: "X", Limit: time.Hour})
}

func breach(name string) gate.Event {
	return gate.NewEvent(time.Now(), manifest.Ref{}, gate.Measured{Criterion: name, State: analysis.Breach})
}

func TestNotifier(t *testing.T) {
	failed := reports(t)["failed-image"]
	synctest.Test(t, func(t *testing.T) {
		all, few, broken := &recorder{takes: time.Second}, &recorder{}, &recorder{err: errors.New("no such host")}
		n := New([]Receiver{{"a", Occasions(), all}, {"b", []Occasion{Passed}, few}, {"c", []Occasion{ApprovalNeeded}, broken}}, gate.Run{Namespace: "shop"})
		begin := time.Now()
		for _, e := range []gate.Event{breach("errors"), breach("latency"), asked("canary"), {Payload: gate.Waiting{}}} {
			n.Event(e)
		}
		if time.Since(begin) > 0 {
			t.Error("an event was waited for")
		}
		time.Sleep(time.Minute)
		err := n.Finish(t.Context(), failed)
		want := []string{"early warning: rollout in shop: criterion errors", "rollout in shop waits for approval: stage canary", "deployment/web in shop failed and was undone"}
		if !slices.Equal(all.titles(), want) {
			t.Errorf("got %q, want %q", all.titles(), want)
		}
		if len(few.titles()) > 0 || len(broken.titles()) != 1 {
			t.Errorf("the others got %q and %q", few.titles(), broken.titles())
		}
		if fmt.Sprint(err) != "c: no such host" {
			t.Error(err)
		}
		n.Event(asked("late")) // nobody is told any more
	})
}

// TestNobodyWaits: not the run for messages, and not its end for longer than it may.
func TestNobodyWaits(t *testing.T) {
	passed := reports(t)["passed"]
	synctest.Test(t, func(t *testing.T) {
		hangs, works := &recorder{takes: 24 * time.Hour}, &recorder{}
		n := New([]Receiver{{"hangs", Occasions(), hangs}, {"works", []Occasion{Passed}, works}}, gate.Run{})
		begin := time.Now()
		for i := range 50 {
			n.Event(asked(fmt.Sprint(i)))
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errors.New("it took too long"))
		defer cancel()
		err := n.Finish(ctx, passed)
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
		if len(works.titles()) != 1 {
			t.Errorf("who works got %q", works.titles())
		}
		for _, want := range []string{"too many messages wait", "hangs: it took too long", "hangs: the run has ended"} {
			if !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) { // a message that hangs does not keep those after it for ever
		slow := &recorder{takes: 50 * time.Second}
		n := New([]Receiver{{"slow", Occasions(), slow}}, gate.Run{})
		n.Event(asked("a"))
		n.Event(asked("b"))
		time.Sleep(3 * time.Minute)
		if len(slow.titles()) != 2 {
			t.Errorf("got %q", slow.titles())
		}
		if err := n.Finish(t.Context(), passed); err != nil {
			t.Error(err)
		}
	})
}

// TestNobodyAsked: who wants nothing of what happens costs nothing.
func TestNobodyAsked(t *testing.T) {
	n := New([]Receiver{{"a", []Occasion{Passed}, &recorder{}}}, gate.Run{})
	n.Event(breach("errors"))
	n.Event(asked("canary"))
	if n.queue != nil {
		t.Error("a goroutine was started")
	}
	if err := n.Finish(t.Context(), reports(t)["failed-image"]); err != nil {
		t.Error(err)
	}
}

// broken is a sender with a bug.
type broken struct{}

func (broken) send(context.Context, Message) error { panic("no such channel") }

// TestSenderWithABug: it is an error of its receiver, and ends nothing.
func TestSenderWithABug(t *testing.T) {
	n := New([]Receiver{{Name: "notify[0] (broken)", On: Occasions(), sender: broken{}}}, gate.Run{})
	n.Event(gate.NewEvent(time.Unix(1, 0), manifest.Ref{}, gate.Asked{Stage: "canary", Run: "X"}))
	err := n.Finish(t.Context(), gate.Report{Exit: gate.Exit{Code: 10, Name: "failed"}})
	if got := strings.Count(fmt.Sprint(err), "notify[0] (broken): a bug of rolloutgate: no such channel"); got != 2 {
		t.Errorf("%d of 2 messages say what went wrong: %v", got, err)
	}
}
