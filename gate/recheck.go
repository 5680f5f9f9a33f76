package gate

import (
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// recheck asks the criteria that failed again, once the previous version is back: whether the undo has repaired what
// it was meant to repair. It changes nothing about the outcome. What compares new pods with old ones has nothing to compare then.
func (r *run) recheck() {
	ctx, release := r.course.enter(Rechecking, r.g.Recovery)
	defer release()
	compares := map[string]bool{}
	for _, c := range r.g.Criteria {
		compares[c.Name] = c.Concurrent()
	}
	asked := func(c analysis.Result) bool { return c.Verdict == analysis.Fail && !c.ReportOnly && !compares[c.Name] }
	if ctx.Err() != nil || !slices.ContainsFunc(r.report.Criteria, asked) {
		return
	}
	r.step(Step{Name: StepRecheck, Limit: r.g.Recovery})
	since := time.Now()
	r.criteria.Recheck(ctx, r.report.Criteria, since, r.measured)
	if _, cancelled := r.course.cancelled(); cancelled {
		return
	}
	for _, c := range r.report.Criteria {
		switch {
		case !asked(c):
		case c.Recovered == nil:
			r.note("after the undo criterion %q had no data within %s", c.Name, wording.Duration(time.Since(since)))
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
func (r *run) plot() {
	ctx, release := r.course.enter(Reporting, plotTime)
	defer release()
	if len(r.report.Criteria) == 0 || ctx.Err() != nil {
		return
	}
	r.criteria.Plot(ctx, r.report.Criteria)
}
