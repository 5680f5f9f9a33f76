package analysis

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Counts says how events are counted: selectors of counters, with variables. Total is always set, and one of Bad and
// Good; or Histogram and Over are set, and the events are its observations, of which those above Over are bad.
type Counts struct {
	Bad, Good, Total string

	Histogram string  // a selector with the base name, without _bucket and _count
	Over      float64 // in the unit of the histogram
	// Native is set when the histogram is a native one. The preflight finds out.
	Native bool
}

func (c Counts) text() string {
	switch {
	case c.Histogram != "":
		return fmt.Sprintf("%s over %s", oneLine(c.Histogram), plain(c.Over))
	case c.Bad != "":
		return fmt.Sprintf("%s / %s", oneLine(c.Bad), oneLine(c.Total))
	}
	return fmt.Sprintf("1 - %s / %s", oneLine(c.Good), oneLine(c.Total))
}

// roleLabel tells the parts of one answer apart: bad, good and total are asked in one query, so that all three are of
// the same instant.
const roleLabel = "rolloutgate_count"

// keepApart are the labels that tell the counters of one pod apart that restart independently.
var keepApart = []string{"instance", "container"}

// replicas are the labels by which the copies of one series differ that two servers of a pair have scraped.
var replicas = []string{"prometheus", "prometheus_replica"}

// parts returns an expression for each role: the raw counter of each process. matchers are added to every selector.
func (c Counts) parts(vars Vars, matchers []*labels.Matcher) (map[string]string, error) {
	parts := map[string]string{}
	add := func(role, text string) error {
		expanded, err := vars.Expand(text)
		if err != nil {
			return err
		}
		s, err := selector(expanded)
		if err != nil {
			return err
		}
		parts[role], err = inject(s.String(), matchers) // without parentheses and comments, which a range cannot follow
		return err
	}
	if c.Histogram == "" {
		for _, part := range []struct{ role, text string }{{"bad", c.Bad}, {"good", c.Good}, {"total", c.Total}} {
			if part.text == "" {
				continue
			}
			if err := add(part.role, part.text); err != nil {
				return nil, err
			}
		}
		return parts, nil
	}
	if err := add("total", c.Histogram); err != nil {
		return nil, err
	}
	base, err := selector(parts["total"])
	if err != nil {
		return nil, err
	}
	if c.Native {
		delete(parts, "total")
		parts["native"] = base.String()
		return parts, nil
	}
	parts["total"] = renamed(base, "_count").String()
	good := renamed(base, "_bucket")
	good.LabelMatchers = append(good.LabelMatchers, labels.MustNewMatcher(labels.MatchRegexp, "le", boundPattern(c.Over)))
	parts["good"] = good.String()
	return parts, nil
}

// renamed copies a selector and appends to the metric's name.
func renamed(s *parser.VectorSelector, suffix string) *parser.VectorSelector {
	copied := &parser.VectorSelector{}
	if s.Name != "" {
		copied.Name = s.Name + suffix
	}
	for _, m := range s.LabelMatchers {
		if m.Name == model.MetricNameLabel {
			value := m.Value
			if m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp {
				value = "(" + value + ")"
			}
			m = labels.MustNewMatcher(m.Type, m.Name, value+suffix)
		}
		copied.LabelMatchers = append(copied.LabelMatchers, m)
	}
	return copied
}

// boundPattern matches the ways in which clients and servers write one bucket bound: since 3.0 Prometheus itself
// writes 1.0 where a client wrote 1.
func boundPattern(bound float64) string {
	text := strconv.FormatFloat(bound, 'f', -1, 64)
	forms := []string{regexp.QuoteMeta(text), regexp.QuoteMeta(strconv.FormatFloat(bound, 'e', -1, 64))}
	if !strings.Contains(text, ".") {
		forms = append(forms, regexp.QuoteMeta(text)+`\.0+`)
	} else {
		forms[0] += "0*"
	}
	return strings.Join(forms, "|")
}

// raw is the query for the counters of each process as they stand.
func (c Counts) raw(vars Vars, matchers []*labels.Matcher, by []string) (string, error) {
	return c.render(vars, matchers, by, func(s string) string { return s })
}

// increase is the query for what the counters grew in the time before the evaluation.
func (c Counts) increase(vars Vars, matchers []*labels.Matcher, by []string, over string) (string, error) {
	return c.render(vars, matchers, by, func(s string) string { return fmt.Sprintf("increase(%s[%s])", s, over) })
}

