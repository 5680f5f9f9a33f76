package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func configOf(t *testing.T, env map[string]string) config {
	t.Helper()
	cfg, err := readConfig(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestConfigNamesTheBadVariable(t *testing.T) {
	bad := map[string]string{
		"ERROR_RATE": "1.5", "EXIT_CODE": "256", "MEMORY_MB": "lots", "CRASH_AFTER": "-1s", "LATENCY_MS": "NaN",
		"START_DELAY": "soon", "CRASH_TIMES": "-1",
	}
	for name, value := range bad {
		_, err := readConfig(func(n string) string {
			if n == name {
				return value
			}
			return ""
		})
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s=%s: error is %v, want one that begins with the name", name, value, err)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"3": 3 * time.Second, "0.5": time.Second / 2, "250ms": time.Second / 4, "": 0} {
		if got := configOf(t, map[string]string{"START_DELAY": text}).startDelay; got != want {
			t.Errorf("START_DELAY=%q is %s, want %s", text, got, want)
		}
	}
}

func get(s *service, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestHealthTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(configOf(t, map[string]string{"UNHEALTHY": "no connection", "UNHEALTHY_AFTER": "10s"}), time.Now(), func() float64 { return 1 })
		if w := get(s, "/healthz"); w.Code != 200 {
			t.Errorf("at start /healthz answers %d, want 200", w.Code)
		}
		time.Sleep(10 * time.Second)
		if w := get(s, "/healthz"); w.Code != http.StatusServiceUnavailable || w.Body.String() != "no connection\n" {
			t.Errorf("after 10s /healthz answers %d %q, want 503 with the text", w.Code, w.Body)
		}
	})
}

func TestErrorsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := configOf(t, map[string]string{"ERROR_RATE": "0.5", "ERROR_AFTER": "10s", "ERROR_OVER": "20s"})
		s := newService(cfg, time.Now(), nil)
		for _, want := range []float64{0, 0, 0.25, 0.5, 0.5} {
			if got := s.errorRate(); got != want {
				t.Errorf("%s after the start the share is %g, want %g", time.Since(s.start), got, want)
			}
			time.Sleep(10 * time.Second)
		}
	})
}

func TestErrorsBeginLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := configOf(t, map[string]string{"ERROR_RATE": "0.5", "ERROR_AFTER": "1m", "VERSION": "v2"})
		s := newService(cfg, time.Now(), func() float64 { return 0.49 })
		if w := get(s, "/"); w.Code != 200 || w.Body.String() != "web v2 ok\n" {
			t.Errorf("at start / answers %d %q", w.Code, w.Body)
		}
		if text := get(s, "/metrics").Body.String(); strings.Contains(text, `code="500"`) {
			t.Errorf("a code that never happened has a series:\n%s", text)
		}
		time.Sleep(time.Minute)
		w := get(s, "/")
		if w.Code != 500 {
			t.Errorf("after a minute / answers %d, want 500", w.Code)
		}
		if host, _ := os.Hostname(); w.Header().Get("X-Version") != "v2" || w.Header().Get("X-Pod") != host {
			t.Errorf("the headers do not say who answered: %v", w.Header())
		}
		text := get(s, "/metrics").Body.String()
		for _, line := range []string{
			`http_requests_total{code="200"} 1`, `http_requests_total{code="500"} 1`, `http_request_duration_seconds_count 2`,
			`http_request_duration_seconds_bucket{le="+Inf"} 2`, `app_info{version="v2"} 1`,
		} {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("metrics lack %s:\n%s", line, text)
			}
		}
	})
}

func TestBucketsAddUp(t *testing.T) {
	s := newStats()
	for _, took := range []time.Duration{5 * time.Millisecond, 6 * time.Millisecond, 20 * time.Second} {
		s.add(200, took)
	}
	var b strings.Builder
	s.write(&b)
	for _, line := range []string{`_bucket{le="0.005"} 1`, `_bucket{le="0.01"} 2`, `_bucket{le="10"} 2`, `_bucket{le="+Inf"} 3`} {
		if !strings.Contains(b.String(), line+"\n") {
			t.Errorf("histogram lacks %s:\n%s", line, b.String())
		}
	}
}

