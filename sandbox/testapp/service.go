package main

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"time"
)

// service answers requests. Time is measured from start, because what a probe or a metric sees must not depend on how
// long listening took to begin.
type service struct {
	cfg    config
	start  time.Time
	chance func() float64 // uniform in [0, 1)
	stats  *stats
	pod    string // the name of the host, which in a pod is the pod's
}

func newService(cfg config, start time.Time, chance func() float64) *service {
	host, _ := os.Hostname() // without a name, none is told
	return &service{cfg: cfg, start: start, chance: chance, stats: newStats(), pod: host}
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /metrics", s.metrics)
	return mux
}

func (s *service) home(w http.ResponseWriter, _ *http.Request) {
	code, took := s.serve()
	w.Header().Set("X-Version", s.cfg.version)
	w.Header().Set("X-Pod", s.pod)
	w.WriteHeader(code)
	if code == http.StatusOK {
		fmt.Fprintf(w, "web %s ok\n", s.cfg.version)
		return
	}
	if s.cfg.logRequests {
		log.Printf("GET / answered %d after %s", code, took.Round(time.Millisecond))
	}
	fmt.Fprintf(w, "web %s failed\n", s.cfg.version)
}

// serve does the work of one request, which is to wait, and counts it.
func (s *service) serve() (code int, took time.Duration) {
	begin := time.Now()
	time.Sleep(s.delay())
	code = http.StatusOK
	if s.chance() < s.errorRate() {
		code = http.StatusInternalServerError
	}
	took = time.Since(begin)
	s.stats.add(code, took)
	return code, took
}

// errorRate is the share of requests that fail now.
func (s *service) errorRate() float64 {
	failing := time.Since(s.start) - s.cfg.errorAfter
	switch {
	case failing < 0:
		return 0
	case failing < s.cfg.errorOver:
		return s.cfg.errorRate * failing.Seconds() / s.cfg.errorOver.Seconds()
	}
	return s.cfg.errorRate
}

// delay is half the configured latency plus an exponential share with the other half as its mean: a distribution with
// a tail, so that quantiles differ as they do in life.
func (s *service) delay() time.Duration {
	mean := usualLatency
	if s.since(s.cfg.latencyAfter) {
		mean = s.cfg.latency
	}
	return mean/2 + time.Duration(rand.ExpFloat64()*float64(mean/2))
}

func (s *service) health(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(s.cfg.healthLatency)
	if s.cfg.unhealthy != "" && s.since(s.cfg.unhealthyAfter) {
		http.Error(w, s.cfg.unhealthy, http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ok\n")
}

func (s *service) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	s.stats.write(w)
	fmt.Fprintf(w, "# TYPE app_info gauge\napp_info{version=%q} 1\n", s.cfg.version)
	fmt.Fprintf(w, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %.3f\n", float64(s.start.UnixMilli())/1000)
}

func (s *service) since(after time.Duration) bool { return time.Since(s.start) >= after }

// driveTraffic makes requests at random moments, SELF_TRAFFIC a second on average. It calls serve directly: the counters
// move as they would for a client, at a fraction of what HTTP over the loopback interface costs in forty pods.
func (s *service) driveTraffic() {
	if s.cfg.selfTraffic == 0 {
		return
	}
	for {
		time.Sleep(time.Duration(rand.ExpFloat64() / s.cfg.selfTraffic * float64(time.Second)))
		go func() {
			if code, took := s.serve(); code != http.StatusOK && s.cfg.logRequests {
				log.Printf("GET / answered %d after %s", code, took.Round(time.Millisecond))
			}
		}()
	}
}
