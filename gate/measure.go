package gate

import (
	"context"
	"errors"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// overdue is the ending when the time is up or the run was cancelled. The measurement ends by the same context; what
// it has seen goes into the report.
func (l *watching) overdue(ctx context.Context, m measuring) ending {
	for m.results != nil {
		select {
		case measurement := <-m.seen:
			l.r.measured(measurement)
		case l.r.report.Criteria = <-m.results:
			m.results = nil
		}
	}
	switch {
	case !errors.Is(context.Cause(ctx), errTimeout):
		return ending{outcome: cancelledBy(ctx), target: -1}
	case l.judging && analysis.Overall(l.r.report.Criteria) == analysis.Fail:
		return ending{outcome: CriteriaFail, target: -1}
	case l.judging && l.complete():
		return ending{outcome: Inconclusive, target: -1}
	}
	return ending{outcome: TimedOut, target: -1}
}

// measuring is a measurement that runs in the background. Both channels are nil while there is none.
type measuring struct {
	seen    chan analysis.Measurement
	results chan []analysis.Result // gives the results once
}

// measure begins to ask the criteria. Whoever reads results must read seen until they are there.
func (r *run) measure(ctx context.Context) measuring {
	r.tell(EventStep, manifest.Ref{}, "analyze: %s, settling %s, then watching %s", count(len(r.g.Criteria), "criterion", "criteria"), r.g.Timing.Settle, r.g.Timing.Window)
	m := measuring{seen: make(chan analysis.Measurement), results: make(chan []analysis.Result, 1)}
	go func() {
		m.results <- analysis.Run(ctx, r.g.Querier, r.g.Criteria, r.g.Timing, func(x analysis.Measurement) {
			select {
			case m.seen <- x:
			case <-time.After(time.Second): // the reader has left by a verdict of its own
			}
		})
	}()
	return m
}

// measured tells of one measurement.
func (r *run) measured(m analysis.Measurement) {
	value := "no value: " + m.Point.Note
	if m.Point.Value != nil {
		value = m.Result.Unit.Format(float64(*m.Point.Value))
	}
	r.tell(EventMeasurement, manifest.Ref{}, "%s: %s (limit %s %s) %s", m.Result.Name, value, m.Result.Op, m.Result.Unit.Format(float64(m.Result.Limit)), m.Point.State)
}

// verdictOf is the outcome that the criteria's results mean.
func verdictOf(results []analysis.Result) Outcome {
	switch analysis.Overall(results) {
	case analysis.Pass:
		return Passed
	case analysis.Fail:
		return CriteriaFail
	}
	return Inconclusive
}
