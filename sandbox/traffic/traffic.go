// Package traffic lets simulated pods report requests that nobody sent.
//
// It takes the pods of a cluster, as they come and go, and returns what each of them would expose on /metrics:
// counters and a latency histogram that follow the annotations of its pod template. kwok has metrics of its own,
// but its histograms carry no labels, and evaluating expressions for a thousand pods every second is a load.
// Nothing in here touches the pods.
package traffic

import (
	"strconv"
	"time"
)

const prefix = "sandbox.rolloutgate.dev/"

// Profile is the traffic a pod asks for in its annotations.
type Profile struct {
	Rate       float64       // requests per second
	ErrorRate  float64       // share of requests answered with 500
	ErrorAfter time.Duration // how long it serves well before ErrorRate applies
	Latency    time.Duration // median
}

// profile reads the annotations of a pod; what is absent or unreadable has a
// healthy default.
func profile(annotations map[string]string) Profile {
	p := Profile{Rate: 10, Latency: 20 * time.Millisecond}
	number := func(name string, into *float64) {
		if x, err := strconv.ParseFloat(annotations[prefix+name], 64); err == nil && x >= 0 {
			*into = x
		}
	}
	number("requests-per-second", &p.Rate)
	number("error-rate", &p.ErrorRate)
	p.ErrorRate = min(p.ErrorRate, 1)
	if d, err := time.ParseDuration(annotations[prefix+"error-after"]); err == nil {
		p.ErrorAfter = d
	}
	milliseconds := float64(p.Latency / time.Millisecond)
	number("latency-ms", &milliseconds)
	p.Latency = time.Duration(milliseconds * float64(time.Millisecond))
	return p
}

// Counters are the running totals of one process in a pod. They start at zero
// with it and grow while the pod is ready. The zero value is a new process.
type Counters struct {
	served time.Duration // time spent ready
	since  time.Time     // when the present ready time began; zero when not ready
}

// Ready notes that the pod turned ready, or not, at this time.
func (c *Counters) Ready(ready bool, now time.Time) {
	switch {
	case ready && c.since.IsZero():
		c.since = now
	case !ready && !c.since.IsZero():
		c.served += now.Sub(c.since)
		c.since = time.Time{}
	}
}

// Served is the time spent ready until now.
func (c *Counters) Served(now time.Time) time.Duration {
	if c.since.IsZero() {
		return c.served
	}
	return c.served + max(0, now.Sub(c.since))
}

// Good and Bad are the numbers of requests answered after serving this long.
// Both are sums of terms that only grow, each rounded down by itself: as a
// difference, Good could fall by one, which looks like a restart.
func (p Profile) Good(served time.Duration) float64 {
	well := min(served, p.ErrorAfter)
	return floor(p.Rate * (well.Seconds() + (1-p.ErrorRate)*(served-well).Seconds()))
}

func (p Profile) Bad(served time.Duration) float64 {
	return floor(p.Rate * p.ErrorRate * max(0, served-p.ErrorAfter).Seconds())
}

// buckets are the upper bounds, in seconds, of the latency histogram: those of
// Prometheus' client libraries, and one for the very slow.
var buckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// within is the share of requests that take at most this many seconds:
// latencies are spread evenly between half and one and a half of the median.
func (p Profile) within(bound float64) float64 {
	median := p.Latency.Seconds()
	if median == 0 {
		return 1
	}
	return min(1, max(0, bound/median-0.5))
}

// floor rounds down to whole requests. The addition keeps binary fractions from
// losing one that is due.
func floor(x float64) float64 { return float64(int64(x + 1e-6)) }
