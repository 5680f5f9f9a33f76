package main

import (
	"errors"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/requests"
)

// figures are what the clients of a bad release have met.
type figures struct {
	Undo     *float64 `json:"undo,omitempty"`    // seconds from the first bad answer until the release was taken back; nil: never
	Scraped  *float64 `json:"scraped,omitempty"` // seconds until Prometheus first looked at a pod of version 2, less than 0 when that was before; nil: never
	Gone     float64  `json:"gone"`              // until the last bad answer, or the last one of version 2
	Failed   int      `json:"failed"`            // bad answers in all
	Requests int      `json:"requests"`          // from the first answer of version 2, or the first bad one, to the last
}

// share is how much of the requests went wrong while version 2 was there.
func (f figures) share() float64 {
	if f.Requests == 0 {
		return 0
	}
	return float64(f.Failed) / float64(f.Requests)
}

// decided is how long it took from when Prometheus could know of the fault until the release was taken back: what is the
// tool's own. It is nil when one of them never was.
func (f figures) decided() *float64 {
	if f.Undo == nil || f.Scraped == nil {
		return nil
	}
	seconds := *f.Undo - max(*f.Scraped, 0)
	return &seconds
}

// measure reads the log of the requests since a release began. undone is when it was taken back, scraped when
// Prometheus first looked at version 2; zero: that never was.
func measure(log requests.Log, undone, scraped time.Time, bad func(requests.Answer) bool) (figures, error) {
	met := func(a requests.Answer) bool { return a.Version == "v2" || bad(a) }
	from, first := slices.IndexFunc(log, met), slices.IndexFunc(log, bad)
	if first < 0 {
		return figures{}, errors.New("the fault did not happen: no client has met it")
	}
	to := from
	f := figures{}
	for i, a := range log {
		if met(a) {
			to = i
		}
		if bad(a) {
			f.Failed++
		}
	}
	f.Requests = to - from + 1
	f.Gone = log[to].At.Sub(log[first].At).Seconds()
	since := func(t time.Time) *float64 {
		if t.IsZero() {
			return nil
		}
		seconds := t.Sub(log[first].At).Seconds()
		return &seconds
	}
	f.Undo, f.Scraped = since(undone), since(scraped)
	return f, nil
}
