package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

// Preflight asks everything once before anything is changed: whether the server answers, how its clock and its data
// lie, how its series name pods, and what each criterion says about the running version. The session's old pods are
// those of the running version; none means a first release, of which nothing can be known.
//
// The error is that of a server that does not answer a constant, a *QueryError; whatever goes wrong with one criterion
// is in its facts.
func (s Session) Preflight(ctx context.Context) (Facts, error) {
	patience := s.Timing.QueryTimeout // between two looks it is capped, here nothing waits behind it
	if patience <= 0 {
		patience = DefaultTiming().QueryTimeout
	}
	s.Timing = s.Timing.resolved()
	s.Timing.QueryTimeout = patience
	p := &preflight{run: &run{Session: s, slots: make(chan struct{}, maxConcurrent)}, facts: Facts{Criteria: make([]CriterionFacts, len(s.Criteria))}}
	if err := p.clock(ctx); err != nil {
		return p.facts, err
	}
	if backend, ok := s.Querier.(interface{ Backend(context.Context) string }); ok {
		p.facts.Backend = backend.Backend(ctx)
	}
	looks := make([]look, len(s.Criteria))
	var all sync.WaitGroup
	for i, c := range s.Criteria {
		all.Go(func() { looks[i] = p.survey(ctx, c) })
	}
	all.Wait()
	for _, l := range looks {
		p.facts.Scrape, p.facts.Lag = max(p.facts.Scrape, l.scrape), max(p.facts.Lag, l.lag)
	}
	p.Facts, p.Timing = p.facts, s.Timing.With(p.facts.Scrape, p.facts.Lag)
	p.Timing.QueryTimeout = patience
	for i, c := range s.Criteria {
		all.Go(func() { p.facts.Criteria[i] = p.running(ctx, c, looks[i]) })
	}
	all.Wait()
	return p.facts, nil
}

// preflight is the state of one.
type preflight struct {
	*run
	facts Facts
}

// look is what is known about the series of one criterion.
type look struct {
	CriterionFacts
	selectors   []string
	scrape, lag time.Duration
}

// ask sends a query now.
func (p *preflight) ask(ctx context.Context, query string) (Answer, error) {
	return p.run.ask(ctx, query, time.Now())
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

// survey looks at the series behind one criterion: how they name pods, how often they are scraped, how old they are.
func (p *preflight) survey(ctx context.Context, c Criterion) look {
	l := look{CriterionFacts: CriterionFacts{Name: c.Name, Naming: usualNaming}}
	vars := p.vars()
	var err error
	if l.selectors, err = c.selectors(vars); err != nil {
		l.Problem = firstLine(err.Error())
		return l
	}
	if c.Counts != nil && c.Counts.Histogram != "" {
		l.Native = p.native(ctx, *c.Counts, vars)
		counts := *c.Counts
		counts.Native = l.Native
		c.Counts = &counts
		if l.selectors, err = c.selectors(vars); err != nil {
			l.Problem = firstLine(err.Error())
			return l
		}
	}
	if len(l.selectors) == 0 {
		return l // a constant, or the time
	}
	l.scrape, l.lag = p.rhythm(ctx, l.selectors[0])
	if pods := p.pods().Old; c.scope() != ScopeAll && len(pods) > 0 {
		l.surveyed = true
		p.name(ctx, &l, vars.Namespace, names(pods))
	}
	return l
}

// selectors are the selectors of a criterion: of counts that of the total, of a value all.
func (c Criterion) selectors(vars Vars) ([]string, error) {
	if c.Counts != nil {
		parts, err := c.Counts.parts(vars, nil)
		if err != nil {
			return nil, err
		}
		if native, ok := parts["native"]; ok {
			return []string{native}, nil
		}
		return []string{parts["total"]}, nil
	}
	query, err := c.query(vars)
	if err != nil {
		return nil, err
	}
	expr, err := parse(query)
	if err != nil {
		return nil, err
	}
	return selectorsOf(expr), nil
}

func selectorsOf(expr parser.Expr) []string {
	var out []string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			bare := &parser.VectorSelector{Name: s.Name, LabelMatchers: s.LabelMatchers}
			if text := bare.String(); !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
		return nil
	})
	return out
}

// native reports whether a histogram exists only as a native one.
func (p *preflight) native(ctx context.Context, c Counts, vars Vars) bool {
	classic, err := c.parts(vars, nil)
	if err != nil || p.number(ctx, "count("+classic["total"]+")") > 0 {
		return false
	}
	c.Native = true
	native, err := c.parts(vars, nil)
	return err == nil && p.number(ctx, "count(histogram_count("+native["native"]+"))") > 0
}

