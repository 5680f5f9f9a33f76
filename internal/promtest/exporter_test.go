//go:build prometheus

package promtest

import (
	"math"
	"testing"
	"time"
)

// What a pod does is read by four jobs at once: as targets of a highly
// available pair, with another label for the pod, without any, and Instant.
func TestPods(t *testing.T) {
	t.Parallel()
	Each(t, func(t *testing.T, start Starter) {
		e := NewExporter(t)
		web := e.Pod("web-7c9f8d-abcde", Labels{"namespace": "shop", "pod_template_hash": "7c9f8d"})
		web.Counter("http_requests_total", Labels{"code": "200"}).Add(20)
		web.Counter("http_requests_total", Labels{"code": "500"}).Add(2)
		web.Rate("ticks_total", nil, 20)
		web.Gauge("odd", Labels{"is": "nan"}).Set(math.NaN())
		web.Gauge("odd", Labels{"is": `a "quote" \ and` + "\n" + "a line"}).Set(math.Inf(-1))
		seconds := web.Histogram("request_seconds", nil, []float64{0.1, 1})
		seconds.Observe(0.1, 0.5, 0.6, 7)
		moving := web.Histogram("moving_seconds", nil, []float64{0.1, 1})
		moving.Rate(0.5, 20)
		e.Pod("mute")
		e2, native := nativePod(t)
		s := start(t, Options{Exporter: e, Jobs: []Job{
			{Name: "replica", Exporter: e, Labels: Labels{"job": "pods", "prometheus_replica": "b"}},
			{Name: "renamed", Exporter: e, PodLabel: "kubernetes_pod_name", NamespaceLabel: "kubernetes_namespace"},
			{Name: "gateway", Exporter: e, PodLabel: NoLabel, NamespaceLabel: NoLabel},
			{Name: "instant", Exporter: e, Instant: true},
			{Name: "native", Exporter: e2},
			{Name: "native-instant", Exporter: e2, Instant: true},
		}})
		s.AwaitScrapes(3, web)
		s.AwaitScrapes(3, native)

		for promql, wanted := range map[string]func(Result) bool{
			`http_requests_total{job="pods",namespace="shop",pod="web-7c9f8d-abcde",pod_template_hash="7c9f8d",code="500",prometheus_replica=""}`: is(2),
			`http_requests_total{job="instant",namespace="shop",pod="web-7c9f8d-abcde",pod_template_hash="7c9f8d",code="500"}`:                    is(2),
			`http_requests_total{job="pods",prometheus_replica="b",code="500"}`:                                                                   is(2),
			`sum(http_requests_total{job="pods",code="200"})`:                                                                                     is(40), // counted twice
			`http_requests_total{kubernetes_pod_name="web-7c9f8d-abcde",kubernetes_namespace="shop",pod="",code="500"}`:                           is(2),
			`http_requests_total{job="gateway",pod="",namespace="",code="500"}`:                                                                   is(2),
			`count(up{pod="web-7c9f8d-abcde"} == 1)`:                                                                                              is(3), // two replicas and instant
			`up{job="pods",pod="mute",namespace="default",prometheus_replica=""}`:                                                                 is(1),
			`up{job="instant",pod="mute"}`:                                                                                                        is(1),
			`count({pod="mute",job="instant",__name__!="up"})`:                                                                                    empty,
			`odd{job="instant",is="nan"} == odd{is="nan"}`:                                                                                        empty, // NaN differs from itself
			`count(odd{job="instant",is="nan"})`:                                                                                                  is(1),
			`odd{job="instant",is=~"(?s)a \"quote\" \\\\ and\na line"}`:                                                                           is(math.Inf(-1)),
			`request_seconds_bucket{job="instant",le=~"0.1"}`:                                                                                     is(1),
			`request_seconds_bucket{job="instant",le=~"1|1.0"}`:                                                                                   is(3),
			`request_seconds_bucket{job="instant",le="+Inf"}`:                                                                                     is(4),
			`request_seconds_count{job="instant"}`:                                                                                                is(4),
			`request_seconds_sum{job="instant"}`:                                                                                                  near(8.2, 1e-9),
			`moving_seconds_sum{job="instant"} / moving_seconds_count{job="instant"}`:                                                             is(0.5),
		} {
			s.Await(promql, wanted) // a busy machine misses a scrape now and then
		}
		s.Await(`rate(ticks_total{job="instant"}[2s])`, near(20, 1))
		s.Await(`rate(moving_seconds_count{job="pods",prometheus_replica=""}[2s])`, near(20, 1))
		nativeHistograms(t, s, native)
	})
}

