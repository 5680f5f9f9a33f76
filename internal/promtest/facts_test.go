//go:build prometheus

package promtest

import (
	"fmt"
	"testing"
	"time"
)

// What rolloutgate assumes about Prometheus, proven on both versions.
func TestFacts(t *testing.T) {
	t.Parallel()
	Each(t, func(t *testing.T, start Starter) {
		e := NewExporter(t)
		burst := e.Pod("burst")
		burst.Counter("errors_total", nil).Add(50)
		leaves := e.Pod("leaves")
		leaves.Rate("requests_total", nil, 20)
		s := start(t, Options{Jobs: []Job{{Name: "pods", Exporter: e, Instant: true}}})
		s.AwaitScrapes(10, burst, leaves)
		t.Run("a burst before the first scrape", func(t *testing.T) { hiddenBurst(t, s) })
		t.Run("the left end of a range", func(t *testing.T) { leftEnd(t, s) })
		t.Run("a removed pod", func(t *testing.T) { removed(t, s, leaves) })
	})
}

// increase does not see what was counted before the first scrape, the counter
// itself tells.
func hiddenBurst(t *testing.T, s *Server) {
	if r := s.Query(`increase(errors_total{pod="burst"}[1m])`); !r.Is(0) {
		t.Errorf("increase: %+v", r)
	}
	s.Await(`sum(errors_total{pod="burst"})`, is(50))
}

// A range of exactly one scrape interval has two samples in version 2, if it is
// asked for at the very moment of a scrape, and never more than one in version
// 3, which is too few for a rate.
func leftEnd(t *testing.T, s *Server) {
	points := s.Query(`requests_total[5s]`).Series[0].Points
	if len(points) < 3 {
		t.Fatalf("only %d samples", len(points))
	}
	last, before := points[len(points)-1].Time, points[len(points)-2].Time
	at := time.UnixMilli(int64(last*1000 + 0.5))
	window := fmt.Sprintf("[%dms]", int64((last-before)*1000+0.5))
	count, rate := s.At(`count_over_time(requests_total`+window+`)`, at), s.At(`rate(requests_total`+window+`)`, at)
	if s.Binary.Major == 2 && (!count.Is(2) || empty(rate)) {
		t.Errorf("%s: %+v samples, rate %+v", window, count, rate)
	}
	if s.Binary.Major == 3 && (!count.Is(1) || some(rate)) {
		t.Errorf("%s: %+v samples, rate %+v", window, count, rate)
	}
}

// A pod that is gone counts in a rate for as long as the window is.
func removed(t *testing.T, s *Server, pod *Pod) {
	pod.Remove()
	s.Await(`requests_total`, empty)
	gone := time.Now()
	if r := s.Query(`sum(rate(requests_total[30s]))`); empty(r) || r.Values()[0] <= 0 {
		t.Errorf("rate after the end: %+v", r)
	}
	time.Sleep(time.Until(gone.Add(time.Second)))
	if r := s.Query(`sum(rate(requests_total[30s]))`); empty(r) || r.Values()[0] <= 0 {
		t.Errorf("rate a second later: %+v", r)
	}
	s.Await(`rate(requests_total[2s])`, empty)
	if after := time.Since(gone); after > 10*time.Second {
		t.Errorf("it took %s until the window of two seconds was empty", after)
	}
}
