package requests

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Failure is why a request was not answered well. A good answer has none.
type Failure string

const (
	Refused     Failure = "refused"     // no connection: nobody listens, or a Service has no endpoints
	Reset       Failure = "reset"       // the connection ended before the answer did
	Timeout     Failure = "timeout"     // no answer in time, as from a pod that has just gone for good
	Unreachable Failure = "unreachable" // no way to the address, as to one that no Service has
	Status      Failure = "status"      // an answer with a status of 400 or more
	Other       Failure = "other"       // anything else, above all a fault of this machine: no port is left
)

// Answer is what became of one request.
type Answer struct {
	At      time.Time     `json:"at"`   // when it was over
	Took    time.Duration `json:"took"` // from the first attempt to connect, in nanoseconds
	Version string        `json:"version,omitempty"`
	Pod     string        `json:"pod,omitempty"` // it and Version are known for every status
	Failure Failure       `json:"failure,omitempty"`
	Error   string        `json:"error,omitempty"` // of a failure
}

// Log is what became of all requests, in the order of At.
type Log []Answer

// Between are the requests that were over at or after from, and before to. A zero time is no limit.
func (l Log) Between(from, to time.Time) Log {
	begin, end := 0, len(l)
	if !from.IsZero() {
		begin = l.first(from)
	}
	if !to.IsZero() {
		end = l.first(to)
	}
	if begin > end {
		return nil
	}
	return l[begin:end]
}

// first is the index of the first request that was over at or after t.
func (l Log) first(t time.Time) int {
	i, _ := slices.BinarySearchFunc(l, t, func(a Answer, t time.Time) int { return a.At.Compare(t) })
	return i
}

// Failed are the requests that failed.
func (l Log) Failed() Log {
	var failed Log
	for _, a := range l {
		if a.Failure != "" {
			failed = append(failed, a)
		}
	}
	return failed
}

// Versions counts the good answers of each version.
func (l Log) Versions() map[string]int {
	count := map[string]int{}
	for _, a := range l {
		if a.Failure == "" {
			count[a.Version]++
		}
	}
	return count
}

// Failures counts the failures of each kind.
func (l Log) Failures() map[Failure]int {
	count := map[Failure]int{}
	for _, a := range l {
		if a.Failure != "" {
			count[a.Failure]++
		}
	}
	return count
}

// String is one line: "13038 requests, v1 7001, v2 5955; 82 failed, refused 80, reset 2".
func (l Log) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests", len(l))
	write(&b, l.Versions())
	fmt.Fprintf(&b, "; %d failed", len(l.Failed()))
	write(&b, l.Failures())
	return b.String()
}

func write[K ~string](b *strings.Builder, count map[K]int) {
	for _, k := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(b, ", %s %d", k, count[k])
	}
}
