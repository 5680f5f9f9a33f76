package analysis

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// scraped is a pod as a Prometheus knows it: its counters as they stood at its last scrape.
type scraped struct {
	name  string
	born  time.Duration // since the test began; it is ready at once
	phase time.Duration // of its first scrape after its birth
	fails time.Duration // from when on
	share float64       // of its requests that fail then
	rate  float64       // requests a second
	burst float64       // failures all at once at that time, besides
	ends  time.Duration // until when it fails; zero: for good
}

// fleet answers questions about the counters of pods that are scraped every so often.
type fleet struct {
	began  time.Time
	every  time.Duration
	pods   []scraped
	asked  int
	sooner int // questions that came less than a second after the one before
	last   time.Time
}

func (f *fleet) Query(_ context.Context, promql string, _ time.Time) (Answer, error) {
	now := time.Since(f.began)
	if time.Since(f.last) < leastSpacing && !f.last.IsZero() && !strings.Contains(promql, "topk") {
		f.sooner++
	}
	f.asked, f.last = f.asked+1, time.Now()
	a := Answer{Kind: Vector}
	for _, p := range f.pods {
		if now < p.born+p.phase || !strings.Contains(promql, p.name[strings.LastIndexByte(p.name, '-')+1:]) {
			continue
		}
		at := p.born + p.phase + (now-p.born-p.phase)/f.every*f.every
		if now-at < 50*time.Millisecond { // the scrape goes on
			if at -= f.every; at < p.born {
				continue
			}
		}
		total := p.rate * (at - p.born).Seconds()
		failing := max(at-p.fails, 0)
		if p.ends > 0 {
			failing = min(failing, p.ends-p.fails)
		}
		bad := p.share * p.rate * failing.Seconds()
		if at >= p.fails {
			bad, total = bad+p.burst, total+p.burst
		}
		for role, value := range map[string]float64{"bad": math.Floor(bad), "total": math.Floor(total), "age": (now - at).Seconds()} {
			a.Samples = append(a.Samples, Sample{Labels: map[string]string{"pod": p.name, roleLabel: role}, Value: value})
		}
	}
	return a, nil
}

func (f *fleet) QueryRange(context.Context, string, Range) (Answer, error) {
	return Answer{Kind: Matrix}, nil
}

// known are the pods that are there by now.
func (f *fleet) known() Pods {
	var out Pods
	for _, p := range f.pods {
		if time.Since(f.began) >= p.born {
			out.New = append(out.New, Pod{Name: p.name, Ready: f.began.Add(p.born)})
		}
	}
	return out
}

// decide runs a rollout of these pods that takes a minute, with all defaults, and says when it was decided.
func decide(t *testing.T, f *fleet, scrape time.Duration) (r Result, took time.Duration) {
	t.Helper()
	f.began = time.Now()
	complete := make(chan struct{})
	time.AfterFunc(time.Minute, func() { close(complete) })
	c := Criterion{Name: "errors", Counts: &Counts{Bad: `requests{code="500"}`, Total: "requests"}, Op: LessEqual, Limit: Limit{0.01, Percent}}
	s := Session{
		Querier: f, Criteria: []Criterion{c}, Timing: DefaultTiming(), Facts: Facts{Scrape: scrape, Criteria: []CriterionFacts{{Naming: usualNaming, inspected: true}}}, Pods: f.known, Complete: complete,
		Vars: func() Vars { return Vars{Namespace: "shop"} },
	}
	r = s.Run(t.Context())[0]
	return r, time.Since(f.began)
}

