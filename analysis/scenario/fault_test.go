//go:build prometheus

package scenario_test

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// For how long a fault hits.
const (
	once    = iota // one query
	burst          // about a second in the middle of the window
	forever        // from before the first look on
)

const pass, fail, inconclusive, failed = analysis.Pass, analysis.Fail, analysis.Inconclusive, analysis.Error

// expected is what each fault means for a release that is healthy: the verdict on counts and the one on a value when it
// hits forever. When it is over before the end of the window, the verdict is pass.
var expected = map[string][2]analysis.Verdict{
	"refuse":               {failed, failed},
	"reset in body":        {failed, failed},
	"hang":                 {failed, failed},
	"slow drip":            {failed, failed},
	"429 with Retry-After": {failed, failed},
	"500":                  {failed, failed},
	"502":                  {failed, failed},
	"503 timeout":          {failed, failed},
	"504":                  {failed, failed},
	"401":                  {failed, failed},
	"401 then ok":          {pass, pass},
	"403":                  {failed, failed},
	"403 on POST":          {pass, pass}, // the client asks with GET
	"404":                  {failed, failed},
	"301 to https":         {failed, failed}, // what follows it loses the query
	"HTML 200":             {failed, failed},
	"204":                  {failed, failed},
	"truncated JSON":       {failed, failed},
	"100 MB body":          {failed, failed},
	"wrong content type":   {pass, pass}, // the answer is right
	"DNS failure":          {failed, failed},
	"nobody listens":       {failed, failed},

	"TLS wrong CA":                    {failed, failed},
	"TLS expired":                     {failed, failed},
	"TLS name mismatch":               {failed, failed},
	"TLS client certificate required": {failed, failed},

	"warnings":            {failed, failed},
	"infos":               {pass, pass},
	"isPartial":           {failed, failed},
	"two series":          {failed, failed},
	"reordered series":    {pass, pass},
	"empty vector":        {inconclusive, inconclusive},
	"NaN":                 {failed, inconclusive},
	"+Inf":                {failed, fail}, // more than any limit: somebody divided by nothing, and 1 / 0 errors a request are too many
	"-Inf":                {failed, inconclusive},
	"string result":       {failed, failed},
	"matrix result":       {failed, failed},
	"clock 10 min ahead":  {pass, pass}, // the server's own now is asked for
	"clock 10 min behind": {pass, pass},
	"data lag 90 s":       {inconclusive, inconclusive}, // there was nothing 90 seconds ago
}

// brief is the verdict when the fault is over before the end. One infinite value is no row of breaches.
const brief = pass

const both = errorRatio + `
- name: queue
  query: max(queue_length{namespace="${namespace}"})
  max: 10
`

// TestFaults puts every fault between a healthy release and its judge.
func TestFaults(t *testing.T) {
	t.Parallel()
	promtest.Each(t, func(t *testing.T, start promtest.Starter) {
		e := promtest.NewExporter(t)
		server := start(t, promtest.Options{ScrapeInterval: scrape, Jobs: []promtest.Job{{Name: "pods", Exporter: e, Instant: true}}})
		r := &rig{server: server, pods: e}
		a := r.app(t, "faults", nil)
		p := a.young("a")
		p.Rate(requests, good, 500)
		p.Gauge("queue_length", nil).Set(3)
		server.AwaitScrapes(3, p)
		t.Run("frozen data", func(t *testing.T) {
			t.Parallel()
			frozen(t, a)
		})
		slots := make(chan struct{}, 24) // sessions at a time; two processors have to serve them
		for _, f := range promtest.Faults() {
			if _, known := expected[f.Name]; !known {
				t.Errorf("what does %q mean?", f.Name)
			}
			for duration, word := range []string{"once", "burst", "forever"} {
				if f.Elsewhere() && duration != forever {
					continue
				}
				t.Run(f.Name+" "+word, func(t *testing.T) {
					t.Parallel()
					slots <- struct{}{}
					defer func() { <-slots }()
					faulty(t, a, f, duration)
				})
			}
		}
	})
}

