package gate

import (
	"context"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// recheck asks the criteria that failed again, once the previous version is back: whether the undo has repaired what
// it was meant to repair. It changes nothing about the outcome.
func (r *run) recheck(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.g.Recovery)
	defer cancel()
	r.tell(EventStep, manifest.Ref{}, "recheck: do the criteria hold again? for at most %s", r.g.Recovery)
	since := time.Now()
	r.criteria.Recheck(ctx, r.report.Criteria, since, r.measured)
	for _, c := range r.report.Criteria {
		switch {
		case c.Verdict != analysis.Fail || c.ReportOnly:
		case c.Recovered == nil:
			r.note("after the undo criterion %q had no data within %s", c.Name, short(time.Since(since)))
		case *c.Recovered:
			r.note("the undo restored the metrics: criterion %q holds again", c.Name)
		default:
			r.note("the undo did not restore the metrics: criterion %q is still violated, so this release is not the only reason", c.Name)
		}
	}
}

// plotTime is how long the course of the criteria may take to read.
const plotTime = 10 * time.Second

// plot adds the course of each criterion to the report.
func (r *run) plot(ctx context.Context) {
	if len(r.report.Criteria) == 0 || ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, plotTime)
	defer cancel()
	r.criteria.Plot(ctx, r.report.Criteria)
}
