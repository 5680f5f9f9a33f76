package promtest

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Pod is a fake pod. Its methods are safe for concurrent use and take effect
// with the next scrape.
type Pod struct {
	Name      string
	Namespace string

	exporter *Exporter
	path     string // where its metrics are
	instance string
	labels   Labels

	mu       sync.Mutex
	down     bool
	families []*family // sorted by name
}

// family is the metrics of one name.
type family struct {
	name    string
	kind    string // as in a line # TYPE
	metrics []metric
}

// metric is one series, or those of one histogram.
type metric interface {
	own() Labels
	reset(now time.Time)
}

// core is what all metrics have in common.
type core struct {
	pod    *Pod
	labels Labels
}

func (c core) own() Labels { return c.labels }

// find returns the metric of that name and labels, making it if need be. To
// make one late is to have a counter born late.
func find[M metric](p *Pod, kind, name string, labels Labels, make func(core) M) M {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, found := slices.BinarySearchFunc(p.families, name, func(f *family, name string) int { return strings.Compare(f.name, name) })
	if !found {
		p.families = slices.Insert(p.families, i, &family{name: name, kind: kind})
	}
	f := p.families[i]
	if f.kind != kind {
		panic(name + " is a " + f.kind + " already")
	}
	for _, m := range f.metrics {
		if maps.Equal(m.own(), labels) {
			return m.(M)
		}
	}
	m := make(core{p, maps.Clone(labels)})
	f.metrics = append(f.metrics, m)
	return m
}

// Counter returns the pod's counter of that name and labels. A new one is zero.
func (p *Pod) Counter(name string, labels Labels) *Counter {
	return find(p, "counter", name, labels, func(c core) *Counter { return &Counter{core: c} })
}

// Rate makes a counter grow by so many a second from now on, whole events only.
func (p *Pod) Rate(name string, labels Labels, perSecond float64) *Counter {
	c := p.Counter(name, labels)
	c.Rate(perSecond)
	return c
}

// Gauge returns the pod's gauge of that name and labels. A new one is zero.
func (p *Pod) Gauge(name string, labels Labels) *Gauge {
	return find(p, "gauge", name, labels, func(c core) *Gauge { return &Gauge{core: c} })
}

// Histogram returns the pod's classic histogram of that name and labels. The
// bounds are sorted, without +Inf, and count when it is made.
func (p *Pod) Histogram(name string, labels Labels, bounds []float64) *Histogram {
	return find(p, "histogram", name, labels, func(c core) *Histogram {
		return &Histogram{core: c, bounds: bounds, counts: make([]uint64, len(bounds)+1)}
	})
}

// NativeHistogram returns the pod's native histogram of that name and labels.
// Prometheus gets it as one as long as it asks for protobuf, and as its count
// and sum otherwise.
func (p *Pod) NativeHistogram(name string, labels Labels) *NativeHistogram {
	return find(p, "native", name, labels, func(c core) *NativeHistogram { return newNative(c, name) })
}

// Restart starts the container anew: all counters and histograms are zero, and
// those with a rate go on from there. Gauges keep their values.
func (p *Pod) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.families {
		for _, m := range f.metrics {
			m.reset(time.Now())
		}
	}
}

// Forget takes all series of that name away while the pod lives on.
func (p *Pod) Forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.families = slices.DeleteFunc(p.families, func(f *family) bool { return f.name == name })
}

// Remove takes the pod away. Until service discovery notices, scrapes of it
// fail, as those of a deleted pod do.
func (p *Pod) Remove() { p.exporter.remove(p) }

// Down makes scrapes fail while the pod is still listed.
func (p *Pod) Down() { p.setDown(true) }

// Up ends [Pod.Down]. What the pod counted meanwhile is there at once.
func (p *Pod) Up() { p.setDown(false) }

func (p *Pod) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *Pod) isDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down
}
