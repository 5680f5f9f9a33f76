package analysis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

// Measurement is one step of a run, for progress output.
type Measurement struct {
	Point Point
	// Result is the criterion's result so far. Its verdict is inconclusive
	// until the window ends, unless the criterion has failed.
	Result Result
	// Early is set for looks before the window, which only ever fail on evidence.
	Early bool
}

// maxConcurrent bounds the queries that run at the same time, so that a gate
// with many criteria is not a burst for the server.
const maxConcurrent = 4

// Session measures criteria during and after one rollout.
type Session struct {
	Querier  Querier // of those criteria that are asked in PromQL
	Fetcher  Fetcher // of those that ask another endpoint
	Criteria []Criterion
	Timing   Timing
	Facts    Facts
	// Pods returns the pods of the two versions now; nil: none are known.
	Pods func() Pods
	// AllPods is a pattern for the names of the workloads' pods of all versions, for looks at the past.
	AllPods string
	// Seen returns the names of all new pods that there have been, for looks at the past; nil: those of Pods.
	Seen func() []string
	// Vars returns the values of the variables now; nil: there are none.
	Vars func() Vars
	// Views are for criteria that are asked about something else, by their names; nil: there are none.
	Views map[string]View
	// Complete is closed when the rollout is complete; nil: it is.
	Complete <-chan struct{}
	// Observe hears of each measurement, never twice at once; nil: nobody does.
	Observe func(Measurement)
}

// Run measures every criterion and returns their results in the same order.
//
// While the rollout goes on, criteria on the counts of the new pods are looked at already, and fail on evidence alone.
// When it is complete, the session settles, and then observes for the length of the window.
//
// The first criterion that fails ends the run: the others are still measured
// as often as that one was, and what has no verdict then is inconclusive. Where only the last measurement of a window keeps it from a
// verdict, a few more follow ([Timing.Longest]).
//
// A context that ends makes every unfinished criterion inconclusive. There is
// no error to return: a querier that fails all the time yields results with
// the verdict error.
func (s Session) Run(ctx context.Context) []Result {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &run{
		Session: s, running: running, stop: stop,
		slots: make(chan struct{}, maxConcurrent), seen: make(chan Measurement), opening: &opening{},
	}
	r.Timing = s.Timing.With(s.Facts.Scrape, s.Facts.Lag)
	if r.Complete == nil {
		complete := make(chan struct{})
		close(complete)
		r.Complete = complete
	}
	results := make([]Result, len(s.Criteria))
	var watching sync.WaitGroup
	for i, c := range s.Criteria {
		watching.Go(func() {
			w := r.of(c).asking(c, i)
			results[i] = w.verdict(ctx)
			results[i].Notes = w.facts.Notes
			results[i].Before = w.facts.Before
			if n := w.unseen; n > 0 {
				results[i].Notes = append(slices.Clone(results[i].Notes), fmt.Sprintf("%d of the new pods had no metrics at the last look", n))
			}
			if results[i].Verdict == Fail {
				results[i].Contributors = w.contributors(ctx)
			}
			if w.asked != "" {
				results[i].Query = w.asked
			}
		})
	}
	go func() {
		watching.Wait()
		close(r.seen)
	}()
	for m := range r.seen {
		if s.Observe != nil {
			s.Observe(m)
		}
	}
	return results
}

// run is what the criteria of one session share.
type run struct {
	Session

	// running ends with the context of Run or with the first failure. It
	// stands between queries; the queries themselves use the context of Run,
	// so that one criterion's failure does not cut off another's answer.
	running context.Context
	stop    context.CancelCauseFunc

	slots chan struct{}
	seen  chan Measurement

	opening *opening
}

// opening is the moment at which the window begins.
type opening struct {
	once  sync.Once
	start time.Time
}

// begin says when the window begins. It is called when the rollout is complete.
func (r *run) begin() time.Time {
	o := r.opening
	o.once.Do(func() { o.start = time.Now().Add(r.Timing.Settle) })
	return o.start
}

// alpha is the part of the error that one criterion may make.
func (r *run) alpha() float64 {
	n := 0
	for _, c := range r.Criteria {
		if c.Counts != nil && !c.Report {
			n++
		}
	}
	return stats.Split(runAlpha, max(n, 1))
}

// asking is one criterion of a run.
type asking struct {
	*run
	c     Criterion
	facts CriterionFacts
	alpha float64

	tracker  *tracker // of counts
	arrivals *arrivals
	points   []Point
	early    int // how many of points lie before the window, at its front
	asked    string
	unseen   int // ready pods without metrics at the last look
}

