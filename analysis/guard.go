package analysis

import (
	"context"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

// guard looks at the counts of new pods until the window begins. It returns a result when they fail on evidence, or
// when the run ends meanwhile.
func (w *watched) guard(ctx context.Context, scheduled int) (Result, bool) {
	guards := w.byPod() && !w.c.Report
	for {
		var begins <-chan time.Time
		complete := w.Complete
		select {
		case <-w.Complete:
			if !guards {
				return Result{}, false
			}
			complete = nil
			wait := time.Until(w.begin())
			if wait <= 0 {
				return Result{}, false
			}
			if wait < w.Timing.Interval {
				begins = time.After(wait)
			}
		default:
			if !guards {
				select {
				case <-w.Complete:
					return Result{}, false
				case <-w.running.Done():
					return unfinished(w.judge(scheduled), context.Cause(w.running)), true
				}
			}
		}
		look := time.NewTimer(w.Timing.Interval)
		select {
		case <-begins:
			look.Stop()
			return Result{}, false
		case <-complete:
			look.Stop()
			continue // to settle
		case <-w.running.Done():
			look.Stop()
			return unfinished(w.judge(scheduled), context.Cause(w.running)), true
		case <-look.C:
		}
		p := w.measure(ctx, time.Now(), false)
		if ctx.Err() != nil {
			return unfinished(w.judge(scheduled), context.Cause(ctx)), true
		}
		w.points, w.early = append(w.points, p), w.early+1
		result := w.judge(scheduled)
		w.seen <- Measurement{Point: p, Result: result, Early: true}
		if result.Verdict == Fail {
			w.stop(&failedError{w.c.Name, -1})
			return result, true
		}
	}
}

// earlyFactor is how many times the limit counts as clearly bad for an early pass, and the errors that it may make: to
// call a good release bad, which it never does, and to call one good whose share is that many times the limit.
const earlyFactor, earlyAlpha, earlyBeta = 3, 0.01, 0.05

// survey looks at the series of the new pods when there were no others to look at before: a first release.
func (w *watched) survey(ctx context.Context) {
	if w.facts.surveyed || w.Pods == nil || w.c.scope() == ScopeAll {
		return
	}
	pods := w.pods().New
	if len(pods) == 0 || !sleepUntil(w.running, w.begin()) {
		return
	}
	s := w.Session
	s.Pods = func() Pods { return Pods{New: pods, Old: pods} }
	l := (&preflight{run: &run{Session: s, slots: w.slots}}).survey(ctx, w.c)
	if l.Problem != "" || l.Gateway {
		return // they may be too young to have been scraped: what is usual is the better guess
	}
	w.facts.surveyed, w.facts.Naming, w.facts.Notes = true, l.Naming, append(w.facts.Notes, l.Notes...)
	if w.c.Counts != nil {
		counts := *w.c.Counts
		counts.Native = counts.Native || l.Native
		w.c.Counts = &counts
	}
}

// goodEarly says whether the events so far show that the criterion holds, with no fewer of them than at the end.
func (w *watched) goodEarly(p Point) bool {
	if !w.c.EarlyPass || p.State != OK {
		return false
	}
	for _, g := range w.tracker.groups {
		if stats.EarlyPass(g.bad, g.all, w.c.Limit.Value, earlyFactor, earlyAlpha, earlyBeta) != stats.Good {
			return false
		}
	}
	return true
}