// number asks for one number; 0 when there is none.
func (p *preflight) number(ctx context.Context, query string) float64 {
	a, err := p.ask(ctx, query)
	if err != nil || len(a.Samples) != 1 {
		return 0
	}
	return a.Samples[0].Value
}

// rhythms are the windows in which samples are counted: a series that is younger than a window makes the interval look
// longer than it is, and a window that is shorter than a few intervals counts too few.
var rhythms = []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}

// rhythm measures the scrape interval and how much older than that the newest sample is.
func (p *preflight) rhythm(ctx context.Context, selector string) (scrape, lag time.Duration) {
	for _, window := range rhythms {
		n := p.number(ctx, fmt.Sprintf("max(count_over_time(%s[%s]))", selector, promSeconds(window)))
		if n < leastScrapes {
			continue
		}
		scrape = (window / time.Duration(n)).Round(100 * time.Millisecond)
		break
	}
	age := time.Duration(p.number(ctx, fmt.Sprintf("time() - max(timestamp(%s))", selector)) * float64(time.Second))
	if scrape > 0 && age > 2*scrape+time.Second {
		lag = (age - scrape).Round(time.Second)
	}
	return scrape, lag
}

// name finds the labels that name the running pods.
func (p *preflight) name(ctx context.Context, l *look, namespace string, pods []string) {
	pattern, others := shorten(podPattern(pods), 60), ""
	for _, label := range podLabels {
		by := append([]string{label}, namespaceOf[label]...)
		expr, err := inject(l.selectors[0], Naming{Pod: label}.matchers("", pods))
		if err != nil {
			return
		}
		a, err := p.ask(ctx, fmt.Sprintf("count by (%s) (%s)", joined(by), expr))
		if err != nil {
			l.Problem = errorNote(err)
			return
		}
		if len(a.Samples) == 0 {
			named := []*matcher{labels.MustNewMatcher(labels.MatchNotEqual, label, "")}
			if any, err := inject(l.selectors[0], named); err == nil && others == "" && p.number(ctx, "count("+any+")") > 0 {
				others = label
			}
			continue
		}
		l.Naming = Naming{Pod: label}
		for _, ns := range namespaceOf[label] {
			if !slices.ContainsFunc(a.Samples, func(s Sample) bool { return s.Labels[ns] != namespace }) {
				l.Naming.Namespace = ns
				break
			}
		}
		twice := fmt.Sprintf("max(count by (%s) (count by (%s) (%s)))", label, joined([]string{label, "job"}), expr)
		if jobs := p.number(ctx, twice); jobs > 1 {
			l.Notes = append(l.Notes, fmt.Sprintf("the pods are scraped by %.0f jobs, so that every event counts as often: add job=\"…\" to the selector", jobs))
		}
		if label != "pod" {
			l.Notes = append(l.Notes, fmt.Sprintf("pods are told apart by the label %s", label))
		}
		return
	}
	if p.number(ctx, "count("+l.selectors[0]+")") == 0 {
		return // there is nothing at all; the running version's value says so
	}
	if others != "" {
		// The metric of other services must not be taken for one of ours.
		l.State, l.Problem = NoData, fmt.Sprintf("%s has series of other pods, by its label %s, and none of the running ones (%s): are they scraped? "+
			"for the series of a gateway write scope: all", l.selectors[0], others, pattern)
		return
	}
	l.Gateway = true
	l.Notes = append(l.Notes, fmt.Sprintf("no label of %s names one of the running pods (%s): old and new version are told apart by time, not by pod; "+
		"what changes for other reasons at the same time counts, too", l.selectors[0], pattern))
}

func shorten(text string, most int) string {
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// running judges the running version, and keeps what the new one will be compared with.
func (p *preflight) running(ctx context.Context, c Criterion, l look) CriterionFacts {
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
	w := &watched{run: p.run, c: c, facts: f, alpha: p.alpha(), tracker: newTracker(c, 0, 0)}
	answer, err := p.ask(ctx, query)
	tallies, bad := w.tally(time.Now(), answer, err, "")
	if bad != nil {
		return *p.boundsOf(ctx, c, vars, c.runningMatchers(vars, f, pods), bad)
	}
	w.tracker.setTotals(tallies)
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
