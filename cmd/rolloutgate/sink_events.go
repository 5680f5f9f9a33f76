package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// oneEvent is how long the API server may take for one Event.
const oneEvent = 5 * time.Second

// maxToldText is how much of a cause an Event has, in characters.
const maxToldText = 400

// kubernetesEvents says on the workloads of a run, by Events, that it has begun and how it has ended.
func kubernetesEvents(o *options, _ func(string) string) (*sink, error) {
	if !o.events {
		return nil, nil
	}
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	t := newTeller(client.Tell)
	return &sink{event: t.event, finish: t.finish}, nil
}

// teller writes Events, one after the other, beside the run.
type teller struct {
	tell  func(context.Context, cluster.Told) error
	queue chan cluster.Told
	ended chan struct{} // closed when all are written, or none will be
	err   error         // why none is written any more; read it when ended is closed

	mu    sync.Mutex
	begun []manifest.Ref // the workloads that were told that the run has begun
}

// maxUntold is how many Events may wait. A run has three for each workload.
const maxUntold = 1000

func newTeller(tell func(context.Context, cluster.Told) error) *teller {
	t := &teller{tell: tell, queue: make(chan cluster.Told, maxUntold), ended: make(chan struct{})}
	go t.work()
	return t
}

// work writes what is queued, until the queue is closed. An account that may not write one may not write the others.
func (t *teller) work() {
	defer close(t.ended)
	for told := range t.queue {
		if t.err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), oneEvent)
		t.err = guarded("writing an Event", func() error { return t.tell(ctx, told) })
		cancel()
	}
}

func (t *teller) add(told cluster.Told) {
	select {
	case t.queue <- told:
	default: // nobody reads so many
	}
}

// event is told what the run does.
func (t *teller) event(e gate.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch p := e.Payload.(type) {
	case gate.Applied:
		k, known := rollout.KindOf(e.Object.GroupKind())
		if known && k.Replaces && !slices.Contains(t.begun, e.Object) {
			t.begun = append(t.begun, e.Object)
			t.add(cluster.Told{Workload: e.Object, Reason: "RolloutStarted", Message: "rolloutgate has " + report.EventText(e) + " it and watches its rollout"})
		}
	case gate.Judged:
		for _, ref := range t.begun {
			t.add(judged(ref, p, e))
		}
	}
}

// judged says what the verdict on the rollout of a workload is.
func judged(ref manifest.Ref, p gate.Judged, e gate.Event) cluster.Told {
	text := report.Sanitize(report.EventText(e), 1, maxToldText)
	switch p.Outcome {
	case gate.Passed:
		return cluster.Told{Workload: ref, Reason: "RolloutPassed", Message: text}
	case gate.Parked:
		return cluster.Told{Workload: ref, Reason: "RolloutParked", Message: text}
	case gate.Interrupted, gate.Terminated:
		return cluster.Told{Workload: ref, Reason: "RolloutCancelled", Message: text}
	case gate.Rejected:
		return cluster.Told{Workload: ref, Reason: "RolloutRejected", Message: text}
	case gate.Superseded:
		return cluster.Told{Workload: ref, Reason: "RolloutSuperseded", Message: text}
	case gate.Inconclusive:
		return cluster.Told{Workload: ref, Reason: "RolloutInconclusive", Message: text, Warning: true}
	}
	return cluster.Told{Workload: ref, Reason: "RolloutFailed", Message: text, Warning: true}
}

// finish says what was undone, and waits until everything is written.
func (t *teller) finish(ctx context.Context, r gate.Report) error {
	if r.Undo != nil {
		for _, o := range r.Undo.Objects {
			t.add(undone(o, r))
		}
	}
	close(t.queue)
	select {
	case <-t.ended:
		return t.err
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx))
	}
}

// undone says what became of a workload in the undo.
func undone(o gate.Undone, r gate.Report) cluster.Told {
	text := report.Sanitize(fmt.Sprintf("%s by rolloutgate run %s: %s; the undo is %s", o.Action, r.Run.ID, o.Result, r.Undo.Result), 1, maxToldText)
	if o.Result == "ok" && r.Undo.Result == gate.UndoVerified {
		return cluster.Told{Workload: o.Object, Reason: "RolloutUndone", Message: text}
	}
	return cluster.Told{Workload: o.Object, Reason: "RolloutUndoFailed", Message: text, Warning: true}
}
