package analysis

import (
	"context"
	"time"
)

// mostMoments is how many points a plot has at most.
const mostMoments = 240

// Plot fills in the course of each result's value from one window before the rollout began to now, so that a reader
// sees the change. What cannot be read is left out: a plot decides nothing.
func (s Session) Plot(ctx context.Context, results []Result, began time.Time) {
	s.Timing = s.Timing.With(s.Facts.Scrape, s.Facts.Lag)
	r := &run{Session: s, slots: make(chan struct{}, maxConcurrent)}
	end := r.now()
	start := began.Add(s.Facts.Skew).Add(-max(s.Timing.Window, time.Minute))
	step := max(end.Sub(start)/mostMoments, r.scrape(), time.Second).Truncate(time.Second)
	for i, c := range s.Criteria {
		if i >= len(results) || ctx.Err() != nil {
			return
		}
		moments, err := r.series(ctx, c, s.Facts.about(i), Range{Start: start, End: end, Step: step})
		if err != nil {
			continue
		}
		for j := range moments {
			moments[j].Time = moments[j].Time.Add(-s.Facts.Skew) // the report tells all times by our clock
		}
		results[i].Plot = moments
	}
}

// Recheck asks the criteria that failed again, until they hold or ctx ends, and notes in their results whether they
// do: whether an undo has repaired what it was meant to repair. since is when the undo was complete.
func (s Session) Recheck(ctx context.Context, results []Result, since time.Time, observe func(Measurement)) {
	s.Timing = s.Timing.With(s.Facts.Scrape, s.Facts.Lag)
	r := &run{Session: s, slots: make(chan struct{}, maxConcurrent)}
	for {
		open := 0
		for i, c := range s.Criteria {
			if i >= len(results) || results[i].Verdict != Fail || results[i].Recovered != nil && *results[i].Recovered {
				continue
			}
			over := time.Since(since)
			if over < leastScrapes*r.scrape() {
				open++
				continue
			}
			moment, ok := r.latest(ctx, c, s.Facts.about(i), over)
			if !ok {
				open++
				continue
			}
			limit := c.Limit.Value
			if c.Baseline != nil {
				limit = float64(results[i].Limit)
			}
			met, _ := c.Op.holds(float64(moment.Value), limit)
			results[i].Recovered = &met
			if !met {
				open++
			}
			if observe != nil {
				state := Breach
				if met {
					state = OK
				}
				observe(Measurement{Point: Point{Time: time.Now(), Value: &moment.Value, State: state}, Result: results[i]})
			}
		}
		if open == 0 || !sleepUntil(ctx, time.Now().Add(min(r.Timing.Interval, 5*time.Second))) {
			return
		}
	}
}

// latest is the value over the time since the undo.
func (r *run) latest(ctx context.Context, c Criterion, f CriterionFacts, over time.Duration) (Moment, bool) {
	now := r.now()
	at := Range{Start: now, End: now, Step: time.Second}
	var moments []Moment
	var err error
	if c.Counts != nil {
		moments, err = r.shares(ctx, c, f, at, over)
	} else {
		moments, err = r.series(ctx, c, f, at)
	}
	if err != nil || len(moments) == 0 {
		return Moment{}, false
	}
	return moments[len(moments)-1], true
}
