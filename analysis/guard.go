package analysis

import (
	"context"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

// guard looks at the counts of new pods until the window begins. It returns a result when they fail on evidence, or
// when the run ends meanwhile.
func (w *asking) guard(ctx context.Context, scheduled int) (Result, bool) {
	if !w.byPod() || w.c.Report {
		select {
		case <-w.Complete:
			return Result{}, false
		case <-w.running.Done():
			return unfinished(w.judge(scheduled), context.Cause(w.running)), true
		}
	}
	last := time.Now()
	for {
		complete, begins := w.Complete, time.Time{}
		select {
		case <-w.Complete:
			complete, begins = nil, w.begin()
			if !begins.After(time.Now()) {
				return Result{}, false
			}
		default:
		}
		regular := last.Add(w.Timing.Interval)
		if !begins.IsZero() && !regular.Before(begins) {
			regular = begins
		}
		due := w.nextLook(regular)
		switch w.wait(complete, due) {
		case ended:
			return unfinished(w.judge(scheduled), context.Cause(w.running)), true
		case changed:
			continue // to settle
		}
		now := time.Now()
		switch {
		case !begins.IsZero() && !now.Before(begins):
			return Result{}, false
		case !now.Before(regular):
			last = now
			p := w.measure(ctx, now, false)
			if ctx.Err() != nil {
				return unfinished(w.judge(scheduled), context.Cause(ctx)), true
			}
			w.points, w.early = append(w.points, p), w.early+1
			if result, failed := w.tellEarly(p, scheduled, -1); failed {
				return result, true
			}
		case !now.Before(due) && w.follows():
			if result, failed := w.lookBetween(ctx, scheduled, -1); failed {
				return result, true
			}
		}
	}
}

// until looks at the counts as the data comes, until the next look of the window is due. It returns a result when they
// fail on evidence before. slot is the number of the look before.
func (w *asking) until(ctx context.Context, due time.Time, scheduled, slot int) (Result, bool) {
	for w.follows() && time.Now().Before(due) { // an answer may have come late
		next := w.nextLook(due)
		if next.Equal(due) || w.wait(nil, next) == ended {
			break
		}
		if now := time.Now(); now.Before(due) && !now.Before(w.nextLook(due)) { // other pods may have come meanwhile
			if result, failed := w.lookBetween(ctx, scheduled, slot); failed {
				return result, true
			}
		}
	}
	return Result{}, false
}

// follows says whether the looks at this criterion follow the data. A comparison side by side needs what both versions
// counted in the same time, which samples that come one by one do not show.
func (w *asking) follows() bool {
	return w.byPod() && !w.c.Report && !w.c.Concurrent()
}

// nextLook is when the next look is worth it: when a sample is expected, or else the regular one, which also sees what
// comes just before it.
func (w *asking) nextLook(regular time.Time) time.Time {
	if !w.follows() {
		return regular
	}
	now := time.Now()
	if due := w.arrivals.due(now, w.chosen(w.pods())); !due.IsZero() && regular.Sub(due) >= leastSpacing/2 {
		return due
	}
	return regular
}

// why a wait was over.
type woken int

const (
	came    woken = iota // the time came, or a second passed, in which pods may have come
	changed              // the rollout is complete
	ended                // the run ended
)

// wait sleeps until a time, but for no longer than a second where the looks follow the data of pods that come.
func (w *asking) wait(complete <-chan struct{}, due time.Time) woken {
	pause := time.Until(due)
	if w.follows() {
		pause = min(pause, leastSpacing)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-w.running.Done():
		return ended
	case <-complete:
		return changed
	case <-timer.C:
	}
	if w.running.Err() != nil {
		return ended
	}
	return came
}

// lookBetween looks at the counts between two regular looks. Without news it is no look at all.
func (w *asking) lookBetween(ctx context.Context, scheduled, slot int) (Result, bool) {
	vars, pods := w.vars(), w.pods()
	sent := time.Now()
	query, err := w.query(vars, pods)
	if err != nil {
		w.arrivals.saw(sent, time.Now(), nil)
		return Result{}, false // the regular look says so
	}
	answer, err := w.ask(ctx, query, sent)
	at := time.Now()
	tallies, failed := w.tally(at, answer, err, w.facts.Naming.Pod)
	if !w.arrivals.saw(sent, at, tallies) || failed != nil || w.stale(at, tallies) != nil || ctx.Err() != nil {
		return Result{}, false
	}
	w.asked = query
	w.tracker.observe(at, tallies, w.chosen(pods))
	p := w.c.share(at, w.tracker, w.alpha, w.facts.reference)
	p.between = true
	if p.Evidence <= 0 && p.State != Breach {
		return Result{}, false // a regular look shows as much
	}
	w.points = append(w.points, p)
	if slot < 0 {
		w.early++
	}
	return w.tellEarly(p, scheduled, slot)
}

// tellEarly tells of a look that only ever fails on evidence, and says whether it did.
func (w *asking) tellEarly(p Point, scheduled, slot int) (Result, bool) {
	result := w.judge(scheduled)
	w.seen <- Measurement{Point: p, Result: result, Early: true}
	if result.Verdict != Fail {
		return Result{}, false
	}
	w.stop(&failedError{w.c.Name, slot})
	return result, true
}

// chosen are the pods that the criterion is about.
func (w *asking) chosen(pods Pods) []Pod {
	if w.c.scope() == ScopeOld {
		return pods.Old
	}
	return pods.New
}

// earlyFactor is how many times the limit counts as clearly bad for an early pass, and the errors that it may make: to
// call a good release bad, which it never does, and to call one good whose share is that many times the limit.
const earlyFactor, earlyAlpha, earlyBeta = 3, 0.01, 0.05

// learn inspects the series of the new pods when there were no others to inspect before: a first release.
func (w *asking) learn(ctx context.Context) {
	if w.facts.inspected || w.Pods == nil || w.c.scope() == ScopeAll {
		return
	}
	pods := w.pods().New
	if len(pods) == 0 || !sleepUntil(w.running, w.begin()) {
		return
	}
	s := w.Session
	s.Pods = func() Pods { return Pods{New: pods, Old: pods} }
	l := inspector{&run{Session: s, slots: w.slots}}.inspect(ctx, w.c)
	if l.Problem != "" || l.Gateway {
		return // they may be too young to have been scraped: what is usual is the better guess
	}
	w.facts.inspected, w.facts.Naming, w.facts.Notes = true, l.Naming, append(w.facts.Notes, l.Notes...)
	if w.c.Counts != nil {
		counts := *w.c.Counts
		counts.Native = counts.Native || l.Native
		w.c.Counts = &counts
	}
}

// goodEarly says whether the events so far show that the criterion holds, with no fewer of them than at the end.
func (w *asking) goodEarly(p Point) bool {
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
