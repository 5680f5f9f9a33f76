package analysis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Measurement is one step of a run, for progress output.
type Measurement struct {
	Point Point
	// Result is the criterion's result so far. Its verdict is inconclusive
	// until the window ends, unless the criterion has failed.
	Result Result
}

// maxConcurrent bounds the queries that run at the same time, so that a gate
// with many criteria is not a burst for the server.
const maxConcurrent = 4

// Run measures every criterion by the timing and returns their results in
// the same order. It reports each measurement to observe, which may be nil,
// and which is never called twice at once.
//
// The first criterion that fails ends the run: the others are still measured
// as often as that one was, and what has no verdict then is inconclusive. Where only the last measurement of a window keeps it from a
// verdict, a few more follow ([Timing.Longest]).
//
// A context that ends makes every unfinished criterion inconclusive. There is
// no error to return: a querier that fails all the time yields results with
// the verdict error.
func Run(ctx context.Context, q Querier, criteria []Criterion, timing Timing, observe func(Measurement)) []Result {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := run{
		querier: q,
		timing:  timing.resolved(),
		running: running,
		stop:    stop,
		slots:   make(chan struct{}, maxConcurrent),
		seen:    make(chan Measurement),
	}
	r.start = time.Now().Add(r.timing.Settle)

	results := make([]Result, len(criteria))
	var watching sync.WaitGroup
	for i, c := range criteria {
		watching.Go(func() { results[i] = r.watch(ctx, c) })
	}
	go func() {
		watching.Wait()
		close(r.seen)
	}()
	for m := range r.seen {
		if observe != nil {
			observe(m)
		}
	}
	return results
}

// run is what the criteria of one Run share.
type run struct {
	querier Querier
	timing  Timing
	start   time.Time // of the window

	// running ends with the context of Run or with the first failure. It
	// stands between queries; the queries themselves use the context of Run,
	// so that one criterion's failure does not cut off another's answer.
	running context.Context
	stop    context.CancelCauseFunc

	slots chan struct{}
	seen  chan Measurement
}

// watch measures one criterion to its verdict.
func (r run) watch(ctx context.Context, c Criterion) Result {
	scheduled := r.timing.Scheduled()
	last := scheduled + r.timing.overtime(c)
	var points []Point
	for i := range last {
		due := r.start.Add(time.Duration(i) * r.timing.Interval)
		if !sleepUntil(r.running, due) && !r.stillDue(ctx, i) {
			return unfinished(Judge(c, points, max(scheduled, i)), context.Cause(r.running))
		}
		p := r.measure(ctx, c, due)
		if ctx.Err() != nil {
			// What the query returned is the cancellation, not an answer.
			return unfinished(Judge(c, points, max(scheduled, i)), context.Cause(ctx))
		}
		points = append(points, p)
		result := Judge(c, points, max(scheduled, len(points)))
		r.seen <- Measurement{Point: p, Result: result}
		if result.Verdict == Fail {
			r.stop(&failedError{c.Name, i})
		}
		over := i >= scheduled-1 && (p.State == OK || result.Samples.Judged < result.Samples.needed())
		if result.Verdict == Fail || over {
			return result
		}
	}
	return Judge(c, points, len(points))
}

// failedError is why a run ends early.
type failedError struct {
	name string
	slot int // which measurement made it fail, from 0
}

func (e *failedError) Error() string { return fmt.Sprintf("the criterion %q failed", e.name) }

// stillDue says whether the measurement with this number belongs to the round
// in which another criterion failed. That round is completed, so that the
// results do not depend on who is asked first.
func (r run) stillDue(ctx context.Context, slot int) bool {
	var failed *failedError
	return ctx.Err() == nil && errors.As(context.Cause(r.running), &failed) && slot <= failed.slot
}

// measure asks once. The deadline counts from when the query was due, so
// that waiting for a slot cannot push a query into the next one's time.
func (r run) measure(ctx context.Context, c Criterion, due time.Time) Point {
	ctx, cancel := context.WithDeadline(ctx, due.Add(r.timing.QueryTimeout))
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return Measure(c, time.Now(), Answer{}, fmt.Errorf("the query was not sent: earlier queries took until after %s", r.timing.QueryTimeout))
	}
	at := time.Now()
	answer, err := r.querier.Query(ctx, c.Query, time.Time{})
	return Measure(c, at, answer, err)
}

// unfinished marks a result whose measurements were cut short.
func unfinished(r Result, cause error) Result {
	if r.Verdict == Fail {
		return r
	}
	r.Verdict = Inconclusive
	r.Reason = fmt.Sprintf("stopped after %d of %d samples: %s", r.Samples.made(), r.Samples.Scheduled, firstLine(cause.Error()))
	return r
}

// sleepUntil waits and says whether ctx outlived the wait. A context that is
// done wins over a time that has come.
func sleepUntil(ctx context.Context, due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return ctx.Err() == nil
}