func TestCrashTimes(t *testing.T) {
	cfg := configOf(t, map[string]string{"CRASH": "no config", "CRASH_TIMES": "2", "STATE_DIR": t.TempDir()})
	for start, want := range []bool{true, true, false, false} {
		got, err := cfg.crashesNow()
		if err != nil || got != want {
			t.Errorf("start %d: crashes %v, %v; want %v", start+1, got, err, want)
		}
	}
	cfg.stateDir = filepath.Join(cfg.stateDir, "missing")
	if _, err := cfg.crashesNow(); err == nil {
		t.Error("a missing state directory is no error")
	}
}

func TestRunEnds(t *testing.T) {
	cases := []struct {
		name string
		env  map[string]string
		code int
		text string
	}{
		{"crash before listening", map[string]string{"CRASH": "config.yaml: no such file"}, 1, "config.yaml: no such file"},
		{"only a code", map[string]string{"EXIT_CODE": "3"}, 3, "exiting with code 3"},
		{"code zero", map[string]string{"EXIT_CODE": "0"}, 0, "exiting with code 0"},
		{"crash while serving", map[string]string{"CRASH": "lost the leader", "CRASH_AFTER": "20ms", "EXIT_CODE": "7"}, 7, "lost the leader"},
		{"nothing to wait for", map[string]string{"WAIT_FOR": "/no/such/file", "WAIT_TIMEOUT": "0"}, 1,
			"database is not available: stat /no/such/file: no such file or directory"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.env["LISTEN"] = "127.0.0.1:0"
			err := run(configOf(t, c.env), time.Now(), nil)
			if err == nil || err.Error() != c.text || exitCode(err) != c.code {
				t.Errorf("run ended with %v, code %d; want %q, code %d", err, exitCode(err), c.text, c.code)
			}
		})
	}
}

func TestRunStopsOnSignal(t *testing.T) {
	stop := make(chan os.Signal, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- run(configOf(t, map[string]string{"LISTEN": "127.0.0.1:0"}), time.Now(), stop)
	}()
	stop <- os.Interrupt
	select {
	case err := <-ended:
		if err != nil && err != http.ErrServerClosed {
			t.Errorf("stopping: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("still running 5s after the signal")
	}
}

// A request is being answered when the signal comes: it is finished, cut off, or there is time for it and for others.
func TestHowItStops(t *testing.T) {
	for _, c := range []struct {
		variable, value string
		finished        bool
		atLeast         time.Duration
	}{
		{"", "", true, 0},
		{"EXIT_ON_SIGTERM", "1", false, 0},
		{"STOP_DELAY", "700ms", true, 700 * time.Millisecond},
	} {
		t.Run(c.variable, func(t *testing.T) {
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := free.Addr().String()
			free.Close()
			cfg := configOf(t, map[string]string{"LISTEN": address, "LATENCY_MS": "200", "SELF_TRAFFIC": "0", c.variable: c.value})
			stop, ended := make(chan os.Signal, 1), make(chan error, 1)
			go func() { ended <- run(cfg, time.Now(), stop) }()
			for reach(address) != nil {
				time.Sleep(time.Millisecond)
			}
			answered := make(chan error, 1)
			go func() {
				response, err := http.Get("http://" + address + "/")
				if err == nil {
					err = response.Body.Close()
				}
				answered <- err
			}()
			time.Sleep(10 * time.Millisecond) // it takes 100ms at least
			begin := time.Now()
			stop <- os.Interrupt
			if err := <-ended; err != nil && err != http.ErrServerClosed {
				t.Errorf("stopping: %v", err)
			}
			if took := time.Since(begin); took < c.atLeast {
				t.Errorf("it stopped after %s, want %s at least", took, c.atLeast)
			}
			if err := <-answered; (err == nil) != c.finished {
				t.Errorf("the request that was being answered: %v; finished: want %v", err, c.finished)
			}
		})
	}
}

func TestReach(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := reach(address); err != nil {
		t.Errorf("an open port: %v", err)
	}
	listener.Close()
	if err := reach(address); err == nil {
		t.Error("a closed port is reachable")
	}
}
