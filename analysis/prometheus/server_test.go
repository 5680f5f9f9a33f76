//go:build prometheus

package prometheus

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// TestRealPrometheus asks real servers, of both lines, that scrape themselves.
func TestRealPrometheus(t *testing.T) {
	promtest.Each(t, func(t *testing.T, start promtest.Starter) {
		askReal(t, start(t, promtest.Options{ScrapeSelf: true}).URL)
	})
}

func askReal(t *testing.T, address string) {
	client, err := New(Config{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	// Before the first scrape there is nothing to judge.
	for {
		a, err := client.Query(ctx, `up{job="prometheus"} == 1`, time.Time{})
		if err == nil && len(a.Samples) == 1 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("waiting for the first scrape: %+v, %v", a, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := client.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	timing := analysis.Timing{Window: time.Second, Interval: 500 * time.Millisecond}
	var judging sync.WaitGroup // each check runs alone, because a failure ends a run
	for check, want := range map[string]struct {
		verdict analysis.Verdict
		reason  string
	}{
		`up{job="prometheus"} >= 1`:                                {analysis.Pass, "1 (limit >= 1)"},
		`1 > scalar(up{job="prometheus"})`:                         {analysis.Fail, "1 (limit < 1) for 2"},
		`sum(up{job="nobody"}) <= 1`:                               {analysis.Inconclusive, "no series matched"},
		`sum(up) * 0 / 0 <= 1`:                                     {analysis.Inconclusive, "NaN"},
		`sum(up) / 0 <= 1`:                                         {analysis.Fail, "+Inf (limit <= 1)"},
		`prometheus_http_requests_total <= 1e9`:                    {analysis.Error, "series that differ in"},
		`up * on() group_left prometheus_http_requests_total <= 1`: {analysis.Error, "rejected: "},
		`sum(up) <= 100%`:                                          {analysis.Pass, "100% (limit <= 100%)"},
	} {
		c, err := analysis.ParseCheck(check, analysis.Vars{})
		if err != nil {
			t.Errorf("%s: %v", check, err)
			continue
		}
		judging.Go(func() {
			r := analysis.Session{Querier: client, Criteria: []analysis.Criterion{c}, Timing: timing}.Run(ctx)[0]
			if r.Verdict != want.verdict || !strings.Contains(r.Reason, want.reason) {
				t.Errorf("%s: got %s (%s), want %s (%s)", check, r.Verdict, r.Reason, want.verdict, want.reason)
			}
		})
	}
	judging.Wait()

	_, err = client.Query(ctx, "sum(", time.Time{})
	wants(t, err, analysis.Rejected, "parse error")
	a, err := client.Query(ctx, "up[1m]", time.Time{})
	if err != nil || a.Kind != analysis.Matrix {
		t.Errorf("got %+v, %v", a, err)
	}
	now := time.Now()
	last := analysis.Range{Start: now.Add(-2 * time.Second), End: now, Step: time.Second}
	if a, err = client.QueryRange(ctx, `up{job="prometheus"}`, last); err != nil || len(a.Samples) != 1 || len(a.Samples[0].Moments) == 0 {
		t.Errorf("got %+v, %v", a, err)
	}
	last.Step = time.Microsecond
	_, err = client.QueryRange(ctx, "up", last)
	wants(t, err, analysis.Rejected, "exceeded maximum resolution")
	// A server that was built without its version does not tell what it is.
	if got := client.Backend(ctx); got != "" && !strings.HasPrefix(got, "Prometheus ") {
		t.Errorf("the server is %q", got)
	}
	wrong, _ := New(Config{URL: address + "/somewhere"})
	wants(t, wrong.Ping(ctx), analysis.Unreadable, "404")
}
