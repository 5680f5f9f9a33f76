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
	// Failed: the query failed, or its answer is not one number.
	Failed State = "error"
)

// Point is one measurement of a criterion.
type Point struct {
	Time time.Time `json:"time"`
	// Value is what the server returned; nil if that was not one number.
	Value *Number `json:"value,omitempty"`
	State State   `json:"state"`
	// Note says on one line why the point is neither ok nor a breach.
	Note string `json:"note,omitempty"`
}

func (p Point) judged() bool { return p.State == OK || p.State == Breach }

// Measure turns an answer, or the error in its place, into a point.
//
// NaN is the result of dividing nothing by nothing, so it is no data. An
// infinity can be a breach, but it never meets a limit: x / 0 must not pass
// as a large throughput.
func Measure(c Criterion, at time.Time, a Answer, err error) Point {
	failed := func(note string) Point { return Point{Time: at, State: Failed, Note: note} }
	noData := func(note string) Point { return Point{Time: at, State: NoData, Note: note} }
	switch {
	case err != nil:
		return failed(errorNote(err))
	case len(a.Warnings) > 0:
		return failed("the answer may be incomplete: " + firstLine(a.Warnings[0]))
	case a.Kind != Vector && a.Kind != Scalar:
		return failed(fmt.Sprintf("the query returns a %s, not one number", a.Kind))
	case len(a.Samples) == 0:
		return noData("no series matched")
	case len(a.Samples) > 1:
		return failed(severalNote(a.Samples))
	case a.Samples[0].Histogram:
		return failed("the query returns a native histogram, not a number; use histogram_quantile or histogram_count")
	}
	value := a.Samples[0].Value
	met, known := c.Op.holds(value, c.Limit.Value)
	number := Number(value)
	p := Point{Time: at, Value: &number, State: Breach}
	switch {
	case !known:
		p.State, p.Note = Failed, fmt.Sprintf("the criterion has no comparison that is known: %q", c.Op)
	case math.IsNaN(value):
		p.State, p.Note = NoData, "the value is NaN, as in 0 / 0"
	case met && math.IsInf(value, 0):
		p.State, p.Note = NoData, "the value is infinite, as in 1 / 0, which cannot meet a limit"
	case met:
		p.State = OK
	}
	return p
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