func (c Counts) render(vars Vars, matchers []*labels.Matcher, by []string, of func(string) string) (string, error) {
	parts, err := c.parts(vars, matchers)
	if err != nil {
		return "", err
	}
	group := joined(by)
	sum := func(role, inner string) string {
		return fmt.Sprintf(`label_replace(%s, %q, %q, "", "")`, inner, roleLabel, role)
	}
	var terms []string
	if native, ok := parts["native"]; ok {
		merged := fmt.Sprintf("sum by (%s) (%s)", group, of(native))
		terms = append(terms,
			sum("good", fmt.Sprintf("histogram_fraction(0, %s, %s) * histogram_count(%s)", plain(c.Over), merged, merged)),
			sum("total", fmt.Sprintf("histogram_count(%s)", merged)))
	} else {
		for _, role := range []string{"bad", "good", "total"} {
			if text, ok := parts[role]; ok {
				terms = append(terms, sum(role, fmt.Sprintf("sum by (%s) (max without (%s) (%s))", group, strings.Join(replicas, ", "), of(text))))
			}
		}
	}
	for _, role := range []string{"total", "native"} {
		if text, ok := parts[role]; ok {
			terms = append(terms, sum("age", fmt.Sprintf("time() - max by (%s) (timestamp(%s))", group, text)))
		}
	}
	query := strings.Join(terms, " or ")
	if _, err := parse(query); err != nil {
		return "", err
	}
	return query, nil
}

// joined lists labels, with quotes around names that PromQL cannot take bare.
func joined(names []string) string {
	plainName := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	out := make([]string, len(names))
	for i, n := range names {
		if out[i] = n; !plainName.MatchString(n) {
			out[i] = strconv.Quote(n)
		}
	}
	return strings.Join(out, ", ")
}

// tally is what one process, or one group of series, had counted at one instant.
type tally struct {
	group      string // the values of the labels of Each, as name=value pairs
	pod        string
	process    string // pod and what keeps counters apart
	bad, total float64
	age        float64   // of its newest sample, in seconds
	taken      time.Time // when that sample was taken, by the server's clock; zero: unknown
}

// tallies reads the answer to a query of render. A total without bad events has none; bad or good events without a
// total are nothing to judge by. The error is a sentence about an answer that cannot be counted.
func (c Counts) tallies(a Answer, each []string, podLabel string) ([]tally, error) {
	type counted struct {
		tally
		has map[string]float64
		at  time.Time
	}
	found := map[string]*counted{}
	var order []string
	for _, s := range a.Samples {
		if s.Histogram {
			return nil, fmt.Errorf("the counter is a native histogram; for latency use slow")
		}
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			if s.Labels[roleLabel] == "good" && c.Native { // the fraction of nothing
				continue
			}
			return nil, fmt.Errorf("the counter is %v", s.Value)
		}
		t := tally{group: groupOf(s.Labels, each), pod: s.Labels[podLabel]}
		t.process = strings.Join(append([]string{t.pod}, values(s.Labels, keepApart)...), "/")
		key := t.group + "\x00" + t.process
		if found[key] == nil {
			found[key] = &counted{t, map[string]float64{}, s.Time}
			order = append(order, key)
		}
		role := s.Labels[roleLabel]
		if _, twice := found[key].has[role]; twice {
			return nil, fmt.Errorf("the answer has the same counter twice: %s", t.process)
		}
		found[key].has[role] = s.Value
	}
	slices.Sort(order)
	var out []tally
	for _, key := range order {
		one := found[key]
		total, ok := one.has["total"]
		if !ok {
			continue
		}
		one.total, one.age = total, one.has["age"]
		if _, known := one.has["age"]; known && !one.at.IsZero() {
			one.taken = one.at.Add(-time.Duration(one.age * float64(time.Second)))
		}
		switch good, known := one.has["good"]; {
		case c.Bad != "":
			one.bad = one.has["bad"]
		case known:
			one.bad = max(total-good, 0)
			if c.Native {
				one.bad = math.Round(one.bad) // a fraction of the total is not exact
			}
		case c.Histogram != "" && total > 0:
			return nil, fmt.Errorf("the histogram has no bucket with the bound %s", plain(c.Over))
		default:
			one.bad = total
		}
		one.bad = min(one.bad, one.total)
		out = append(out, one.tally)
	}
	return out, nil
}

func groupOf(l map[string]string, each []string) string {
	var parts []string
	for _, name := range each {
		parts = append(parts, name+"="+strconv.Quote(l[name]))
	}
	return strings.Join(parts, ", ")
}

func values(l map[string]string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = l[n]
	}
	return out
}