// faulty runs sessions behind one fault. A verdict that is not the expected one is only a mistake when it comes twice, as a
// busy machine may be late once; a release that is failed for a fault, or passed unseen, is always one.
func faulty(t *testing.T, a *app, f promtest.Fault, duration int) {
	for _, last := range []bool{false, true} {
		results, hits := behind(t, a, f, duration)
		if hits == 0 && !f.Elsewhere() {
			t.Errorf("the fault has hit nothing")
		}
		again := false
		for i, r := range results {
			want := expected[f.Name][i]
			if duration != forever {
				want = brief
			}
			if r.Verdict == want {
				continue
			}
			again = true
			if last || r.Verdict == fail || r.Verdict == pass {
				t.Errorf("%s: got %s (%s), want %s%s", r.Name, r.Verdict, r.Reason, want, course(r))
			}
		}
		if !again || t.Failed() {
			t.Logf("TABLE %s: %s %s after %d hits", t.Name()[strings.LastIndexByte(t.Name(), '/')+1:], results[0].Verdict, results[1].Verdict, hits)
			return
		}
	}
}

// behind runs a session for each criterion, because one that fails ends the run of the others.
func behind(t *testing.T, a *app, f promtest.Fault, duration int) (results []analysis.Result, hits int) {
	proxy := promtest.NewFaultProxy(t, a.rig.server.URL)
	s := a.session(both, analysis.Timing{Window: 4 * time.Second, Interval: time.Second, MaxOutage: 2500 * time.Millisecond})
	s.Querier = connect(t, proxy.URLFor(f), time.Second)
	switch duration {
	case once:
		after(t, 1500*time.Millisecond, func() { proxy.Set(f, promtest.For(1)) })
	case burst:
		proxy.Set(f, promtest.Burst(700*time.Millisecond, 1800*time.Millisecond))
	default:
		proxy.Set(f, promtest.Forever)
	}
	results = make([]analysis.Result, len(s.Criteria))
	var running sync.WaitGroup
	for i := range s.Criteria {
		one := s
		one.Criteria = s.Criteria[i : i+1]
		running.Go(func() { results[i] = one.Run(t.Context())[0] })
	}
	running.Wait()
	return results, proxy.Hits()
}

// An old answer is no answer: when the server still talks, but what it knows does not grow, nobody has seen the window.
func frozen(t *testing.T, a *app) {
	proxy := promtest.NewFaultProxy(t, a.rig.server.URL)
	proxy.Set(stopped(t, a.rig.server.URL, time.Now().Add(time.Second)), promtest.Forever)
	s := a.session(both, analysis.Timing{Window: 9 * time.Second, Interval: time.Second, MaxOutage: time.Minute})
	s.Querier = connect(t, proxy.URL, time.Second)
	for _, result := range s.Run(t.Context()) {
		if result.Verdict == pass || result.Verdict == fail {
			t.Errorf("%s: got %s (%s), and nothing was seen for the last seconds%s", result.Name, result.Verdict, result.Reason, course(result))
		}
	}
}

// stopped is a server that gets no samples any more after a moment, as behind a remote write that is interrupted: its
// last ones are answered for five minutes. Its clock goes on.
func stopped(t *testing.T, server string, moment time.Time) promtest.Fault {
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(to)
	return promtest.Respond("frozen", func(w http.ResponseWriter, r *http.Request) {
		form := url.Values{}
		for name, values := range r.Form {
			form[name] = slices.Clone(values)
		}
		if time.Now().After(moment) {
			// The time of the question is the last sample's, and time() is the real one.
			form.Set("time", fmt.Sprintf("%.3f", float64(moment.UnixMilli())/1000))
			form.Set("query", strings.ReplaceAll(form.Get("query"), "time()", fmt.Sprintf("(%.3f)", float64(time.Now().UnixMilli())/1000)))
		}
		body := form.Encode()
		again, err := http.NewRequestWithContext(r.Context(), http.MethodPost, r.URL.Path, strings.NewReader(body))
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		again.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		forward.ServeHTTP(w, again)
	})
}