func (r *run) asking(c Criterion, i int) *asking {
	w := &asking{run: r, c: c, facts: r.Facts.about(i), alpha: r.alpha(), arrivals: newArrivals(r.Facts.Scrape)}
	if w.facts.Naming.Pod == "" && !w.facts.Gateway {
		w.facts.Naming = usualNaming
	}
	if c.Counts != nil {
		counts := *c.Counts
		counts.Native = counts.Native || w.facts.Native
		w.c.Counts = &counts
		w.tracker = newTracker(w.c, r.Timing.Settle, r.scrape(), r.Timing.Interval)
	}
	if ref := w.facts.reference; ref != nil && c.Baseline != nil && c.Counts == nil && ref.Problem == "" {
		w.c.Limit.Value = c.Baseline.limit(ref.Value)
	}
	return w
}

// scrape is the scrape interval, or the usual one.
func (r *run) scrape() time.Duration {
	if r.Facts.Scrape > 0 {
		return r.Facts.Scrape
	}
	return leastInterval
}

// byPod says whether the criterion reads the counters of single pods.
func (w *asking) byPod() bool {
	return w.c.Counts != nil && w.c.scope() != ScopeAll && !w.facts.Gateway && w.Pods != nil
}

// verdict measures one criterion to its end.
func (w *asking) verdict(ctx context.Context) Result {
	scheduled := w.Timing.Scheduled()
	if result, over := w.guard(ctx, scheduled); over {
		return result
	}
	w.learn(ctx)
	last := scheduled + w.Timing.overtime(w.c)
	var outage time.Time
	for i := range last {
		due := w.begin().Add(time.Duration(i) * w.Timing.Interval)
		if i > 0 {
			if result, failed := w.until(ctx, due, max(scheduled, i), i-1); failed {
				return result
			}
		}
		if !sleepUntil(w.running, due) && !w.stillDue(ctx, i) {
			return unfinished(w.judge(max(scheduled, i)), context.Cause(w.running))
		}
		if i == 0 && time.Since(due) > 0 {
			due = time.Now() // learning about the series took its time
		}
		p := w.measure(ctx, due, true)
		if ctx.Err() != nil {
			// What the query returned is the cancellation, not an answer.
			return unfinished(w.judge(max(scheduled, i)), context.Cause(ctx))
		}
		if i >= scheduled-1 && scheduled > 1 {
			p = w.fresh(ctx, due, p)
		}
		w.points = append(w.points, p)
		result := w.judge(max(scheduled, i+1))
		if outage = outageSince(outage, p); result.Verdict != Fail && !outage.IsZero() && i+1 < scheduled && p.Time.Sub(outage) >= w.Timing.MaxOutage {
			result.Verdict = Error
			result.Reason = fmt.Sprintf("no usable answer for %s: %s", p.Time.Sub(outage).Round(time.Second), p.Note)
			w.seen <- Measurement{Point: p, Result: result}
			return result
		}
		w.seen <- Measurement{Point: p, Result: result}
		if result.Verdict == Fail && !w.c.Report {
			w.stop(&failedError{w.c.Name, i})
		}
		if result.Verdict != Fail && i+1 < scheduled && w.goodEarly(p) {
			result.Verdict, result.Reason = Pass, result.shareText()+"; enough to pass early"
			return result
		}
		decided := p.State == OK || w.c.Counts != nil && p.State == Thin || w.c.Counts == nil && result.Samples.Judged < result.Samples.needed()
		if result.Verdict == Fail || i >= scheduled-1 && decided {
			return result
		}
	}
	return w.judge(last)
}

// outageSince is since when there was no answer.
func outageSince(since time.Time, p Point) time.Time {
	switch {
	case p.State != Failed:
		return time.Time{}
	case since.IsZero():
		return p.Time
	}
	return since
}

// judge is the verdict so far.
func (w *asking) judge(scheduled int) Result {
	if w.c.Counts != nil {
		return judgeShare(w.c, w.points, w.early, scheduled, w.alpha)
	}
	r := Judge(w.c, w.points, scheduled)
	w.againstHistory(&r)
	return r
}

// failedError is why a run ends early.
type failedError struct {
	name string
	slot int // which measurement of the window made it fail, from 0; -1: before the window
}

func (e *failedError) Error() string { return fmt.Sprintf("the criterion %q failed", e.name) }

// stillDue says whether the measurement with this number belongs to the round
// in which another criterion failed. That round is completed, so that the
// results do not depend on who is asked first.
func (r *run) stillDue(ctx context.Context, slot int) bool {
	var failed *failedError
	return ctx.Err() == nil && errors.As(context.Cause(r.running), &failed) && slot <= failed.slot
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
