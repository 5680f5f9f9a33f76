//go:build prometheus

package promtest

import (
	"math"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// TestRewrites lets a real server answer a vector of two series, a scalar and a
// matrix, through every fault that changes results.
func TestRewrites(t *testing.T) {
	t.Parallel()
	binaries := Servers(t)
	e := NewExporter(t)
	pods := []*Pod{e.Pod("a"), e.Pod("b")}
	for _, p := range pods {
		p.Counter("requests_total", nil).Add(5)
		p.NativeHistogram("seconds", nil).Observe(1)
	}
	s := Start(t, Options{Binary: binaries[len(binaries)-1], Jobs: []Job{{Name: "pods", Exporter: e, Instant: true}}})
	s.AwaitScrapes(10, pods...)
	p := NewFaultProxy(t, s.URL)
	ask := func(t *testing.T, form url.Values) Result {
		t.Helper()
		r, err := Ask(t.Context(), http.DefaultClient, p.URL, form)
		if err != nil {
			t.Fatalf("%s: %v", form.Encode(), err)
		}
		return r
	}
	vector := url.Values{"query": {`sort(requests_total + on(pod) group_left() (0 * up))`}}
	scalar := url.Values{"query": {`scalar(requests_total{pod="a"})`}}
	end := time.Now()
	matrix := url.Values{"query": {`requests_total`}, "start": {seconds(end.Add(-time.Second))}, "end": {seconds(end)}, "step": {"0.5"}}
	clean := map[string]Result{"vector": ask(t, vector), "scalar": ask(t, scalar), "matrix": ask(t, matrix)}
	if len(clean["vector"].Series) != 2 || !clean["scalar"].Is(5) || len(clean["matrix"].Series) != 2 || len(clean["matrix"].Series[0].Points) < 2 {
		t.Fatalf("without a fault: %+v", clean)
	}

	all := func(ok func(float64) bool) func(clean, r Result) bool {
		return func(clean, r Result) bool {
			n := 0
			for _, one := range r.Series {
				for _, point := range one.Points {
					n++
					if !ok(point.Value) {
						return false
					}
				}
			}
			return n > 0 && r.Type == clean.Type && len(r.Series) == len(clean.Series)
		}
	}
	for name, wanted := range map[string]func(clean, r Result) bool{
		"warnings":  func(clean, r Result) bool { return len(r.Warnings) == 1 && len(r.Series) == len(clean.Series) },
		"infos":     func(clean, r Result) bool { return len(r.Infos) == 1 && len(r.Series) == len(clean.Series) },
		"isPartial": func(clean, r Result) bool { return len(r.Series) == len(clean.Series) },
		"two series": func(clean, r Result) bool {
			return len(r.Series) == len(clean.Series)+1 && r.Series[len(r.Series)-1].Labels["replica"] == "2" && r.Type != "scalar"
		},
		"reordered series": func(clean, r Result) bool {
			n := len(clean.Series)
			return len(r.Series) == n && r.Series[0].Labels["pod"] == clean.Series[n-1].Labels["pod"]
		},
		"empty vector": func(clean, r Result) bool {
			return r.Type == clean.Type && (len(r.Series) == 0 || clean.Type == "scalar" && math.IsNaN(r.Values()[0]))
		},
		"NaN":           all(math.IsNaN),
		"+Inf":          all(func(v float64) bool { return math.IsInf(v, 1) }),
		"-Inf":          all(func(v float64) bool { return math.IsInf(v, -1) }),
		"string result": func(_, r Result) bool { return r.Type == "string" },
		"matrix result": func(clean, r Result) bool { return r.Type == "matrix" && len(r.Series) == len(clean.Series) },
	} {
		p.Set(Named(name), Forever)
		for kind, form := range map[string]url.Values{"vector": vector, "scalar": scalar, "matrix": matrix} {
			if r := ask(t, form); !wanted(clean[kind], r) {
				t.Errorf("%s, %s: %+v", name, kind, r)
			}
		}
	}
	p.Set(Named("NaN"), Forever)
	if r := ask(t, url.Values{"query": {`seconds{pod="a"}`}}); len(r.Series) != 1 || r.Series[0].Histograms != 0 || !math.IsNaN(r.Values()[0]) {
		t.Errorf("a native histogram as NaN: %+v", r)
	}
	p.Clear()
	t.Run("clock", func(t *testing.T) { skewed(t, p, ask) })
	t.Run("lag", func(t *testing.T) { lags(t, p, ask) })
}

func skewed(t *testing.T, p *FaultProxy, ask func(*testing.T, url.Values) Result) {
	for name, ahead := range map[string]float64{"clock 10 min ahead": 600, "clock 10 min behind": -600} {
		p.Set(Named(name), Forever)
		now := float64(time.Now().UnixMilli()) / 1000
		for _, promql := range []string{"time()", "vector(time())", `timestamp(requests_total{pod="a"})`} {
			r := ask(t, url.Values{"query": {promql}})
			if len(r.Series) != 1 || math.Abs(r.Values()[0]-now-ahead) > 5 || math.Abs(r.Series[0].Points[0].Time-now-ahead) > 5 {
				t.Errorf("%s, %s: %+v at %v", name, promql, r, now)
			}
		}
		if r := ask(t, url.Values{"query": {`time() - max(timestamp(requests_total))`}}); !near(0, 5)(r) {
			t.Errorf("%s: the server does not agree with itself: %+v", name, r)
		}
		theirs := now + ahead
		r := ask(t, url.Values{"query": {`requests_total{pod="a"}`}, "start": {seconds(time.UnixMilli(int64(theirs*1000) - 1000))}, "end": {seconds(time.UnixMilli(int64(theirs * 1000)))}, "step": {"0.5"}})
		if len(r.Series) != 1 || math.Abs(r.Series[0].Points[0].Time-theirs) > 2 || !r.Is(5) {
			t.Errorf("%s: a range in the server's time: %+v", name, r)
		}
		if r := ask(t, url.Values{"query": {"requests_total"}, "time": {seconds(time.Now())}}); some(r) {
			t.Errorf("%s: there is data at the client's time: %+v", name, r)
		}
		answer, err := http.Get(p.URL + "/api/v1/query?query=1")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if date, err := http.ParseTime(answer.Header.Get("Date")); err != nil || math.Abs(float64(date.Unix())-theirs) > 5 {
			t.Errorf("%s: Date is %s", name, answer.Header.Get("Date"))
		}
	}
}

func lags(t *testing.T, p *FaultProxy, ask func(*testing.T, url.Values) Result) {
	const age = `time() - max(timestamp(requests_total))`
	p.Clear()
	if r := ask(t, url.Values{"query": {age}}); !near(0.7, 0.7)(r) {
		t.Errorf("without lag the data is %+v seconds old", r)
	}
	p.Set(DataLag(1500*time.Millisecond), Forever)
	if r := ask(t, url.Values{"query": {age}}); !near(2.25, 0.75)(r) {
		t.Errorf("with lag the data is %+v seconds old", r)
	}
	if r := ask(t, url.Values{"query": {"time()"}}); !near(float64(time.Now().Unix()), 5)(r) {
		t.Errorf("the clock lags: %+v", r)
	}
	p.Set(Named("data lag 90 s"), Forever)
	for _, promql := range []string{"requests_total", "rate(requests_total[1m])", "max_over_time(sum(requests_total)[30s:1s])"} {
		if r := ask(t, url.Values{"query": {promql}}); some(r) {
			t.Errorf("%s is there before its time: %+v", promql, r)
		}
	}
}