// TestTimeToDecision: how long after the first sample with a bad request a bad version fails. The aim is the second
// sample that is independent of it, of another pod or of a scrape two seconds later, and one second. Looks every 15 s, as they were
// before they followed the data, took as long as the last column.
func TestTimeToDecision(t *testing.T) {
	const second = time.Second
	pods := func(n int, apart time.Duration, phase time.Duration, fails time.Duration) []scraped {
		var out []scraped
		for i := range n {
			out = append(out, scraped{name: fmt.Sprintf("web-%c", 'a'+i), born: 2*second + time.Duration(i)*apart, phase: phase + time.Duration(i)*apart/2, fails: fails, share: 0.4, rate: 40})
		}
		return out
	}
	for name, tt := range map[string]struct {
		scrape time.Duration // as the pods are scraped
		known  bool          // whether the preflight has told
		pods   []scraped
		most   time.Duration // after the start of the run
		before time.Duration
	}{
		// The first sample is there at 2.5 s.
		"every second, one pod": {second, true, pods(1, 0, 500*time.Millisecond, 0), 5500 * time.Millisecond, 30 * second},
		// One pod is scraped first at 9 s, the other at 14 s.
		"every 15 s, two pods": {15 * second, true, pods(2, 4*second, 7*second, 0), 16200 * time.Millisecond, 30 * second},
		// The one pod is scraped at 9 s and at 24 s.
		"every 15 s, one pod": {15 * second, true, pods(1, 0, 7*second, 0), 25200 * time.Millisecond, 30 * second},
		// It begins to fail at 40 s and is scraped at 54 s and at 69 s.
		"every 15 s, later":          {15 * second, true, pods(1, 0, 7*second, 40*second), 70200 * time.Millisecond, 75 * second},
		"every second, later":        {second, true, pods(1, 0, 500*time.Millisecond, 40*second), 43700 * time.Millisecond, 60 * second},
		"a first release, 1 s":       {second, false, pods(1, 0, 500*time.Millisecond, 0), 6 * second, 30 * second},
		"a first release, two pods":  {15 * second, false, pods(2, 4*second, 7*second, 0), 16200 * time.Millisecond, 30 * second},
		"every 5 s, within a window": {5 * second, true, pods(1, 0, 3*second, 120*second), 132 * second, 150 * second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fleet{every: tt.scrape, pods: tt.pods}
				scrape := tt.scrape
				if !tt.known {
					scrape = 0
				}
				r, took := decide(t, f, scrape)
				t.Logf("decided after %s, with %d questions: %s", took, f.asked, r.Reason)
				if r.Verdict != Fail || took > tt.most {
					t.Errorf("%s after %s, want at most %s (before: %s)", r.Verdict, took, tt.most, tt.before)
				}
				if f.sooner > 0 {
					t.Errorf("%d questions came less than %s after the one before", f.sooner, leastSpacing)
				}
			})
		})
	}
}

// A burst of one pod is one cause, however often the sample that shows it is looked at, and also when it lies across a
// scrape.
func TestBurstIsNoReasonToStop(t *testing.T) {
	at := 20500 * time.Millisecond
	for _, every := range []time.Duration{time.Second, 15 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			f := &fleet{every: every, pods: []scraped{{name: "web-a", phase: 300 * time.Millisecond, rate: 40, burst: 60, fails: at, share: 1, ends: at + time.Second}}}
			r, took := decide(t, f, every)
			if r.Verdict == Fail && took < 5*time.Minute {
				t.Errorf("every %s: it failed after %s: %s", every, took, r.Reason)
			}
		})
	}
}

// There are never more questions than the data is worth: one for each scrape of each pod, one for each interval, and
// some for pods whose first scrape may come at any time.
func TestQuestionsFollowTheData(t *testing.T) {
	for name, tt := range map[string]struct {
		every time.Duration
		pods  []scraped
		most  int
	}{
		// 6 minutes and a half; 26 regular looks.
		"every 15 s, one pod":     {15 * time.Second, []scraped{{name: "web-a", phase: 7 * time.Second, rate: 40}}, 26 + 26 + 8},
		"every minute, one pod":   {time.Minute, []scraped{{name: "web-a", phase: 7 * time.Second, rate: 40}}, 26 + 7 + 4},
		"every second, two pods":  {time.Second, []scraped{{name: "web-a", rate: 40}, {name: "web-b", rate: 40}}, 400},
		"a pod without metrics":   {15 * time.Second, []scraped{{name: "web-a", phase: time.Hour, rate: 40}}, 28 + 40},
		"a minute, unknown, none": {time.Minute, []scraped{{name: "web-a", phase: time.Hour}}, 28 + 40},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fleet{every: tt.every, pods: tt.pods}
				r, _ := decide(t, f, tt.every)
				t.Logf("%d questions; %s: %s", f.asked, r.Verdict, r.Reason)
				if r.Verdict == Fail || f.asked > tt.most {
					t.Errorf("%s with %d questions, want at most %d", r.Verdict, f.asked, tt.most)
				}
			})
		})
	}
}

// Looks between the regular ones are no samples of the window, neither those in it nor those before it.
func TestLooksBetweenAreNoSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{every: 5 * time.Second, pods: []scraped{{name: "web-a", phase: time.Second, rate: 10, share: 0.03, ends: 20 * time.Second}}}
		r, took := decide(t, f, 5*time.Second)
		between := 0
		for _, p := range r.Series {
			if p.between {
				between++
			}
		}
		if between == 0 {
			t.Fatalf("there were none in %s: %s", took, r.Reason)
		}
		if r.Samples.Judged != 21 || r.Samples.Scheduled != 21 || took < 6*time.Minute {
			t.Errorf("%d of %d samples in %s, %d looks between: %s", r.Samples.Judged, r.Samples.Scheduled, took, between, r.Reason)
		}
	})
}
