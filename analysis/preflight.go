package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

// Preflight asks everything once before anything is changed: whether the server answers, how its clock and its data
// lie, how its series name pods, and what each criterion says about the running version. The session's old pods are
// those of the running version; none means a first release, of which nothing can be known.
//
// The error is that of a server that does not answer a constant, or of an endpoint that wants other credentials, a
// *QueryError; whatever else goes wrong with one criterion is in its facts.
func (s Session) Preflight(ctx context.Context) (Facts, error) {
	patience := s.Timing.QueryTimeout // between two looks it is capped, here nothing waits behind it
	if patience <= 0 {
		patience = DefaultTiming().QueryTimeout
	}
	s.Timing = s.Timing.resolved()
	s.Timing.QueryTimeout = patience
	p := &preflight{inspector: inspector{&run{Session: s, slots: make(chan struct{}, maxConcurrent)}}, facts: Facts{Criteria: make([]CriterionFacts, len(s.Criteria))}, denied: &atomic.Pointer[QueryError]{}}
	if p.asksPrometheus() {
		if err := p.clock(ctx); err != nil {
			return p.facts, err
		}
	}
	if backend, ok := s.Querier.(interface{ Backend(context.Context) string }); ok {
		p.facts.Backend = backend.Backend(ctx)
	}
	found := make([]seriesFacts, len(s.Criteria))
	var all sync.WaitGroup
	for i, c := range s.Criteria {
		all.Go(func() { found[i] = inspector{p.of(c)}.inspect(ctx, c) })
	}
	all.Wait()
	for _, l := range found {
		p.facts.Scrape, p.facts.Lag = max(p.facts.Scrape, l.scrape), max(p.facts.Lag, l.lag)
	}
	p.Facts, p.Timing = p.facts, s.Timing.With(p.facts.Scrape, p.facts.Lag)
	p.Timing.QueryTimeout = patience
	for i, c := range s.Criteria {
		about := &preflight{inspector: inspector{p.of(c)}, denied: p.denied}
		all.Go(func() { p.facts.Criteria[i] = about.running(ctx, c, found[i]) })
	}
	all.Wait()
	if denied := p.denied.Load(); denied != nil {
		return p.facts, denied
	}
	return p.facts, nil
}

// preflight is the state of one.
type preflight struct {
	inspector
	facts  Facts
	denied *atomic.Pointer[QueryError] // by an endpoint, whichever criterion asks it
}

// clock compares the server's clock with ours.
func (p *preflight) clock(ctx context.Context) error {
	sent := time.Now()
	a, err := p.ask(ctx, "time()")
	if err != nil {
		return err
	}
	if len(a.Samples) != 1 || a.Samples[0].Value < 1e9 {
		return &QueryError{Kind: Unreadable, Text: "the answer to time() is no time", Hint: "check that the URL is that of Prometheus itself"}
	}
	middle := sent.Add(time.Since(sent) / 2)
	skew := time.UnixMilli(int64(a.Samples[0].Value * 1000)).Sub(middle)
	if skew.Abs() >= time.Second {
		p.facts.Skew = skew.Round(time.Millisecond)
	}
	return nil
}

// running judges the running version, and keeps what the new one will be compared with.
func (p *preflight) running(ctx context.Context, c Criterion, l seriesFacts) CriterionFacts {
	f := l.CriterionFacts
	pods := p.pods().Old
	if f.Problem != "" {
		f.State = cmp.Or(f.State, Failed)
		return f
	}
	if c.Counts != nil {
		counts := *c.Counts
		counts.Native = f.Native
		c.Counts = &counts
	}
	point := p.before(ctx, c, f, pods)
	if len(pods) > 0 && (point.State == NoData || point.State == Failed) {
		// One scrape that failed, or one query that got lost, is no reason to refuse a run.
		if sleepUntil(ctx, time.Now().Add(min(p.Facts.Scrape, leastInterval)+time.Second)) {
			point = p.before(ctx, c, f, pods)
		}
	}
	if c.Counts != nil && c.Counts.Histogram == "" && point.State != Failed {
		p.eventsExist(ctx, c, &f, &point)
	}
	f.State, f.Before = point.State, point.Value
	if point.State == NoData || point.State == Failed {
		f.Problem = point.Note
		if point.State == NoData {
			f.Problem = p.whyEmpty(ctx, l.selectors, point.Note)
		}
	}
	if c.Baseline != nil && c.Baseline.Kind != BaselineConcurrent {
		f.reference = p.reference(ctx, c, f, point)
		f.State = OK // it is compared with itself
		if f.reference.Problem != "" {
			f.State, f.Problem = NoData, f.reference.Problem
		}
	}
	return f
}

// eventsExist looks whether the bad, or good, events can exist at all: no bad event is the best of news, but a counter
// that is misspelt looks the same.
func (p *preflight) eventsExist(ctx context.Context, c Criterion, f *CriterionFacts, point *Point) {
	parts, err := c.Counts.parts(p.vars(), nil)
	if err != nil {
		return
	}
	for _, role := range []string{"bad", "good"} {
		text, ok := parts[role]
		if !ok || p.number(ctx, "count("+text+")") > 0 {
			continue
		}
		reason := p.whyNoSeries(ctx, text)
		if strings.Contains(reason, hasNoLabel) {
			point.State, point.Note = Failed, reason
			return
		}
		f.Notes = append(f.Notes, fmt.Sprintf("there are no %s events yet: %s", role, reason))
	}
}

