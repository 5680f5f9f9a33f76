package analysis

import (
	"errors"
	"fmt"
	"time"
)

// Spec is the part of a configuration file that concerns analysis:
//
//	settle: 30s
//	window: 5m
//	on: {fail: undo, inconclusive: stop, error: stop}
//	criteria:
//	  - name: errors
//	    ratio: {bad: 'http_requests_total{code=~"5.."}', total: http_requests_total}
//	    max: 1%
//	  - name: queue
//	    query: max(queue_depth{namespace="${namespace}"})
//	    max: 1000
//	  - preset: nginx-errors
//	    max: 2%
type Spec struct {
	Timing Timing
	On     Policy
	// EarlyPass ends the window of criteria on counts as soon as these show that the share is well below the limit.
	EarlyPass bool
	Vars      map[string]string // the values of ${vars.NAME}
	Env       []string          // names of environment variables that ${env.NAME} may read
	Criteria  []CriterionSpec
}

// CriterionSpec is one entry of the list of criteria: one question, or a Preset that has one, and a limit. Max and Min
// are inclusive.
type CriterionSpec struct {
	Name   string
	Preset string

	Asks []Asked // one; more are a mistake

	Max, Min  *Limit
	Equal     *Limit // for values; true is 1 and false is 0
	For       int    // zero: see Criterion.For
	MinEvents int
	NoData    NoDataPolicy
	Enforce   *bool // nil: true
	Each      []string
	Reduce    string
	Scope     Scope
	Dialect   Dialect // of a query

	Baseline           BaselineKind
	MaxRatio, MinRatio float64
	MinIncrease        *Limit

	File string // where the entry stands, for errors; may be empty
	Line int    // from 1; zero if it is not from a file
}

// Compile returns the criteria, checked with the given variables and stand-ins for what is known only later. The error
// joins one [*SpecError] per criterion that has a mistake.
func (s Spec) Compile(vars Vars) ([]Criterion, error) {
	criteria, errs := s.compile(s.Known(vars))
	return criteria, errors.Join(errs...)
}

// Known adds the variables of the specification, and placeholders for what is not known before a run, with which
// queries can be checked.
func (s Spec) Known(vars Vars) Vars {
	all := Placeholders()
	if vars.Namespace != "" {
		all.Namespace = vars.Namespace
	}
	all.Window, all.Interval = max(s.Timing.resolved().Window, leastScrapes*leastInterval), s.Timing.resolved().Interval
	all.Custom, all.Env = s.Vars, vars.Env
	return all
}

func (s Spec) compile(vars Vars) (criteria []Criterion, errs []error) {
	names := map[string]bool{}
	for _, spec := range s.Criteria {
		spec, err := spec.withPreset()
		var c Criterion
		if err == nil {
			c, err = spec.compile(vars)
		}
		if err == nil && names[spec.Name] {
			err = &hinted{"the name is taken by an earlier criterion", "reports and annotations need different names"}
		}
		if err != nil {
			errs = append(errs, spec.fault(err))
			continue
		}
		c.EarlyPass = s.EarlyPass && c.Counts != nil && c.Baseline == nil
		names[spec.Name] = true
		criteria = append(criteria, c)
	}
	return criteria, errs
}

func (s CriterionSpec) compile(vars Vars) (c Criterion, err error) {
	c = Criterion{
		Name: s.Name, For: s.For, MinEvents: float64(s.MinEvents), NoData: s.NoData, Report: s.Enforce != nil && !*s.Enforce,
		Each: s.Each, Reduce: s.Reduce, Scope: s.Scope, Dialect: s.Dialect,
	}
	if s.Name == "" {
		return c, &hinted{"it has no name", "add name: it stands for the criterion in reports"}
	}
	asked, err := s.question()
	if err != nil {
		return c, err
	}
	c.Type = asked.Kind
	if s.limits() > 1 {
		return c, &hinted{"it has both " + s.firstTwoLimits(), "write one criterion for each limit; all of them have to pass"}
	}
	if s.For < 0 {
		return c, errors.New("for is negative")
	}
	if err := s.baseline(&c); err != nil {
		return c, err
	}
	if err := asked.compile(s, &c, vars); err != nil {
		return c, err
	}
	return c, s.fits(c)
}

