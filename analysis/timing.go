package analysis

import (
	"errors"
	"fmt"
	"time"
)

// Auto, as a time of a [Timing], leaves the choice to what the preflight measured.
const Auto = time.Duration(-1)

// Timing says when criteria are measured: after Settle, then once per
// Interval from the beginning of Window to its end.
type Timing struct {
	// Settle is how long to wait first, from when the rollout is complete.
	// Scrapes and rates need time to see nothing but the new version. Zero
	// does not wait. Auto is twice the scrape interval and the lag of the
	// data, and 30 seconds at least.
	Settle time.Duration
	// Window is how long to observe. Zero looks once.
	Window time.Duration
	// Interval lies between two looks. Auto, or zero, is the scrape interval,
	// and 15 seconds at least: asking more often returns the same samples.
	Interval time.Duration
	// QueryTimeout is how long one answer may take, and is never more than
	// Interval, so that queries of one criterion cannot overlap. Zero or
	// less stands for 10 seconds.
	QueryTimeout time.Duration
	// MaxOutage is how long the server may fail to answer, without a break,
	// before a criterion is given up with the verdict error. Zero stands for
	// 2 minutes.
	MaxOutage time.Duration
}

const (
	leastSettle   = 30 * time.Second
	leastInterval = 15 * time.Second
)

// DefaultTiming settles for 30 seconds or as long as the data needs, then
// looks every 15 seconds for 5 minutes.
func DefaultTiming() Timing {
	return Timing{
		Settle:       Auto,
		Window:       5 * time.Minute,
		Interval:     Auto,
		QueryTimeout: 10 * time.Second,
		MaxOutage:    2 * time.Minute,
	}
}

// resolved returns the timing with its defaults and bounds applied.
func (t Timing) resolved() Timing { return t.With(0, 0) }

// With returns the timing for a server that scrapes every so often and whose
// newest data is that old; both may be zero, for unknown.
func (t Timing) With(scrape, lag time.Duration) Timing {
	d := DefaultTiming()
	if t.Settle == Auto {
		t.Settle = max(leastSettle, 2*scrape+lag).Round(time.Second)
	}
	t.Settle, t.Window = max(0, t.Settle), max(0, t.Window)
	if t.Interval <= 0 {
		t.Interval = max(leastInterval, scrape)
	}
	if t.QueryTimeout <= 0 {
		t.QueryTimeout = d.QueryTimeout
	}
	if t.MaxOutage <= 0 {
		t.MaxOutage = d.MaxOutage
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
		if d.value < 0 && d.value != Auto {
			errs = append(errs, fmt.Errorf("reading %s: %s is negative", d.name, d.value))
		}
	}
	if t.Interval > 0 && t.Interval < time.Second {
		errs = append(errs, &hinted{fmt.Sprintf("reading interval: %s is less than a second", t.Interval),
			"samples are as old as the last scrape, so asking more often than that shows nothing new"})
	}
	n := t.Scheduled()
	for _, c := range criteria {
		if c.Counts == nil && c.For > n {
			errs = append(errs, &hinted{fmt.Sprintf("reading criterion %q: it needs %d breaches in a row, and the window has %d samples", c.Name, c.For, n),
				"lengthen window, shorten interval, or lower for"})
		}
	}
	return errs
}
