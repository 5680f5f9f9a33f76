package analysis

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Spec is the part of a configuration file that concerns analysis:
//
//	settle: 30s
//	window: 5m
//	interval: 15s
//	queryTimeout: 10s
//	criteria:
//	  - name: errors
//	    query: sum(rate(errors_total{namespace="${namespace}"}[1m]))
//	    max: 1%
//	  - name: latency
//	    query: histogram_quantile(0.99, sum by (le) (rate(latency_bucket[1m]))) < 0.5
//	    for: 3
type Spec struct {
	Timing   Timing
	Criteria []CriterionSpec
}

// CriterionSpec is one entry of the list of criteria. It holds either a
// query for a value and one of Max and Min, both inclusive, or a query that
// is a comparison with a constant, as in [ParseCheck].
type CriterionSpec struct {
	Name     string
	Query    string // PromQL with variables
	Max, Min *Limit
	For      int // zero: see Criterion.For

	File string // where the entry stands, for errors; may be empty
	Line int    // from 1; zero if it is not from a file
}

// Compile returns the criteria with their variables filled in. The error
// joins one [*SpecError] per criterion that has a mistake.
func (s Spec) Compile(vars Vars) ([]Criterion, error) {
	criteria, errs := s.compile(vars)
	return criteria, errors.Join(errs...)
}

func (s Spec) compile(vars Vars) (criteria []Criterion, errs []error) {
	names := map[string]bool{}
	for _, spec := range s.Criteria {
		c, err := spec.compile(vars)
		if err == nil && names[spec.Name] {
			err = &hinted{"the name is taken by an earlier criterion", "reports and annotations need different names"}
		}
		if err != nil {
			errs = append(errs, spec.fault(err))
			continue
		}
		names[spec.Name] = true
		criteria = append(criteria, c)
	}
	return criteria, errs
}

func (s CriterionSpec) compile(vars Vars) (c Criterion, err error) {
	c = Criterion{Name: s.Name, For: s.For}
	switch {
	case s.Name == "":
		return c, &hinted{"it has no name", "add name: it stands for the criterion in reports"}
	case strings.TrimSpace(s.Query) == "":
		return c, &hinted{"it has no query", "add query: the PromQL for the value"}
	case s.For < 0:
		return c, errors.New("for is negative")
	case s.Max != nil && s.Min != nil:
		return c, &hinted{"it has both max and min", "write one criterion for each limit; all of them have to pass"}
	}
	query, err := vars.Expand(s.Query)
	if err != nil {
		return c, err
	}
	if s.Max == nil && s.Min == nil {
		c.Query, c.Op, c.Limit, err = split(query)
		return c, noLimit(err)
	}
	c.Op, c.Limit = LessEqual, Limit{}
	if s.Max != nil {
		c.Limit = *s.Max
	} else {
		c.Op, c.Limit = GreaterEqual, *s.Min
	}
	expr, err := parse(query)
	if err != nil {
		return c, err
	}
	if b, ok := unwrapComparison(expr); ok {
		return c, &hinted{fmt.Sprintf("the query compares with %s and there is a max or min as well", b),
			"keep one of them: the value alone in query with max or min, or the whole comparison in query"}
	}
	if err := valueQuery(expr); err != nil {
		return c, err
	}
	c.Query = strings.TrimSpace(query)
	return c, nil
}

// noLimit replaces the advice for a command line by the one for a file.
func noLimit(err error) error {
	var h *hinted
	if errors.As(err, &h) && h.hint == splitHint {
		return &hinted{"it has no limit: no max, no min, and " + h.text, "add max or min, or write the query as 'PROMQL <= LIMIT'"}
	}
	return err
}

// fault places an error at the criterion.
func (s CriterionSpec) fault(err error) error {
	subject := "reading criterion"
	if s.Name != "" {
		subject = fmt.Sprintf("reading criterion %q", s.Name)
	}
	text, hint := parts(err)
	return &SpecError{File: s.File, Line: s.Line, Text: subject + ": " + text, Hint: hint}
}

// SpecError is a mistake in a configuration file.
type SpecError struct {
	File         string // as the caller named it; may be empty
	Line, Column int    // from 1; zero where unknown
	Text         string // one line
	Hint         string // what to write instead; may be empty
}

// Error returns "file:line:column: text", as far as these are known, and the
// hint on a second line.
func (e *SpecError) Error() string {
	place := e.File
	if e.Line > 0 {
		if place == "" {
			place = "line "
		} else {
			place += ":"
		}
		place += fmt.Sprint(e.Line)
		if e.Column > 0 {
			place += fmt.Sprintf(":%d", e.Column)
		}
	}
	if place != "" {
		place += ": "
	}
	return withHint(place+e.Text, e.Hint)
}

// parseDuration reads a duration that is not negative.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, &hinted{fmt.Sprintf("%q is not a duration", text), "write a number and a unit, such as 30s, 5m or 1h30m"}
	}
	return d, nil
}
