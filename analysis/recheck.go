package analysis

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// Recheck asks the criteria that failed again, until they hold or ctx ends, and notes in their results whether they
// do: whether an undo has repaired what it was meant to repair. since is when the undo was complete. Each criterion is
// asked as soon as an answer can be about nothing else than the time since then. One that compares new pods with old ones has
// nothing to compare any more, and is not asked.
func (s Session) Recheck(ctx context.Context, results []Result, since time.Time, observe func(Measurement)) {
	s.Timing = s.Timing.With(s.Facts.Scrape, s.Facts.Lag)
	r := &run{Session: s, slots: make(chan struct{}, maxConcurrent)}
	for {
		var next time.Time // the next question; zero when none is open
		for i, c := range s.Criteria {
			if i >= len(results) || c.Concurrent() || results[i].Verdict != Fail || results[i].Recovered != nil && *results[i].Recovered {
				continue
			}
			again := r.of(c).recheck(ctx, c, i, &results[i], since, observe)
			if !again.IsZero() && (next.IsZero() || again.Before(next)) {
				next = again
			}
		}
		if next.IsZero() || !sleepUntil(ctx, next) {
			return
		}
	}
}

// recheck asks one criterion, if it is time. It returns when to ask again, zero for never.
func (r *run) recheck(ctx context.Context, c Criterion, i int, result *Result, since time.Time, observe func(Measurement)) time.Time {
	after := time.Since(since)
	r.Timing.Window = max(0, after-r.Facts.Lag-r.scrape()-visible) // ${window} looks no further back than the undo
	reach := r.reach(c)
	if after < reach {
		return since.Add(reach)
	}
	again := time.Now().Add(min(max(r.scrape(), time.Second), 5*time.Second))
	moment, events, ok := r.latest(ctx, c, r.Facts.about(i), after-r.Facts.Lag)
	if !ok {
		return again
	}
	limit := c.Limit.Value
	if c.Baseline != nil {
		limit = float64(result.Limit)
	}
	met, _ := c.Op.holds(float64(moment.Value), limit)
	if c.Counts != nil && met && events < c.minEvents() && after < leastScrapes*r.scrape()+r.Facts.Lag {
		return again // a few good events are no proof yet
	}
	result.Recovered = &met
	if observe != nil {
		state := Breach
		if met {
			state = OK
		}
		observe(Measurement{Point: Point{Time: time.Now(), Value: &moment.Value, State: state}, Result: *result})
	}
	if met {
		return time.Time{}
	}
	return again
}

// reach is how long after an undo an answer is about nothing else: two scrapes tell what counters grew, a value looks
// back as far as its query does, and has to be scraped. What arrives late is asked for as late.
func (r *run) reach(c Criterion) time.Duration {
	if c.Endpoint != nil {
		return visible // it is asked itself: what it says is about now
	}
	if c.Counts != nil {
		return max(2*r.scrape(), time.Second) + visible + r.Facts.Lag
	}
	if c.foreign() {
		return shortestRate + r.scrape() + visible + r.Facts.Lag // how far it looks back cannot be told: as a usual rate does
	}
	query, err := c.query(r.vars())
	if err != nil {
		return r.scrape() + r.Facts.Lag
	}
	expr, err := parse(query)
	if err != nil {
		return r.scrape() + r.Facts.Lag
	}
	return lookback(expr) + r.scrape() + visible + r.Facts.Lag
}

// lookback is how far before its evaluation a query reads samples: the longest way through ranges and offsets.
func lookback(expr parser.Expr) time.Duration {
	var furthest time.Duration
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		back := max(s.OriginalOffset, 0)
		for _, above := range path {
			switch n := above.(type) {
			case *parser.MatrixSelector:
				back += n.Range
			case *parser.SubqueryExpr:
				back += n.Range + max(n.OriginalOffset, 0)
			}
		}
		furthest = max(furthest, back)
		return nil
	})
	return furthest
}

// latest is the value over the time since the undo, and of how many events it is.
func (r *run) latest(ctx context.Context, c Criterion, f CriterionFacts, over time.Duration) (m Moment, events float64, ok bool) {
	if c.Endpoint != nil {
		return r.momentAt(ctx, c)
	}
	now := r.now()
	at := Range{Start: now, End: now, Step: time.Second}
	var moments []Moment
	var err error
	if c.Counts != nil {
		var all []float64
		if moments, all, err = r.shares(ctx, c, f, at, over.Truncate(time.Second)); len(all) > 0 {
			events = all[len(all)-1]
		}
	} else {
		moments, err = r.series(ctx, c, f, at)
	}
	if err != nil || len(moments) == 0 {
		return Moment{}, 0, false
	}
	return moments[len(moments)-1], events, true
}
