package requests

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func at(seconds int, version string, failure Failure) Answer {
	return Answer{At: noon.Add(time.Duration(seconds) * time.Second), Version: version, Failure: failure}
}

func TestBetween(t *testing.T) {
	l := Log{at(1, "v1", ""), at(2, "v1", ""), at(2, "", Refused), at(3, "v2", Status), at(3, "v2", ""), at(5, "v2", "")}
	for _, c := range []struct{ from, to, want string }{
		{"", "", "6 requests, v1 2, v2 2; 2 failed, refused 1, status 1"},
		{"2s", "3s", "2 requests, v1 1; 1 failed, refused 1"},
		{"", "2s", "1 requests, v1 1; 0 failed"},
		{"3s", "", "3 requests, v2 2; 1 failed, status 1"},
		{"4s", "5s", "0 requests; 0 failed"},
		{"5s", "4s", "0 requests; 0 failed"},
		{"9s", "", "0 requests; 0 failed"},
	} {
		if got := l.Between(clock(t, c.from), clock(t, c.to)).String(); got != c.want {
			t.Errorf("between %q and %q: %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

func clock(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return noon.Add(d)
}

type transport func() (*http.Response, error)

func (f transport) RoundTrip(*http.Request) (*http.Response, error) { return f() }

// A service that takes a second for each answer is asked as often as one that is quick.
func TestRateDoesNotWaitForAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Start(Config{Clients: 4, Rate: 100, transport: transport(func() (*http.Response, error) {
			time.Sleep(time.Second)
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(""))}, nil
		})})
		time.Sleep(2005 * time.Millisecond)
		log := c.Stop()
		if len(log) != 200 || log[0].Took != time.Second {
			t.Errorf("%d requests in two seconds, the first took %s", len(log), log[0].Took)
		}
	})
}

// Two clients, answers that take 10ms, a new version after a second: the log says when.
func TestClientsAskWithoutPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, told := time.Now(), 0
		c := Start(Config{Clients: 2, Each: func(Answer) { told++ }, transport: transport(func() (*http.Response, error) {
			time.Sleep(10 * time.Millisecond)
			version := "v1"
			if time.Since(begin) > time.Second {
				version = "v2"
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{"X-Version": {version}, "X-Pod": {"web-1"}}}, nil
		})})
		time.Sleep(1505 * time.Millisecond)
		soFar := len(c.Log())
		l := c.Stop()
		if soFar != 300 || len(l) != 302 || told != 302 {
			t.Errorf("%d answers before Stop, %d after it, %d told; want 300, and the two that were being answered", soFar, len(l), told)
		}
		if v := l.Versions(); v["v1"] != 200 || v["v2"] != 102 {
			t.Errorf("versions: %v", v)
		}
		if v := l.Between(begin.Add(time.Second+time.Millisecond), time.Time{}).Versions(); len(v) != 1 || v["v2"] != 102 {
			t.Errorf("versions after the first second: %v", v)
		}
		if a := l[0]; a.Took != 10*time.Millisecond || !a.At.Equal(begin.Add(a.Took)) || a.Pod != "web-1" {
			t.Errorf("the first answer: %+v", a)
		}
	})
}

// Refusals come at once, and are not counted by the thousand for that.
func TestFailuresAreNotAskedForInHaste(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Start(Config{Clients: 3, transport: transport(func() (*http.Response, error) { return nil, syscall.ECONNREFUSED })})
		time.Sleep(time.Second - time.Millisecond)
		if l := c.Stop(); len(l) != 300 || l.Failures()[Refused] != 300 {
			t.Errorf("%s in a second, want 300", l)
		}
	})
}

// collect asks until there are some answers.
func collect(t *testing.T, cfg Config) Log {
	t.Helper()
	enough := make(chan struct{})
	n := 0
	cfg.Each = func(Answer) {
		if n++; n == 20 {
			close(enough)
		}
	}
	c := Start(cfg)
	<-enough
	return c.Stop()
}

func TestFailures(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	hijacked := func(end func(net.Conn)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			end(conn)
			conn.Close()
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    Failure
	}{
		"nobody listens": {nil, Refused},
		"ended":          {hijacked(func(net.Conn) {}), Reset},
		"reset":          {hijacked(func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }), Reset},
		"half an answer": {hijacked(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nweb") }), Reset},
		"no HTTP":        {hijacked(func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-OpenSSH_9.2\r\n") }), Other},
		"an error":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, Status},
		"no answer":      {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, Timeout},
		"well":           {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			url := "http://" + closed.Addr().String()
			if c.handler != nil {
				server := httptest.NewServer(c.handler)
				defer server.Close()
				url = server.URL
			}
			cfg := Config{URL: url, Clients: 3}
			if c.want == Timeout {
				cfg.Timeout = 20 * time.Millisecond
			}
			for _, a := range collect(t, cfg) {
				if a.Failure != c.want || (a.Error == "") != (c.want == "") {
					t.Fatalf("got %+v, want %q", a, c.want)
				}
			}
		})
	}
}

func TestConnections(t *testing.T) {
	for keep, want := range map[bool]string{false: "one each", true: "two in all"} {
		var opened atomic.Int64
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Version", "v1")
		}))
		server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				opened.Add(1)
			}
		}
		server.Start()
		l := collect(t, Config{URL: server.URL, Clients: 2, KeepAlive: keep})
		server.Close()
		got := "one each"
		switch opened.Load() {
		case 2:
			got = "two in all"
		case int64(len(l)):
		default:
			got = fmt.Sprintf("%d for %d requests", opened.Load(), len(l))
		}
		if got != want || !maps.Equal(l.Versions(), map[string]int{"v1": len(l)}) {
			t.Errorf("keeping connections %v: %s, want %s; %s", keep, got, want, l)
		}
	}
}

func TestKindOfUnknown(t *testing.T) {
	if got := kind(errors.New("no port is left")); got != Other {
		t.Errorf("got %q", got)
	}
}
