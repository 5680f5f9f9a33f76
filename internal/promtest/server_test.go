//go:build prometheus

package promtest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEach(t *testing.T) {
	t.Parallel()
	for _, b := range Servers(t) {
		if b.Major != 2 && b.Major != 3 || b.Path == "" || !strings.HasPrefix(b.Version, string(rune('0'+b.Major))+".") {
			t.Errorf("got %+v", b)
		}
		t.Logf("%+v", b)
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte("colour{name=\"blue\"} 7\n"))
	}))
	defer other.Close()
	Each(t, func(t *testing.T, start Starter) {
		e := NewExporter(t)
		pod := e.Pod("web-0")
		counter := pod.Counter("http_requests_total", nil)
		counter.Add(3)
		s := start(t, Options{
			Exporter: e, ScrapeSelf: true,
			ExtraTargets: []Target{{Address: strings.TrimPrefix(other.URL, "http://"), Labels: Labels{"zone": "a"}}},
			Args:         []string{"--query.lookback-delta=2m"},
		})
		s.Await(`http_requests_total{pod="web-0"}`, is(3))
		s.Await(`colour{job="extra",zone="a"}`, is(7))
		s.Await(`up{job="prometheus"}`, is(1))
		info := s.Query("prometheus_build_info")
		if got := info.Series[0].Labels["version"]; s.Binary.Major == 2 && got[:4] != s.Binary.Version[:4] {
			t.Errorf("build_info says %q, want %q", got, s.Binary.Version)
		}

		s.Stop()
		s.Stop()
		if c, err := net.Dial("tcp", s.address); err == nil {
			c.Close()
			t.Fatal("a stopped server accepts connections")
		}
		counter.Add(1)
		address := s.URL
		s.Restart()
		if s.URL != address {
			t.Errorf("the address changed from %s to %s", address, s.URL)
		}
		// A kill leaves no stale markers: the old value is there at once.
		if r := s.Query(`http_requests_total{pod="web-0"}`); !r.Is(3) {
			t.Errorf("after a restart: %+v", r)
		}
		s.Await(`http_requests_total{pod="web-0"}`, is(4))
	})
}
