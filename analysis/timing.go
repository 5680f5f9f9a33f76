package analysis

import (
	"errors"
	"fmt"
	"time"
)

// Timing says when criteria are measured: after Settle, then once per
// Interval from the beginning of Window to its end.
type Timing struct {
	// Settle is how long to wait first. Scrapes and rates need time to see
	// nothing but the new version. Zero does not wait.
	Settle time.Duration
	// Window is how long to observe. Zero looks once.
	Window time.Duration
	// Interval lies between two looks. Zero or less stands for 15 seconds,
	// a common scrape interval: asking more often returns the same samples.
	Interval time.Duration
	// QueryTimeout is how long one answer may take, and is never more than
	// Interval, so that queries of one criterion cannot overlap. Zero or
	// less stands for 10 seconds.
	QueryTimeout time.Duration
}

// DefaultTiming settles for 30 seconds, then looks every 15 seconds for 5
// minutes.
func DefaultTiming() Timing {
	return Timing{
		Settle:       30 * time.Second,
		Window:       5 * time.Minute,
		Interval:     15 * time.Second,
		QueryTimeout: 10 * time.Second,
	}
}

// resolved returns the timing with its defaults and bounds applied.
func (t Timing) resolved() Timing {
	d := DefaultTiming()
	t.Settle, t.Window = max(0, t.Settle), max(0, t.Window)
	if t.Interval <= 0 {
		t.Interval = d.Interval
	}
	if t.QueryTimeout <= 0 {
		t.QueryTimeout = d.QueryTimeout
	}
	t.QueryTimeout = min(t.QueryTimeout, t.Interval)
	return t
}

// Scheduled is the number of measurements in a window: one at its beginning
// and one after each interval.
func (t Timing) Scheduled() int {
	t = t.resolved()
	return int(t.Window/t.Interval) + 1
}

// overtime is how many measurements may follow the window where its last one
// decides nothing: a lone breach, or no answer. A single look stays single.
func (t Timing) overtime(c Criterion) int {
	n := t.Scheduled()
	if n == 1 {
		return 0
	}
	return c.breachesToFail(n)
}

// Longest is how long [Run] can take with these criteria, overtime and the
// last query included. A deadline for the whole run has to leave this much.
func (t Timing) Longest(criteria []Criterion) time.Duration {
	t = t.resolved()
	intervals := 0
	for _, c := range criteria {
		intervals = max(intervals, t.Scheduled()-1+t.overtime(c))
	}
	return t.Settle + time.Duration(intervals)*t.Interval + t.QueryTimeout
}

// Check says what is wrong with a timing for these criteria, as an error
// that joins one line per mistake.
func (t Timing) Check(criteria []Criterion) error {
	return errors.Join(t.faults(criteria)...)
}

// faults lists the mistakes for Check, each with its own advice.
func (t Timing) faults(criteria []Criterion) (errs []error) {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"settle", t.Settle}, {"window", t.Window}, {"interval", t.Interval}, {"query timeout", t.QueryTimeout}} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("reading %s: %s is negative", d.name, d.value))
		}
	}
	if t.Interval > 0 && t.Interval < time.Second {
		errs = append(errs, &hinted{fmt.Sprintf("reading interval: %s is less than a second", t.Interval),
			"samples are as old as the last scrape, so asking more often than that shows nothing new"})
	}
	n := t.Scheduled()
	for _, c := range criteria {
		if c.For > n {
			errs = append(errs, &hinted{fmt.Sprintf("reading criterion %q: it needs %d breaches in a row, and the window has %d samples", c.Name, c.For, n),
				"lengthen window, shorten interval, or lower for"})
		}
	}
	return errs
}