// fits says which keys have no meaning together.
func (s CriterionSpec) fits(c Criterion) error {
	switch {
	case s.Dialect != "" && c.Type != "query":
		return &hinted{"dialect has no meaning for " + c.Type + ": only a query is written by you", "remove dialect"}
	case c.Counts != nil && s.For > 0:
		return &hinted{"for has no meaning for events, which are added up", "remove for; minEvents says how many events a verdict takes"}
	case c.Counts != nil && s.Reduce != "":
		return &hinted{"reduce has no meaning for events, which are added up", "use each to judge series one by one"}
	case c.Counts != nil && s.NoData != "":
		return &hinted{"noData has no meaning for events: no bad event is none, and no event at all is never judged", "remove noData"}
	case c.Counts == nil && s.MinEvents > 0:
		return &hinted{"minEvents has no meaning for a value", "remove minEvents, or count events with ratio or slow"}
	case c.Counts == nil && c.Baseline != nil && c.Baseline.Kind == BaselineConcurrent:
		return &hinted{"a value cannot be compared with the old pods: they are gone when the window begins", "use baseline: before or history, or count events with ratio or slow"}
	case c.Counts != nil && c.Baseline != nil && c.Baseline.MinRatio > 0:
		return &hinted{"minRatio has no meaning for bad events", "use maxRatio"}
	case c.Counts != nil && c.scope() != ScopeNew && c.Baseline != nil && c.Baseline.Kind == BaselineConcurrent:
		return &hinted{"the versions cannot be compared side by side with scope: " + string(c.scope()), "use scope: new, or baseline: before"}
	}
	return nil
}

// baseline reads the keys of a comparison.
func (s CriterionSpec) baseline(c *Criterion) error {
	if s.Baseline == "" {
		if s.MaxRatio != 0 || s.MinRatio != 0 || s.MinIncrease != nil {
			return &hinted{"maxRatio, minRatio and minIncrease need a baseline", "add baseline: before, concurrent or history"}
		}
		return nil
	}
	if s.limits() > 0 {
		return &hinted{"it has both a baseline and a limit", "write one criterion for each; all of them have to pass"}
	}
	if s.MaxRatio != 0 && s.MinRatio != 0 {
		return &hinted{"it has both maxRatio and minRatio", "write one criterion for each"}
	}
	b := &Baseline{Kind: s.Baseline, MaxRatio: s.MaxRatio, MinRatio: s.MinRatio, Windows: defaultWindows}
	if s.MaxRatio == 0 && s.MinRatio == 0 {
		b.MaxRatio = defaultMaxRatio
	}
	if b.MaxRatio != 0 && b.MaxRatio < 1 || b.MinRatio < 0 || b.MinRatio > 1 {
		return &hinted{"the ratio would fail a release that is as good as before", "maxRatio is 1 or more, minRatio is 1 or less"}
	}
	if s.MinIncrease != nil {
		b.MinIncrease = *s.MinIncrease
	}
	c.Baseline, c.Op = b, LessEqual
	c.Limit.Unit = b.MinIncrease.Unit
	if b.MinRatio > 0 {
		c.Op = GreaterEqual
	}
	return nil
}

// limits is how many limits the entry has; one is enough.
func (s CriterionSpec) limits() (n int) {
	for _, limit := range []*Limit{s.Max, s.Min, s.Equal} {
		if limit != nil {
			n++
		}
	}
	return n
}

func (s CriterionSpec) firstTwoLimits() string {
	switch {
	case s.Equal == nil:
		return "max and min"
	case s.Max != nil:
		return "max and equal"
	}
	return "min and equal"
}

// bound takes the limit of a value from the keys of the entry, if it has one.
func (s CriterionSpec) bound(c *Criterion) {
	switch {
	case s.Max != nil:
		c.Op, c.Limit = LessEqual, *s.Max
	case s.Min != nil:
		c.Op, c.Limit = GreaterEqual, *s.Min
	case s.Equal != nil:
		c.Op, c.Limit = Equal, *s.Equal
	}
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
