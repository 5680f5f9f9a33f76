package analysis

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// State is what one answer says about a criterion.
type State string

const (
	// OK and Breach are judged: one finite number met the limit, or one
	// number did not.
	OK     State = "ok"
	Breach State = "breach"
	// NoData: nothing to judge, because the answer was empty or not a number.
	NoData State = "noData"
	// Thin: there are events, but too few to say something.
	Thin State = "thin"
	// Failed: the query failed, or its answer is not one number.
	Failed State = "error"
)

// Point is one measurement of a criterion.
type Point struct {
	Time time.Time `json:"time"`
	// Value is what the server returned; nil if that was not one number.
	Value *Number `json:"value,omitempty"`
	State State   `json:"state"`
	// Bad and Events are the counts so far, for criteria on counts.
	Bad    float64 `json:"bad,omitempty"`
	Events float64 `json:"events,omitempty"`
	// Group names the series that Value is of, where there are several: the worst.
	Group string `json:"group,omitempty"`
	// Evidence is the natural logarithm of how much likelier the counts are under a broken limit, and Spread whether
	// the bad events came at more than one time or from more than one pod. Both are zero for values.
	Evidence Number `json:"evidence,omitempty"`
	Spread   bool   `json:"spread,omitempty"`
	// between is set for a look at counts that is not of the schedule: it only ever fails on evidence.
	between bool
	// Note says on one line why the point is neither ok nor a breach.
	Note string `json:"note,omitempty"`
}

func (p Point) judged() bool { return p.State == OK || p.State == Breach }

// Measure turns the answer to a query for a value, or the error in its place, into a point.
//
// NaN is the result of dividing nothing by nothing, so it is no data. An infinity can be a breach, but it never meets
// a limit: x / 0 must not pass as a large throughput. Several series are a mistake unless the criterion says what to
// make of them; then the worst decides: a breach, then the value that is nearest to one.
func Measure(c Criterion, at time.Time, a Answer, err error) Point {
	failed := func(note string) Point { return Point{Time: at, State: Failed, Note: note} }
	switch {
	case err != nil:
		return failed(errorNote(err))
	case len(a.Warnings) > 0:
		return failed("the answer may be incomplete: " + firstLine(a.Warnings[0]))
	case a.Kind != Vector && a.Kind != Scalar:
		return failed(fmt.Sprintf("the query returns a %s, not one number", a.Kind))
	case invalidInfo(a.Infos) != "": // before the empty answer, which may be what is left
		return failed(invalidInfo(a.Infos))
	case len(a.Samples) == 0:
		return c.empty(at)
	case len(a.Samples) > 1 && len(c.Each) == 0:
		return failed(severalNote(a.Samples))
	}
	seen := map[string]bool{}
	var worst *Point
	for _, s := range a.Samples {
		p := c.measureOne(at, s)
		if len(c.Each) > 0 {
			p.Group = groupOf(s.Labels, c.Each)
			if seen[p.Group] {
				return failed(severalNote(a.Samples) + ", or name the labels in each")
			}
			seen[p.Group] = true
		}
		if worst == nil || c.worse(p, *worst) {
			worst = &p
		}
	}
	return *worst
}

// measureOne judges one number.
func (c Criterion) measureOne(at time.Time, s Sample) Point {
	if s.Histogram {
		return Point{Time: at, State: Failed, Note: "the query returns a native histogram, not a number; use histogram_quantile or histogram_count"}
	}
	met, known := c.Op.holds(s.Value, c.Limit.Value)
	number := Number(s.Value)
	p := Point{Time: at, Value: &number, State: Breach}
	switch {
	case !known:
		p.State, p.Note = Failed, fmt.Sprintf("the criterion has no comparison that is known: %q", c.Op)
	case math.IsNaN(s.Value):
		p.State, p.Note = NoData, "the value is NaN, as in 0 / 0"
	case met && math.IsInf(s.Value, 0):
		p.State, p.Note = NoData, "the value is infinite, as in 1 / 0, which cannot meet a limit"
	case met:
		p.State = OK
	}
	return p
}

// empty is the point for an answer without series.
func (c Criterion) empty(at time.Time) Point {
	note := "no series matched"
	if c.Endpoint != nil {
		note = c.Endpoint.nothing()
	}
	switch c.NoData {
	case NoDataPass:
		return Point{Time: at, State: OK, Note: note}
	case NoDataFail:
		return Point{Time: at, State: Breach, Note: note}
	case NoDataZero:
		p := c.measureOne(at, Sample{})
		p.Note = note
		return p
	}
	return Point{Time: at, State: NoData, Note: note}
}

// worse orders the points of several series: what cannot be judged must not be hidden by what can, except by a breach.
func (c Criterion) worse(a, b Point) bool {
	rank := func(s State) int { return slices.Index([]State{OK, Thin, NoData, Failed, Breach}, s) }
	if a.State != b.State {
		return rank(a.State) > rank(b.State)
	}
	if a.Value == nil || b.Value == nil {
		return false
	}
	if c.Op == Greater || c.Op == GreaterEqual {
		return *a.Value < *b.Value
	}
	return *a.Value > *b.Value
}

// invalidInfo finds the remarks of Prometheus 3 that mean that samples were left out of the value.
func invalidInfo(infos []string) string {
	for _, info := range infos {
		if strings.Contains(info, "ignored histogram") || strings.Contains(info, "mixed histograms and floats") || strings.Contains(info, "mix of histograms and floats") || strings.Contains(info, "incompatible sample types") {
			return "samples were left out: " + firstLine(info)
		}
	}
	return ""
}

// errorNote is an error on one line, without advice and without the name of
// the server, which is the same for every point.
func errorNote(err error) string {
	var q *QueryError
	if errors.As(err, &q) {
		return firstLine(string(q.Kind) + ": " + q.Text)
	}
	return firstLine(err.Error())
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// severalNote names the labels in which the series differ, because these are
// the ones to aggregate away or to select by.
func severalNote(samples []Sample) string {
	values := map[string]map[string]bool{}
	for _, s := range samples {
		for name, value := range s.Labels {
			if values[name] == nil {
				values[name] = map[string]bool{}
			}
			values[name][value] = true
		}
	}
	present := func(name string) (n int) {
		for _, s := range samples {
			if _, ok := s.Labels[name]; ok {
				n++
			}
		}
		return n
	}
	var differing []string
	for name, set := range values {
		if len(set) > 1 || present(name) < len(samples) {
			differing = append(differing, name)
		}
	}
	slices.Sort(differing)
	if len(differing) > 6 {
		differing = append(differing[:6], "...")
	}
	return fmt.Sprintf("%d series that differ in %s; wrap the query in sum(...) or max(...)",
		len(samples), strings.Join(differing, ", "))
}
