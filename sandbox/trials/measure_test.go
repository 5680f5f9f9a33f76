package main

import (
	"math"
	"testing"
	"time"
)

var began = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)

func after(seconds float64) time.Time {
	return began.Add(time.Duration(seconds * float64(time.Second)))
}

// counted is a process that started with the clock and is scraped each second; bad is what its counter shows each time.
func counted(container string, bad ...float64) *process {
	p := &process{container: container}
	for i, n := range bad {
		p.looks = append(p.looks, look{at: after(float64(i + 1)), started: began, bad: n, all: 10 * float64(i+1)})
	}
	return p
}

func TestFirstBad(t *testing.T) {
	for name, c := range map[string]struct {
		all   []*process
		onset float64
		want  float64 // -1: none
	}{
		"none":                        {[]*process{counted("a", 0, 0, 0)}, 0, -1},
		"after the last good scrape":  {[]*process{counted("a", 0, 0, 0, 2)}, 0, 3},
		"not before the fault":        {[]*process{counted("a", 0, 0, 0, 2)}, 3.4, 3.4},
		"noise before the fault":      {[]*process{counted("a", 1, 1, 1, 1, 4)}, 3, 4},
		"noise only":                  {[]*process{counted("a", 1, 1, 1, 1)}, 3, -1},
		"in the first scrape":         {[]*process{counted("a", 5)}, 0, 0},
		"the first of two":            {[]*process{counted("a", 0, 0, 0, 1), counted("a", 0, 0, 1, 1)}, 0, 2},
		"a container without a fault": {[]*process{counted("b", 0, 1, 2)}, 0, -1},
		"begun anew":                  {[]*process{counted("a", 0, 7, 7, 3)}, 3, 3},
	} {
		got, ok := firstBad(c.all, map[string]time.Duration{"a": time.Duration(c.onset * float64(time.Second))})
		if c.want < 0 {
			if ok {
				t.Errorf("%s: got %s", name, got)
			}
			continue
		}
		if !ok || !got.Equal(after(c.want)) {
			t.Errorf("%s: got %.1fs (%t), want %.1fs", name, got.Sub(began).Seconds(), ok, c.want)
		}
	}
}

func TestServed(t *testing.T) {
	all := []*process{counted("a", 0, 2, 4), counted("b", 1, 1, 1)}
	for until, want := range map[float64][2]float64{
		0.5: {0, 0}, // nothing was scraped
		1:   {1, 20},
		2.5: {4, 50},
		60:  {5, 60},
	} {
		if bad, total := served(all, after(until)); math.Abs(bad-want[0]) > 1e-9 || math.Abs(total-want[1]) > 1e-9 {
			t.Errorf("until %.1fs: %.2f of %.2f, want %.0f of %.0f", until, bad, total, want[0], want[1])
		}
	}
	restarted := counted("a", 3, 1, 2)
	if bad, _ := served([]*process{restarted}, after(60)); bad != 5 {
		t.Errorf("over a restart: %.0f bad, want 5", bad)
	}
}

func TestProcesses(t *testing.T) {
	one := func(name string, values ...float64) series {
		s := series{Metric: map[string]string{"__name__": name, "pod": "web-1", "container": "a"}}
		for i, v := range values {
			s.Values = append(s.Values, scraped{after(float64(i)), v})
		}
		return s
	}
	failed, good := one(requestsMetric, 0, 2), one(requestsMetric, 5, 9)
	failed.Metric["code"], good.Metric["code"] = "500", "200"
	failed.Values = failed.Values[1:] // there is no such series before the first failure
	other := one(startMetric, 7)
	other.Metric["pod"] = "web-2"
	all := []series{failed, good, one(durationMetric+"_count", 5, 11), one(durationMetric+"_bucket", 5, 8), one(startMetric, 1.5, 1.5), other}
	for criterion, want := range map[string][2]look{
		"errors": {{bad: 0, all: 5}, {bad: 2, all: 11}},
		"slow":   {{bad: 0, all: 5}, {bad: 3, all: 11}},
	} {
		found := processes(all, criterion)
		if len(found) != 2 {
			t.Fatalf("%s: %d processes", criterion, len(found))
		}
		p := found[0]
		if len(p.looks) != 2 {
			p = found[1]
		}
		for i, l := range p.looks {
			if l.bad != want[i].bad || l.all != want[i].all || !l.at.Equal(after(float64(i))) || l.started.UnixMilli() != 1500 {
				t.Errorf("%s, scrape %d: got %+v", criterion, i, l)
			}
		}
	}
}

func TestParseCPU(t *testing.T) {
	first := parseCPU("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 2 3\n")
	second := parseCPU("cpu  40 0 20 120 20 0 0 0 0 0\n")
	if got := first.busyUntil(second); got != 0.4 {
		t.Errorf("got %v", got)
	}
	if got := (cpu{}).busyUntil(parseCPU("")); got != 0 {
		t.Errorf("without /proc/stat: got %v", got)
	}
}
