package prometheus

import (
	"context"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// Query implements [analysis.Querier]. It returns within [Config.Timeout], or
// when ctx is done.
func (c *Client) Query(ctx context.Context, promql string, at time.Time) (analysis.Answer, error) {
	return c.ask(ctx, c.answer, func(ctx context.Context, timeout v1.Option) (model.Value, v1.Warnings, v1.Infos, error) {
		return c.api.Query(ctx, promql, at, timeout)
	})
}

// QueryRange evaluates promql at each step of a range. The answer is a
// [analysis.Matrix]: its samples have Moments, in the order of time, and no
// Value. A moment at which a series had no value is left out. A series with
// native histograms is marked as [analysis.Sample.Histogram]; its Moments are
// only those at which it had plain numbers.
//
// It returns within [Config.Timeout], or when ctx is done. Errors are those
// of Query; a range that Prometheus finds too long or without a step is
// [analysis.Rejected].
func (c *Client) QueryRange(ctx context.Context, promql string, r analysis.Range) (analysis.Answer, error) {
	steps := v1.Range{Start: r.Start, End: r.End, Step: r.Step}
	answer, err := c.ask(ctx, c.rangeAnswer, func(ctx context.Context, timeout v1.Option) (model.Value, v1.Warnings, v1.Infos, error) {
		return c.api.QueryRange(ctx, promql, steps, timeout)
	})
	if err == nil && answer.Kind != analysis.Matrix {
		return analysis.Answer{}, c.unreadable("the answer to a range query is a "+string(answer.Kind), notPrometheus)
	}
	return answer, err
}

// converter makes an answer of what client_golang decoded.
type converter func(model.Value, v1.Warnings, v1.Infos) analysis.Answer

// ask runs one question within its time.
func (c *Client) ask(ctx context.Context, convert converter,
	question func(context.Context, v1.Option) (model.Value, v1.Warnings, v1.Infos, error),
) (analysis.Answer, error) {
	tries := trail{limit: c.timeout}
	if deadline, ok := ctx.Deadline(); ok {
		tries.limit = min(tries.limit, time.Until(deadline).Round(time.Millisecond))
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	limited = context.WithValue(limited, trailKey{}, &tries)
	value, warnings, infos, err := question(limited, v1.WithTimeout(wholeSeconds(tries.limit)))
	if err != nil {
		return analysis.Answer{}, c.explain(err, &tries)
	}
	if value == nil {
		return analysis.Answer{}, c.unreadable("the answer has no result", notPrometheus)
	}
	if tries.partial.Load() {
		warnings = append(warnings, "the server says that the answer is partial")
	}
	return convert(value, warnings, infos), nil
}

// wholeSeconds rounds up: Prometheus cannot read the fraction in "1.999s", which is how Go prints a duration.
func wholeSeconds(d time.Duration) time.Duration {
	return max((d + time.Second - 1).Truncate(time.Second), time.Second)
}
