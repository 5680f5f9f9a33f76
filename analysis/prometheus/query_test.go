package prometheus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

var hour = analysis.Range{Start: time.Unix(1700000000, 500e6), End: time.Unix(1700003600, 0), Step: 90 * time.Second}

func TestQueryRange(t *testing.T) {
	matrix := `{"status":"success","data":{"resultType":"matrix","result":[%s]}%s}`
	for name, tt := range map[string]struct{ body, want string }{
		"empty":    {fmt.Sprintf(matrix, "", ""), `matrix [] [] []`},
		"two":      {fmt.Sprintf(matrix, `{"metric":{"a":"1"},"values":[[10,"1"],[20.5,"NaN"]]},{"metric":{"a":"2"},"values":[[10,"+Inf"]]}`, ""), `matrix [map[a:1] 10.000=1 20.500=NaN false map[a:2] 10.000=+Inf false] [] []`},
		"warnings": {fmt.Sprintf(matrix, "", `,"warnings":["store lost"],"infos":["hm"]`), `matrix [] [store lost] [hm]`},
		"histogram": {
			fmt.Sprintf(matrix, `{"metric":{},"histograms":[[10,{"count":"3","sum":"4","buckets":[[0,"1","2","3"]]}]]}`, ""),
			`matrix [map[] true] [] []`,
		},
		"both": {
			fmt.Sprintf(matrix, `{"metric":{},"values":[[20,"1"]],"histograms":[[10,{"count":"3","sum":"4"}]]}`, ""),
			`matrix [map[] 20.000=1 true] [] []`,
		},
	} {
		a, err := serve(t, 0, text(200, tt.body)).QueryRange(t.Context(), "up", hour)
		var samples []string
		for _, s := range a.Samples {
			line := fmt.Sprint(s.Labels)
			for _, m := range s.Moments {
				line += fmt.Sprintf(" %d.%03d=%v", m.Time.Unix(), m.Time.UnixMilli()%1000, float64(m.Value))
			}
			samples = append(samples, fmt.Sprint(line, " ", s.Histogram))
			if s.Value != 0 {
				t.Errorf("%s: value %v", name, s.Value)
			}
		}
		if got := fmt.Sprintf("%s %v %v %v", a.Kind, samples, a.Warnings, a.Infos); err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, tt.want)
		}
	}
}

func TestQueryRangeRequest(t *testing.T) {
	var got string
	c := serve(t, 0, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		got = r.URL.Path + "?" + r.Form.Encode()
		io.WriteString(w, `{"status":"success","data":{"resultType":"matrix","result":[]}}`)
	})
	if _, err := c.QueryRange(t.Context(), "up", hour); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/api/v1/query_range?", "start=1700000000.5&", "end=1700003600&", "step=90&", "timeout=10s", "partial_response=false", "query=up"} {
		if !strings.Contains(got, want) {
			t.Errorf("asked %s, which lacks %s", got, want)
		}
	}
}

// Errors of range queries are those of instant queries.
func TestQueryRangeErrors(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		kind   analysis.ErrorKind
		want   string
	}{
		{400, `{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries"}`, analysis.Rejected, "maximum resolution"},
		{503, `{"status":"error","errorType":"timeout","error":"query timed out"}`, analysis.Unreachable, "query timed out"},
		{401, "no", analysis.Unauthorized, "401 Unauthorized"},
		{200, "<html>", analysis.Unreadable, "web page"},
		{200, one, analysis.Unreadable, "the answer to a range query is a vector"},
	} {
		_, err := serve(t, 2*time.Second, text(tt.status, tt.body)).QueryRange(t.Context(), "up", hour)
		wants(t, err, tt.kind, tt.want)
	}
	c := serve(t, 100*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	_, err := c.QueryRange(t.Context(), "up", hour)
	wants(t, err, analysis.Unreachable, "no answer within 100ms")
}

func TestBackend(t *testing.T) {
	info := func(data string) string { return `{"status":"success","data":{` + data + `}}` }
	for name, tt := range map[string]struct {
		status     int
		host, body string
		want       string
	}{
		"Prometheus":      {200, "", info(`"version":"2.42.0","revision":"225c61122d88b01d1f0eaaee0e05b6f3e0567ac0"`), "Prometheus 2.42.0"},
		"Thanos":          {200, "", info(`"version":"0.36.1","revision":"0123"`), "Thanos 0.36.1"},
		"Mimir":           {200, "", info(`"application":"Grafana Mimir","version":"2.13.0","revision":"0123","features":{}`), "Mimir 2.13.0"},
		"Mimir, unnamed":  {200, "", info(`"application":"Grafana Mimir"`), "Mimir"},
		"VictoriaMetrics": {200, "vm-0", info(`"version":"2.24.0"`), "VictoriaMetrics"},
		"odd version":     {200, "", info(`"version":"<script> secret"`), ""},
		"not there":       {404, "", "404 page not found", ""},
		"web page":        {200, "", "<html>", ""},
	} {
		c := serve(t, time.Second, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/v1/status/buildinfo" {
				t.Errorf("asked %s", r.URL)
			}
			if tt.host != "" {
				w.Header().Set("X-Server-Hostname", tt.host)
			}
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		if got := c.Backend(t.Context()); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	hanging := serve(t, 100*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if got := hanging.Backend(t.Context()); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestNoLeak: cancelled queries leave neither goroutines nor connections.
func TestNoLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	closed := make(chan struct{})
	c := serve(t, 0, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.FormValue("query") == "body" {
			io.WriteString(w, `{"status":`)
			w.(http.Flusher).Flush()
		}
		select {
		case <-r.Context().Done():
		case <-closed:
		}
	})
	serving := runtime.NumGoroutine() - before
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i)*time.Millisecond)
		c.Query(ctx, []string{"head", "body"}[i%2], time.Time{})
		c.QueryRange(ctx, "head", hour)
		cancel()
	}
	close(closed)
	c.Close()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if n := runtime.NumGoroutine(); n <= before+serving {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}
