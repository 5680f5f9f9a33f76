package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// bounds are the upper bounds of the histogram in seconds: the ones most client libraries start with.
var bounds = [...]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// stats counts requests and writes them in Prometheus' text format. It is written here, and not taken from a library,
// so that the image holds nothing but the standard library.
type stats struct {
	mu      sync.Mutex
	codes   map[int]uint64
	buckets [len(bounds)]uint64 // each request in its own bucket only; write adds them up
	count   uint64
	sum     float64
}

func newStats() *stats { return &stats{codes: map[int]uint64{}} }

func (s *stats) add(code int, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seconds := took.Seconds()
	s.codes[code]++
	s.count++
	s.sum += seconds
	if i, _ := slices.BinarySearch(bounds[:], seconds); i < len(bounds) {
		s.buckets[i]++
	}
}

func (s *stats) write(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const requests, duration = "http_requests_total", "http_request_duration_seconds"
	fmt.Fprintf(w, "# HELP %s Requests answered, by status code.\n# TYPE %[1]s counter\n", requests)
	for _, code := range slices.Sorted(maps.Keys(s.codes)) {
		fmt.Fprintf(w, "%s{code=\"%d\"} %d\n", requests, code, s.codes[code])
	}
	fmt.Fprintf(w, "# HELP %s Time to answer.\n# TYPE %[1]s histogram\n", duration)
	var below uint64
	for i, bound := range bounds {
		below += s.buckets[i]
		fmt.Fprintf(w, "%s_bucket{le=\"%s\"} %d\n", duration, strconv.FormatFloat(bound, 'g', -1, 64), below)
	}
	fmt.Fprintf(w, "%s_bucket{le=\"+Inf\"} %d\n%[1]s_sum %[3]g\n%[1]s_count %[2]d\n", duration, s.count, s.sum)
}
