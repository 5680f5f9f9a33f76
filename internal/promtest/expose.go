package promtest

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const help = "Made up for a test."

// source is a pod whose metrics are read, and labels to put on them.
type source struct {
	pod    *Pod
	labels Labels
	up     bool // add the series up, and read nothing of a pod that is down
}

// withLabels merges as Prometheus does: where a series has the label of its
// target already, its own is renamed.
func (s source) withLabels(own Labels) Labels {
	all := maps.Clone(s.labels)
	if all == nil {
		all = Labels{}
	}
	for name, value := range own {
		if _, taken := s.labels[name]; taken {
			name = "exported_" + name
		}
		all[name] = value
	}
	return all
}

// expose answers a scrape. Only native histograms need protobuf; all else is
// text, as most applications have it.
func expose(w http.ResponseWriter, r *http.Request, sources []source) {
	if strings.Contains(r.Header.Get("Accept"), "application/vnd.google.protobuf") && slices.ContainsFunc(sources, source.native) {
		registry := prometheus.NewRegistry()
		for _, s := range sources {
			registry.MustRegister(collector{s})
		}
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
		return
	}
	page := page{kinds: map[string]string{}, lines: map[string][]string{}}
	for _, s := range sources {
		page.add(s)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(page.String()))
}

func (s source) native() bool {
	s.pod.mu.Lock()
	defer s.pod.mu.Unlock()
	return slices.ContainsFunc(s.pod.families, func(f *family) bool { return f.kind == "native" })
}

// page is a text exposition in the making: the lines of one name must stand
// together, whichever pods they are from.
type page struct {
	kinds map[string]string
	lines map[string][]string
}

func (p page) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.lines)) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", name, help, p.kinds[name])
		for _, line := range p.lines[name] {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (p page) add(s source) {
	s.pod.mu.Lock()
	defer s.pod.mu.Unlock()
	now := time.Now()
	if s.up {
		p.write("up", "gauge", "", s.labels, s.pod.alive())
		if s.pod.down {
			return
		}
	}
	for _, f := range s.pod.families {
		for _, m := range f.metrics {
			labels := s.withLabels(m.own())
			switch m := m.(type) {
			case *Counter:
				p.write(f.name, f.kind, "", labels, m.read(now))
			case *Gauge:
				p.write(f.name, f.kind, "", labels, m.value)
			case *Histogram:
				m.catchUp(now)
				buckets, count := m.cumulative()
				p.writeHistogram(f.name, labels, m.bounds, buckets, count, m.sum)
			case *NativeHistogram:
				m.catchUp(now)
				p.writeHistogram(f.name, labels, nil, nil, m.count, m.sum)
			}
		}
	}
}

func (p page) writeHistogram(name string, labels Labels, bounds []float64, buckets map[float64]uint64, count uint64, sum float64) {
	bucket := maps.Clone(labels)
	for _, bound := range bounds {
		bucket["le"] = number(bound)
		p.write(name, "histogram", "_bucket", bucket, float64(buckets[bound]))
	}
	bucket["le"] = "+Inf"
	p.write(name, "histogram", "_bucket", bucket, float64(count))
	p.write(name, "histogram", "_sum", labels, sum)
	p.write(name, "histogram", "_count", labels, float64(count))
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (p page) write(name, kind, suffix string, labels Labels, value float64) {
	var pairs []string
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, label+`="`+escape.Replace(labels[label])+`"`)
	}
	p.kinds[name] = kind
	p.lines[name] = append(p.lines[name], name+suffix+"{"+strings.Join(pairs, ",")+"} "+number(value)+"\n")
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// alive is the value of up.
func (p *Pod) alive() float64 {
	if p.down {
		return 0
	}
	return 1
}

// collector hands a pod's metrics to a registry, which writes protobuf.
type collector struct{ source }

// Describe says nothing, which lets metrics come and go.
func (c collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(out chan<- prometheus.Metric) {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	now := time.Now()
	if c.up {
		out <- prometheus.MustNewConstMetric(desc("up", c.labels), prometheus.GaugeValue, c.pod.alive())
		if c.pod.down {
			return
		}
	}
	for _, f := range c.pod.families {
		for _, m := range f.metrics {
			d := desc(f.name, c.withLabels(m.own()))
			switch m := m.(type) {
			case *Counter:
				out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, m.read(now))
			case *Gauge:
				out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, m.value)
			case *Histogram:
				m.catchUp(now)
				buckets, count := m.cumulative()
				out <- prometheus.MustNewConstHistogram(d, count, m.sum, buckets)
			case *NativeHistogram:
				m.catchUp(now)
				prometheus.WrapCollectorWith(prometheus.Labels(c.labels), m.real).Collect(out)
			}
		}
	}
}

func desc(name string, labels Labels) *prometheus.Desc {
	return prometheus.NewDesc(name, help, nil, prometheus.Labels(labels))
}