func TestLife(t *testing.T) {
	t.Parallel()
	Each(t, func(t *testing.T, start Starter) {
		e := NewExporter(t)
		const series = "requests_total"
		pods := map[string]*Pod{}
		for _, name := range []string{"restarts", "down", "leaves"} {
			pods[name] = e.Pod(name)
			pods[name].Counter(series, nil).Add(10)
		}
		s := start(t, Options{Exporter: e, Jobs: []Job{{Name: "instant", Exporter: e, Instant: true}}})
		await := func(pod, job string, wanted func(Result) bool) {
			t.Helper()
			s.Await(series+`{pod="`+pod+`",job="`+job+`"}`, wanted)
		}
		for name := range pods {
			await(name, "pods", is(10))
			await(name, "instant", is(10))
		}

		pods["leaves"].Remove()
		s.Await(`up{pod="leaves",job="instant"}`, empty)
		await("leaves", "instant", empty)
		await("leaves", "pods", empty)

		pods["restarts"].Restart()
		await("restarts", "pods", is(0))
		pods["restarts"].Counter(series, nil).Add(4)
		await("restarts", "pods", is(4))
		if r := s.Query(`resets(` + series + `{pod="restarts",job="pods"}[1m])`); !r.Is(1) {
			t.Errorf("resets: %+v", r)
		}

		pods["restarts"].Counter("late_total", nil).Add(1)
		s.Await(`late_total{job="pods"}`, is(1))
		pods["restarts"].Forget("late_total")
		s.Await(`late_total`, empty)

		pods["down"].Down()
		for _, job := range []string{"pods", "instant"} {
			await("down", job, empty)
			s.Await(`up{pod="down",job="`+job+`"}`, is(0))
		}
		pods["down"].Counter(series, nil).Add(1)
		pods["down"].Up()
		for _, job := range []string{"pods", "instant"} {
			await("down", job, is(11))
			s.Await(`up{pod="down",job="`+job+`"}`, is(1))
		}

		// The same name again, as in a StatefulSet, is another pod.
		s.Await(`up{pod="leaves",job="pods"}`, empty) // once service discovery has noticed
		begin := time.Now()
		e.Pod("leaves").Counter(series, nil).Add(1)
		await("leaves", "instant", is(1))
		if waited := time.Since(begin); waited > 3*time.Second {
			t.Errorf("a new pod was noticed after %s", waited)
		}
		await("leaves", "pods", is(1))
	})
}

func nativePod(t *testing.T) (*Exporter, *Pod) {
	e := NewExporter(t)
	pod := e.Pod("db-0")
	pod.NativeHistogram("query_seconds", Labels{"code": "200"}).Observe(0.1, 0.2, 0.3, 9)
	pod.NativeHistogram("slow_seconds", nil).Rate(0.5, 20)
	pod.Counter("queries_total", Labels{"code": "200"}).Add(4)
	pod.Histogram("classic_seconds", nil, []float64{1, 2}).Observe(1.5)
	pod.Gauge("heat", nil).Set(-3)
	return e, pod
}

func nativeHistograms(t *testing.T, s *Server, pod *Pod) {
	for _, job := range []string{"native", "native-instant"} {
		s.Await(`query_seconds{job="`+job+`",pod="db-0",code="200"}`, func(r Result) bool { return r.Is(4) && r.Series[0].Histograms == 1 })
		for promql, want := range map[string]float64{
			`histogram_count(query_seconds{job="` + job + `"})`:              4,
			`queries_total{code="200",job="` + job + `"}`:                    4,
			`classic_seconds_bucket{le=~"1|1.0",job="` + job + `"}`:          0,
			`classic_seconds_bucket{le=~"2|2.0",job="` + job + `"}`:          1,
			`heat{job="` + job + `"}`:                                        -3,
			`up{pod="db-0",job="` + job + `"}`:                               1,
			`round(histogram_sum(query_seconds{job="` + job + `"}) * 10)`:    96,
			`histogram_fraction(0, 1, query_seconds{job="` + job + `"}) * 4`: 3,
		} {
			s.Await(promql, near(want, 1e-9))
		}
	}
	s.Await(`histogram_count(rate(slow_seconds{job="native"}[2s]))`, near(20, 1))
	pod.Restart()
	s.Await(`histogram_count(query_seconds{job="native"})`, is(0))
}
