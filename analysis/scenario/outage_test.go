//go:build prometheus

package scenario_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// TestOutage kills the server at eight moments of a session. Whenever that is, a release is neither passed unseen nor
// undone for it.
func TestOutage(t *testing.T) {
	t.Parallel()
	promtest.Each(t, func(t *testing.T, start promtest.Starter) {
		e := promtest.NewExporter(t)
		server := start(t, promtest.Options{ScrapeInterval: scrape, Jobs: []promtest.Job{{Name: "pods", Exporter: e, Instant: true}}})
		r := &rig{server: server, pods: e, client: connect(t, server.URL, 700*time.Millisecond)}
		killed(t, r, false)
		server.Restart()
		killed(t, r, true)
	})
}

// killed lets one kill hit sessions that began at different times.
func killed(t *testing.T, r *rig, back bool) {
	const moments = 8
	timing := analysis.Timing{Settle: 500 * time.Millisecond, Window: 4200 * time.Millisecond, Interval: 700 * time.Millisecond, MaxOutage: 2500 * time.Millisecond}
	takes := timing.Settle + timing.Window
	a := r.app(t, fmt.Sprintf("outage-%t", back), nil)
	p := a.young("a")
	p.Rate(requests, good, 1000)
	p.Gauge("queue_length", nil).Set(3)
	r.server.AwaitScrapes(2, p)

	first := time.Now()
	ends, results := make([]time.Time, moments), make([][]analysis.Result, moments)
	var running sync.WaitGroup
	for i := range moments { // the first to begin is nearest to its end when the server dies
		s := a.session(both, timing)
		running.Go(func() {
			time.Sleep(time.Until(first.Add(takes * time.Duration(i) / moments)))
			ends[i] = time.Now().Add(takes)
			results[i] = s.Run(t.Context())
		})
	}
	time.Sleep(time.Until(first.Add(takes * (2*moments - 1) / (2 * moments))))
	r.server.Stop()
	died := time.Now()
	returned := time.Now().Add(time.Hour)
	if back {
		time.Sleep(300 * time.Millisecond)
		r.server.Restart()
		returned = time.Now()
	}
	running.Wait()
	for i, end := range ends {
		late := returned.Sub(end)
		for _, result := range results[i] {
			at := fmt.Sprintf("killed %s before the end of its window, returned %s after it, %s is %s (%s)",
				end.Sub(first.Add(takes)).Round(time.Millisecond), late.Round(time.Millisecond), result.Name, result.Verdict, result.Reason)
			switch v := result.Verdict; {
			case v == analysis.Fail, v == analysis.Pass && !back, v == analysis.Pass && !answeredAfter(result, died):
				t.Errorf("%s%s", at, course(result))
			case v != analysis.Pass && late < -timing.Interval:
				t.Errorf("%s%s", at, course(result))
			case testing.Verbose():
				t.Log(at)
			}
		}
	}
}

// answeredAfter says whether the last look had an answer of the server that came back.
func answeredAfter(r analysis.Result, died time.Time) bool {
	last := r.Series[len(r.Series)-1]
	return last.State == analysis.OK && last.Time.After(died)
}
