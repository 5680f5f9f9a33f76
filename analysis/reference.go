package analysis

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// reference measures what a criterion with a baseline is compared with. before is the running version's point.
func (p *preflight) reference(ctx context.Context, c Criterion, f CriterionFacts, before Point) *reference {
	window := max(p.Timing.Window, leastScrapes*p.scrape())
	if c.Baseline.Kind == BaselineHistory {
		return p.history(ctx, c, f, window)
	}
	if before.Value == nil {
		return &reference{Problem: "the running version has no value to compare with: " + before.Note}
	}
	ref := &reference{Value: float64(*before.Value), Bad: before.Bad, Events: before.Events}
	if c.Counts != nil || c.Endpoint != nil {
		return ref
	}
	// One moment of a value is an anecdote: its mean over the window is what it usually is.
	now := p.now()
	moments, err := p.series(ctx, c, f, Range{Start: now.Add(-window), End: now, Step: p.Timing.Interval})
	if err != nil {
		return &reference{Problem: errorNote(err)}
	}
	if mean, n := meanOf(moments); n > 0 {
		ref.Value = mean
	}
	return ref
}

// history measures earlier windows of the same length, which do not overlap.
func (p *preflight) history(ctx context.Context, c Criterion, f CriterionFacts, window time.Duration) *reference {
	now := p.now()
	values, err := p.windows(ctx, c, f, window, now.Add(-time.Duration(c.Baseline.Windows)*window), now)
	if err != nil {
		return &reference{Problem: errorNote(err)}
	}
	ref := &reference{}
	for _, v := range values {
		ref.Windows = append(ref.Windows, float64(v.Value))
	}
	if len(ref.Windows) < leastWindows {
		ref.Problem = fmt.Sprintf("only %d of %d earlier windows had data, %d are needed", len(ref.Windows), c.Baseline.Windows, leastWindows)
		return ref
	}
	sorted := slices.Sorted(slices.Values(ref.Windows))
	ref.Value = sorted[len(sorted)/2]
	return ref
}

// now is the server's time, up to which its data is there.
func (r *run) now() time.Time { return time.Now().Add(r.Facts.Skew - r.Facts.Lag) }

// windows returns a value for each window that ends after start and not after end.
func (r *run) windows(ctx context.Context, c Criterion, f CriterionFacts, window time.Duration, start, end time.Time) ([]Moment, error) {
	at := Range{Start: start.Add(window), End: end, Step: window}
	if c.Counts != nil {
		moments, _, err := r.shares(ctx, c, f, at, window)
		return moments, err
	}
	query, err := r.valueQuery(c, f)
	if err != nil {
		return nil, err
	}
	step := max(window/20, time.Second)
	return r.moments(ctx, fmt.Sprintf("avg_over_time((%s\n)[%s:%s])", query, promSeconds(window), promSeconds(step)), at)
}

// series returns the course of a criterion's value: shares over two scrapes each, or the value itself.
func (r *run) series(ctx context.Context, c Criterion, f CriterionFacts, at Range) ([]Moment, error) {
	if c.Counts != nil {
		moments, _, err := r.shares(ctx, c, f, at, max(at.Step, 2*r.scrape()))
		return moments, err
	}
	query, err := r.valueQuery(c, f)
	if err != nil {
		return nil, err
	}
	return r.moments(ctx, query, at)
}

// valueQuery is the query for a value over all versions of the workloads.
func (r *run) valueQuery(c Criterion, f CriterionFacts) (string, error) {
	if c.Reduce == "" && len(c.Each) > 0 {
		c.Reduce = "max"
	}
	c.Each = nil
	var matchers []*labels.Matcher
	if c.scope() != ScopeAll && !f.Gateway {
		matchers = f.Naming.allVersionsMatchers(r.vars().Namespace, r.AllPods)
	}
	return r.queryOf(c, f, matchers)
}

