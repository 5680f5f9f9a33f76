package analysis

import (
	"context"
	"slices"
	"time"
)

// mostMoments is how many points a plot has at most.
const mostMoments = 240

// Plot fills in the course of each result's value from one window before the rollout began to now, as dense as the data,
// so that a reader sees the change; and the courses of its parts. What was measured while the limit was broken is part of it: a fault that was undone
// at once lies between two other points. What cannot be read is left out: a plot decides nothing.
func (s Session) Plot(ctx context.Context, results []Result, began time.Time) {
	s.Timing = s.Timing.With(s.Facts.Scrape, s.Facts.Lag)
	r := &run{Session: s, slots: make(chan struct{}, maxConcurrent)}
	end := r.now()
	start := began.Add(s.Facts.Skew).Add(-max(s.Timing.Window, time.Minute))
	step := max(end.Sub(start)/mostMoments, r.Facts.Scrape, time.Second).Round(time.Second)
	for i, c := range s.Criteria {
		if i >= len(results) || ctx.Err() != nil {
			return
		}
		if c.Endpoint != nil {
			results[i].Plot = measured(results[i].Series)
			continue
		}
		moments, err := r.of(c).series(ctx, c, s.Facts.about(i), Range{Start: start, End: end, Step: step})
		if err != nil {
			continue
		}
		for j := range moments {
			moments[j].Time = moments[j].Time.Add(-s.Facts.Skew) // the report tells all times by our clock
		}
		results[i].Plot = withBreaches(moments, results[i].Series)
	}
	for i, c := range s.Criteria { // when all have what is needed most
		if i >= len(results) || ctx.Err() != nil {
			return
		}
		if c.Endpoint != nil {
			continue
		}
		at := Range{Start: start, End: end, Step: max(step, (end.Sub(start) / mostInCourse).Round(time.Second))}
		results[i].Courses = r.of(c).courses(ctx, c, s.Facts.about(i), at)
		for _, one := range results[i].Courses {
			for j := range one.Plot {
				one.Plot[j].Time = one.Plot[j].Time.Add(-s.Facts.Skew)
			}
		}
	}
}

// withBreaches adds the measurements that broke the limit to a course, in the order of time.
func withBreaches(moments []Moment, points []Point) []Moment {
	out := slices.Clone(moments)
	for _, p := range points {
		if p.State == Breach && p.Value != nil || p.Evidence > 0 && p.Value != nil {
			out = append(out, Moment{Time: p.Time, Value: *p.Value})
		}
	}
	slices.SortStableFunc(out, func(a, b Moment) int { return a.Time.Compare(b.Time) })
	return out
}