// before measures the running version over the window that ends now.
func (p *preflight) before(ctx context.Context, c Criterion, f CriterionFacts, pods []Pod) Point {
	vars := p.vars()
	failed := func(err error) Point { return Point{Time: time.Now(), State: Failed, Note: errorNote(err)} }
	if c.Endpoint != nil {
		return p.beforeAt(ctx, c, vars)
	}
	if c.Counts == nil {
		query, err := c.query(vars)
		if err == nil {
			if c.scope() == ScopeNew {
				c.Scope = ScopeOld // today's running pods
			}
			query, err = c.scoped(query, vars, Pods{New: pods, Old: pods}, f)
		}
		if err != nil {
			return failed(err)
		}
		if c.Baseline != nil {
			c.Op, c.Limit = LessEqual, Limit{Value: maxFloat}
		}
		answer, err := p.ask(ctx, query)
		return Measure(c, time.Now(), answer, err)
	}
	query, err := c.Counts.increase(vars, c.runningMatchers(vars, f, pods), c.Each, promSeconds(max(p.Timing.Window, leastScrapes*p.scrape())))
	if err != nil {
		return failed(err)
	}
	w := &asking{run: p.run, c: c, facts: f, alpha: p.alpha(), tracker: newTracker(c, 0, 0, 0)}
	answer, err := p.ask(ctx, query)
	tallies, bad := w.tally(time.Now(), answer, err, "")
	if bad != nil {
		return *p.boundsOf(ctx, c, vars, c.runningMatchers(vars, f, pods), bad)
	}
	w.tracker.setTotals(time.Now(), tallies)
	if c.Baseline != nil {
		c.Baseline, c.Limit = nil, Limit{Value: 1}
	}
	point := c.share(time.Now(), w.tracker, w.alpha, nil)
	if point.State == Thin && point.Evidence >= Number(stats.Threshold(w.alpha)) {
		point.State = Breach // few events, but they leave no doubt
	}
	return point
}

// runningMatchers select the pods of the running version, where series tell pods apart.
func (c Criterion) runningMatchers(vars Vars, f CriterionFacts, pods []Pod) []*matcher {
	if c.scope() == ScopeAll || f.Gateway {
		return nil
	}
	return f.Naming.matchers(vars.Namespace, names(pods))
}

// boundsOf completes the complaint about a bucket that is not there with those that are.
func (p *preflight) boundsOf(ctx context.Context, c Criterion, vars Vars, matchers []*matcher, failed *Point) *Point {
	if c.Counts.Histogram == "" || c.Counts.Native {
		return failed
	}
	base, err := selector(mustExpand(vars, c.Counts.Histogram))
	if err != nil {
		return failed
	}
	base.LabelMatchers = append(base.LabelMatchers, matchers...)
	a, err := p.ask(ctx, fmt.Sprintf("count by (le) (%s)", renamed(base, "_bucket")))
	if err != nil || len(a.Samples) == 0 {
		return failed
	}
	var bounds []string
	for _, s := range a.Samples {
		bounds = append(bounds, s.Labels["le"])
	}
	slices.SortFunc(bounds, byNumber)
	failed.Note += "; it has " + joinedShort(bounds, 20)
	return failed
}

func mustExpand(vars Vars, text string) string {
	expanded, err := vars.Expand(text)
	if err != nil {
		return text
	}
	return expanded
}

// Refusal returns why a run should not begin, as an error that joins a line for each criterion that does not hold for
// the running version, or cannot be asked; nil when there is none. A first release, of which nothing can be known, is
// never refused for missing data.
func (f Facts) Refusal(criteria []Criterion, timing Timing, firstRelease bool) error {
	var errs []error
	for i, facts := range f.Criteria {
		c := criteria[i]
		switch {
		case c.Report:
		case facts.State == Breach:
			errs = append(errs, &hinted{fmt.Sprintf("criterion %q does not hold for the running version: %s against %s %s",
				c.Name, numberText(c, facts.Before), c.Op, c.Limit.Unit.Format(c.Limit.Value)),
				"repair the service or the limit; --preflight=warn deploys nevertheless"})
		case facts.State == Failed:
			errs = append(errs, &hinted{fmt.Sprintf("criterion %q cannot be asked: %s", c.Name, facts.Problem), "run 'rolloutgate analyze' to try it alone"})
		case facts.State == NoData && !firstRelease:
			errs = append(errs, &hinted{fmt.Sprintf("criterion %q has no data about the running version: %s", c.Name, facts.Problem),
				"a criterion without data never passes; --preflight=warn deploys nevertheless"})
		}
		if c.Counts != nil && timing.Window > 0 && timing.Window < leastScrapes*f.Scrape {
			errs = append(errs, &hinted{fmt.Sprintf("criterion %q: a window of %s holds fewer than %d scrapes, which are %s apart", c.Name, timing.Window, leastScrapes, f.Scrape),
				fmt.Sprintf("lengthen window to %s", leastScrapes*f.Scrape)})
		}
	}
	return errors.Join(errs...)
}

func numberText(c Criterion, n *Number) string {
	if n == nil {
		return "no value"
	}
	return c.Limit.Unit.Format(float64(*n))
}