// queryOf is the query for a value of the series that the matchers select.
func (r *run) queryOf(c Criterion, f CriterionFacts, matchers []*labels.Matcher) (string, error) {
	vars := r.vars()
	query, err := c.query(vars)
	if err != nil {
		return "", err
	}
	if query, err = inject(query, matchers); err != nil {
		return "", err
	}
	c.Scope = ScopeAll
	return c.scoped(query, vars, Pods{}, f)
}

// shares returns the share of bad events in the time before each step, and how many events there were.
func (r *run) shares(ctx context.Context, c Criterion, f CriterionFacts, at Range, over time.Duration) (out []Moment, events []float64, err error) {
	var matchers []*labels.Matcher
	if c.scope() != ScopeAll && !f.Gateway {
		matchers = f.Naming.allVersionsMatchers(r.vars().Namespace, r.AllPods)
	}
	c.Each = nil
	all, err := r.sharesOf(ctx, c, f, at, over, matchers)
	if err != nil || len(all) == 0 {
		return nil, nil, err
	}
	return all[0].Plot, all[0].events, nil
}

// shareCourse is the course of a share, and how many events it is of.
type shareCourse struct {
	Course
	events []float64
}

// sharesOf is shares for each group of a criterion, of the series that the matchers select. Groups without events are
// left out.
func (r *run) sharesOf(ctx context.Context, c Criterion, f CriterionFacts, at Range, over time.Duration, matchers []*labels.Matcher) ([]shareCourse, error) {
	counts := *c.Counts
	counts.Native = counts.Native || f.Native
	query, err := counts.increase(r.vars(), matchers, c.Each, promSeconds(over))
	if err != nil {
		return nil, err
	}
	answer, err := r.askRange(ctx, query, at)
	if err != nil {
		return nil, err
	}
	byTime := map[time.Time][]Sample{}
	var times []time.Time
	for _, s := range answer.Samples {
		for _, m := range s.Moments {
			if byTime[m.Time] == nil {
				times = append(times, m.Time)
			}
			byTime[m.Time] = append(byTime[m.Time], Sample{Labels: s.Labels, Value: float64(m.Value)})
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	var out []shareCourse
	for _, t := range times {
		tallies, err := counts.tallies(Answer{Samples: byTime[t]}, c.Each, "")
		if err != nil {
			continue
		}
		for _, one := range tallies {
			if one.total <= 0 {
				continue
			}
			i := slices.IndexFunc(out, func(x shareCourse) bool { return x.Group == one.group })
			if i < 0 {
				i, out = len(out), append(out, shareCourse{Course: Course{Group: one.group}})
			}
			out[i].Plot = append(out[i].Plot, Moment{Time: t, Value: Number(one.bad / one.total)})
			out[i].events = append(out[i].events, one.total)
		}
	}
	return out, nil
}

func (r *run) moments(ctx context.Context, query string, at Range) ([]Moment, error) {
	answer, err := r.askRange(ctx, query, at)
	switch {
	case err != nil:
		return nil, err
	case len(answer.Samples) > 1:
		return nil, fmt.Errorf("the query has several series")
	case len(answer.Samples) == 0 || answer.Samples[0].Histogram:
		return nil, nil
	}
	return slices.DeleteFunc(answer.Samples[0].Moments, Moment.odd), nil
}

// odd says that a value cannot be drawn.
func (m Moment) odd() bool { return math.IsNaN(float64(m.Value)) || math.IsInf(float64(m.Value), 0) }

func (r *run) askRange(ctx context.Context, query string, at Range) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, max(r.Timing.QueryTimeout, 10*time.Second))
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	return r.Querier.QueryRange(ctx, query, at)
}

func meanOf(moments []Moment) (mean float64, n int) {
	for _, m := range moments {
		mean += float64(m.Value)
	}
	if len(moments) == 0 {
		return 0, 0
	}
	return mean / float64(len(moments)), len(moments)
}
