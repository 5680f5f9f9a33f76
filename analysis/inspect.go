package analysis

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// inspector asks about series instead of values.
type inspector struct{ *run }

// ask sends a query now.
func (p inspector) ask(ctx context.Context, query string) (Answer, error) {
	return p.run.ask(ctx, query, time.Now())
}

// seriesFacts are what is known about the series of one criterion.
type seriesFacts struct {
	CriterionFacts
	selectors   []string
	scrape, lag time.Duration
}

// inspect looks at the series behind one criterion, of the session's old pods: how they name pods, how often they are
// scraped, how old they are.
func (p inspector) inspect(ctx context.Context, c Criterion) seriesFacts {
	l := seriesFacts{CriterionFacts: CriterionFacts{Name: c.Name, Naming: usualNaming}}
	if c.Endpoint != nil {
		return l // it has no series
	}
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
		l.inspected = true
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
	if c.foreign() {
		return nil, nil // they cannot be told
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
func (p inspector) native(ctx context.Context, c Counts, vars Vars) bool {
	classic, err := c.parts(vars, nil)
	if err != nil || p.number(ctx, "count("+classic["total"]+")") > 0 {
		return false
	}
	c.Native = true
	native, err := c.parts(vars, nil)
	return err == nil && p.number(ctx, "count(histogram_count("+native["native"]+"))") > 0
}

// number asks for one number; 0 when there is none.
func (p inspector) number(ctx context.Context, query string) float64 {
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
func (p inspector) rhythm(ctx context.Context, selector string) (scrape, lag time.Duration) {
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
func (p inspector) name(ctx context.Context, l *seriesFacts, namespace string, pods []string) {
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
