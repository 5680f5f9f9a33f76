package traffic

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func annotated(pairs ...string) Profile {
	annotations := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		annotations[prefix+pairs[i]] = pairs[i+1]
	}
	return profile(annotations)
}

func TestRequests(t *testing.T) {
	for _, test := range []struct {
		name      string
		profile   Profile
		good, bad float64 // after 100 seconds
	}{
		{"nothing asked for", annotated(), 1000, 0},
		{"nonsense asked for", annotated("requests-per-second", "many", "error-rate", "-1"), 1000, 0},
		{"rate", annotated("requests-per-second", "50"), 5000, 0},
		{"errors", annotated("error-rate", "0.4"), 600, 400},
		{"more errors than requests", annotated("error-rate", "7"), 0, 1000},
		{"errors later", annotated("error-rate", "0.5", "error-after", "80s"), 900, 100},
		{"errors much later", annotated("error-rate", "0.5", "error-after", "1h"), 1000, 0},
	} {
		good, bad := test.profile.Good(100*time.Second), test.profile.Bad(100*time.Second)
		if good != test.good || bad != test.bad {
			t.Errorf("%s: got %v good and %v bad, want %v and %v", test.name, good, bad, test.good, test.bad)
		}
	}
}

func TestCountersNeverFall(t *testing.T) {
	p := annotated("error-rate", "0.9", "requests-per-second", "977", "error-after", "3s")
	var good, bad float64
	for served := time.Duration(0); served < 10*time.Second; served += 777 * time.Microsecond {
		g, b := p.Good(served), p.Bad(served)
		if g < good || b < bad || g != math.Trunc(g) || b != math.Trunc(b) {
			t.Fatalf("after %v: %v and %v follow %v and %v", served, g, b, good, bad)
		}
		good, bad = g, b
	}
}

func TestWithin(t *testing.T) {
	for _, test := range []struct {
		latency string
		want    map[float64]float64
	}{
		{"20", map[float64]float64{.01: 0, .025: .75, .05: 1}},
		{"300", map[float64]float64{.1: 0, .25: .3333, .5: 1}},
		{"0", map[float64]float64{.005: 1}},
	} {
		for bound, want := range test.want {
			if got := annotated("latency-ms", test.latency).within(bound); math.Abs(got-want) > .001 {
				t.Errorf("latency %s ms: within %v s: got %v, want %v", test.latency, bound, got, want)
			}
		}
	}
}

func TestServed(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	var c Counters
	if got := c.Served(at(5)); got != 0 {
		t.Errorf("never ready: %v", got)
	}
	c.Ready(true, at(10))
	c.Ready(true, at(15)) // an update without a change
	if got := c.Served(at(20)); got != 10*time.Second {
		t.Errorf("ready for ten seconds: %v", got)
	}
	c.Ready(false, at(20))
	c.Ready(true, at(50))
	if got := c.Served(at(51)); got != 11*time.Second {
		t.Errorf("after a pause: %v", got)
	}
}

func examplePod(restarts int, ready string) pod {
	var p pod
	text := `{"metadata":{"name":"web-1","namespace":"shop","uid":"u1","labels":{"app":"web","pod-template-hash":"abc"},
		"annotations":{"sandbox.rolloutgate.dev/error-rate":"0.5"}},
		"spec":{"nodeName":"sim-1"},"status":{"podIP":"10.0.0.9","phase":"Running","conditions":[{"type":"Ready","status":"` + ready + `"}],
		"containerStatuses":[{"restartCount":0}]}}`
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		panic(err)
	}
	p.Status.ContainerStatuses[0].RestartCount = restarts
	return p
}

func TestMetrics(t *testing.T) {
	start := time.Unix(1000, 0)
	var s sources
	s.set(examplePod(0, "True"), start)
	scrape := func(node string, after time.Duration) string {
		var out bytes.Buffer
		s.write(&out, node, start.Add(after))
		return out.String()
	}
	text := scrape("sim-1", 10*time.Second)
	labels := `app="web",instance="10.0.0.9:8080",job="web",namespace="shop",node="sim-1",pod="web-1",pod_template_hash="abc",service="web"`
	for _, want := range []string{
		`http_requests_total{` + labels + `,code="200"} 50`,
		`http_requests_total{` + labels + `,code="500"} 50`,
		`http_request_duration_seconds_bucket{` + labels + `,le="0.025"} 75`,
		`http_request_duration_seconds_bucket{` + labels + `,le="+Inf"} 100`,
		`http_request_duration_seconds_sum{` + labels + `} 2`,
		`http_request_duration_seconds_count{` + labels + `} 100`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("lacks %s\n%s", want, text)
		}
	}
	if other := scrape("sim-2", 0); strings.Contains(other, "web-1") {
		t.Errorf("another node has the pod, too:\n%s", other)
	}
	s.set(examplePod(1, "True"), start.Add(20*time.Second)) // a new process counts from zero
	if text := scrape("sim-1", 21*time.Second); !strings.Contains(text, `_count{`+labels+`} 10`+"\n") {
		t.Errorf("after a restart:\n%s", text)
	}
	s.remove(examplePod(1, "True"))
	if text := scrape("sim-1", 0); strings.Contains(text, "web-1") {
		t.Errorf("after its end:\n%s", text)
	}
}

func TestWatch(t *testing.T) {
	one, _ := json.Marshal(map[string]any{"metadata": map[string]any{"uid": "a", "name": "a"}, "spec": map[string]any{"nodeName": "n"},
		"status": map[string]any{"phase": "Running", "podIP": "10.0.0.1"}})
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			_, _ = w.Write([]byte(`{"metadata":{"resourceVersion":"7"},"items":[]}`))
			return
		}
		_, _ = w.Write([]byte(`{"type":"ADDED","object":` + string(one) + `}` + "\n"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(api.Close) // after t.Context ends, which ends the watch
	server := &Server{API: api.URL, Client: api.Client()}
	go server.Watch(t.Context())
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, httptest.NewRequest("GET", "/nodes/n/metrics", nil))
		if strings.Contains(answer.Body.String(), `pod="a"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pod does not appear:\n%s", answer.Body)
		}
	}
}
