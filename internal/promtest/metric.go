package promtest

import (
	"math"
	"sort"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// flow is something that happens so many times a second.
type flow struct {
	value     float64 // what is observed
	perSecond float64
	since     time.Time
	taken     float64 // events that were counted already
}

// take returns the whole events that happened until now and were not taken yet.
func (f *flow) take(now time.Time) float64 {
	if f.perSecond == 0 {
		return 0
	}
	all := math.Floor(max(now.Sub(f.since).Seconds(), 0) * f.perSecond)
	events := all - f.taken
	f.taken = all
	return events
}

func (f *flow) restart(perSecond float64, now time.Time) {
	f.perSecond, f.since, f.taken = perSecond, now, 0
}

// Counter only grows, except when its pod restarts.
type Counter struct {
	core
	value float64
	flow  flow
}

// Add counts n events at once.
func (c *Counter) Add(n float64) {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	c.value += n
}

// Rate makes it grow by so many a second from now on. Zero: it stands still.
func (c *Counter) Rate(perSecond float64) {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	now := time.Now()
	c.value += c.flow.take(now)
	c.flow.restart(perSecond, now)
}

// Value is what a scrape reads now.
func (c *Counter) Value() float64 {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return c.read(time.Now())
}

func (c *Counter) read(now time.Time) float64 {
	c.value += c.flow.take(now)
	return c.value
}

func (c *Counter) reset(now time.Time) {
	c.value = 0
	c.flow.restart(c.flow.perSecond, now)
}

// Gauge is any value, NaN and infinities included.
type Gauge struct {
	core
	value float64
}

// Set changes it.
func (g *Gauge) Set(value float64) {
	g.pod.mu.Lock()
	defer g.pod.mu.Unlock()
	g.value = value
}

func (g *Gauge) reset(time.Time) {}

// Histogram is a classic one: buckets, sum and count.
type Histogram struct {
	core
	bounds []float64
	counts []uint64 // by bucket, not cumulative, +Inf last
	sum    float64
	flow   flow
}

// Observe counts each value.
func (h *Histogram) Observe(values ...float64) {
	h.pod.mu.Lock()
	defer h.pod.mu.Unlock()
	for _, v := range values {
		h.observe(v, 1)
	}
}

// Rate observes the value so many times a second from now on.
func (h *Histogram) Rate(value, perSecond float64) {
	h.pod.mu.Lock()
	defer h.pod.mu.Unlock()
	now := time.Now()
	h.catchUp(now)
	h.flow.value = value
	h.flow.restart(perSecond, now)
}

func (h *Histogram) observe(value, times float64) {
	h.counts[sort.SearchFloat64s(h.bounds, value)] += uint64(times)
	h.sum += value * times
}

func (h *Histogram) catchUp(now time.Time) { h.observe(h.flow.value, h.flow.take(now)) }

func (h *Histogram) reset(now time.Time) {
	clear(h.counts)
	h.sum = 0
	h.flow.restart(h.flow.perSecond, now)
}

// cumulative returns the counts as they are exposed, without +Inf, and the
// count of all.
func (h *Histogram) cumulative() (map[float64]uint64, uint64) {
	buckets, all := map[float64]uint64{}, uint64(0)
	for i, bound := range h.bounds {
		all += h.counts[i]
		buckets[bound] = all
	}
	return buckets, all + h.counts[len(h.bounds)]
}

// NativeHistogram has buckets that grow by a tenth, all in one series.
type NativeHistogram struct {
	core
	name  string
	real  prometheus.Histogram
	count uint64
	sum   float64
	flow  flow
}

func newNative(c core, name string) *NativeHistogram {
	h := &NativeHistogram{core: c, name: name}
	h.reset(time.Now())
	return h
}

// Observe counts each value.
func (h *NativeHistogram) Observe(values ...float64) {
	h.pod.mu.Lock()
	defer h.pod.mu.Unlock()
	for _, v := range values {
		h.observe(v)
	}
}

// Rate observes the value so many times a second from now on.
func (h *NativeHistogram) Rate(value, perSecond float64) {
	h.pod.mu.Lock()
	defer h.pod.mu.Unlock()
	now := time.Now()
	h.catchUp(now)
	h.flow.value = value
	h.flow.restart(perSecond, now)
}

func (h *NativeHistogram) observe(value float64) {
	h.real.Observe(value)
	h.count++
	h.sum += value
}

func (h *NativeHistogram) catchUp(now time.Time) {
	for range int(h.flow.take(now)) {
		h.observe(h.flow.value)
	}
}

func (h *NativeHistogram) reset(now time.Time) {
	h.real = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: h.name, Help: help, ConstLabels: prometheus.Labels(h.labels), NativeHistogramBucketFactor: 1.1,
	})
	h.count, h.sum = 0, 0
	h.flow.restart(h.flow.perSecond, now)
}
