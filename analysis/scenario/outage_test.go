package scenario_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// TestOutage kills the server at eight moments of a session. Whenever that is, a release is neither passed unseen nor
// undone for it.
func TestOutage(t *testing.T) {
	t.Parallel()
	const moments = 8
	timing := analysis.Timing{Settle: 500 * time.Millisecond, Window: 3500 * time.Millisecond, Interval: 500 * time.Millisecond, MaxOutage: 2 * time.Second}
	promtest.Each(t, func(t *testing.T, start promtest.Starter) {
		for lane := range 2 { // a lane is a server that is killed again and again
			t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
				t.Parallel()
				e := promtest.NewExporter(t)
				server := start(t, promtest.Options{ScrapeInterval: scrape, Jobs: []promtest.Job{{Name: "pods", Exporter: e, Instant: true}}})
				r := &rig{server: server, pods: e, client: connect(t, server.URL, 500*time.Millisecond)}
				for i := lane; i < moments; i += 2 {
					killed(t, r, i, timing, false)
					server.Restart()
					killed(t, r, i, timing, true)
				}
			})
		}
	})
}

// killed runs one session during which the server dies, and comes back if it may.
func killed(t *testing.T, r *rig, i int, timing analysis.Timing, back bool) {
	t.Helper()
	a := r.app(t, fmt.Sprintf("outage-%d-%t", i, back), nil)
	p := a.young("a")
	p.Rate(requests, good, 1000)
	p.Gauge("queue_length", nil).Set(3)
	r.server.AwaitScrapes(2, p)
	s := a.session(both, timing)
	window := s.Timing.Settle + s.Timing.Window
	end := time.Now().Add(window)
	returned := make(chan time.Time, 1)
	go func() {
		time.Sleep(window * time.Duration(2*i+1) / 16)
		r.server.Stop()
		if back {
			time.Sleep(400 * time.Millisecond)
			r.server.Restart()
		}
		returned <- time.Now()
	}()
	results := s.Run(t.Context())
	at := <-returned
	for _, result := range results {
		switch v := result.Verdict; {
		case v == analysis.Fail:
			t.Errorf("moment %d: an outage failed a release: %s%s", i, result.Reason, course(result))
		case v == analysis.Pass && !back:
			t.Errorf("moment %d: passed, and the server was gone: %s%s", i, result.Reason, course(result))
		case v == analysis.Pass && at.After(end.Add(2*s.Timing.Interval)): // what follows the window is overtime
			t.Errorf("moment %d: passed, and the server came back %s after the end%s", i, at.Sub(end), course(result))
		case v != analysis.Pass && back && at.Before(end.Add(-s.Timing.Interval)):
			t.Errorf("moment %d: got %s (%s), and the server came back in time%s", i, v, result.Reason, course(result))
		}
	}
	if t.Failed() {
		return
	}
	if testing.Verbose() {
		t.Logf("moment %d, back %t: %s %s", i, back, results[0].Verdict, results[1].Verdict)
	}
}
