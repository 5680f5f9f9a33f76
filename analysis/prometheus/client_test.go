package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

const one = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"a"},"value":[1700000000,"1"]}]}}`

// serve starts a server and a client for it, and closes both.
func serve(t *testing.T, timeout time.Duration, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := New(Config{URL: server.URL, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// text answers every request alike, and asks not to be tried again.
func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func ask(c *Client) (analysis.Answer, error) {
	return c.Query(context.Background(), "up", time.Time{})
}

func TestAnswers(t *testing.T) {
	vector := `{"status":"success","data":{"resultType":"vector","result":[%s]}%s}`
	for name, tt := range map[string]struct{ body, want string }{
		"one":       {one, `vector [{map[job:a] 1 2023-11-14 22:13:20 +0000 UTC [] false}] [] []`},
		"empty":     {fmt.Sprintf(vector, "", ""), `vector [] [] []`},
		"NaN":       {fmt.Sprintf(vector, `{"metric":{},"value":[1,"NaN"]}`, ""), `vector [{map[] NaN 1970-01-01 00:00:01 +0000 UTC [] false}] [] []`},
		"+Inf":      {fmt.Sprintf(vector, `{"metric":{},"value":[1,"+Inf"]}`, ""), `vector [{map[] +Inf 1970-01-01 00:00:01 +0000 UTC [] false}] [] []`},
		"two":       {fmt.Sprintf(vector, `{"metric":{"a":"1"},"value":[1,"2"]},{"metric":{"a":"2"},"value":[1,"3"]}`, ""), `vector [{map[a:1] 2 1970-01-01 00:00:01 +0000 UTC [] false} {map[a:2] 3 1970-01-01 00:00:01 +0000 UTC [] false}] [] []`},
		"scalar":    {`{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}`, `scalar [{map[] 7 0001-01-01 00:00:00 +0000 UTC [] false}] [] []`},
		"matrix":    {`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"7"]]}]}}`, `matrix [] [] []`},
		"warnings":  {fmt.Sprintf(vector, "", `,"warnings":["store\nlost"],"infos":["hm"]`), `vector [] [store lost] [hm]`},
		"old infos": {fmt.Sprintf(vector, "", `,"warnings":["PromQL info: hm"]`), `vector [] [] [PromQL info: hm]`},
		"histogram": {
			fmt.Sprintf(vector, `{"metric":{},"histogram":[1,{"count":"3","sum":"4","buckets":[[0,"1","2","3"]]}]}`, ""),
			`vector [{map[] 0 1970-01-01 00:00:01 +0000 UTC [] true}] [] []`,
		},
	} {
		a, err := ask(serve(t, 0, text(200, tt.body)))
		if got := fmt.Sprintf("%s %v %v %v", a.Kind, a.Samples, a.Warnings, a.Infos); err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	failure := func(kind, words string) string {
		data, _ := json.Marshal(map[string]string{"status": "error", "errorType": kind, "error": words})
		return string(data)
	}
	for name, tt := range map[string]struct {
		status int
		body   string
		kind   analysis.ErrorKind
		want   string
	}{
		"bad query":          {400, failure("bad_data", "1:4: parse error: unexpected end"), analysis.Rejected, "1:4: parse error: unexpected end"},
		"many to many":       {422, failure("execution", "found duplicate series"), analysis.Rejected, "found duplicate series"},
		"VictoriaMetrics":    {422, failure("422", "error when executing query: duplicate time series"), analysis.Rejected, "duplicate time series"},
		"its deadline":       {422, failure("422", "timeout exceeded during query execution: 30 seconds"), analysis.Unreachable, "timeout exceeded"},
		"its limit":          {429, "too many concurrent queries", analysis.Unreachable, "429 Too Many Requests: too many"},
		"a store is away":    {422, failure("execution", "fetch series: rpc error: code = Unavailable desc = transport is closing"), analysis.Unreachable, "code = Unavailable"},
		"no tenant":          {401, "no org id", analysis.Unauthorized, "401 Unauthorized: no org id"},
		"storage deadline":   {422, failure("execution", "expanding series: context deadline exceeded"), analysis.Unreachable, "expanding series"},
		"other server's 422": {422, failure("422", "unknown function"), analysis.Rejected, "unknown function"},
		"error in 200":       {200, failure("bad_data", "odd"), analysis.Rejected, "odd"},
		"400 without JSON":   {400, "plain HTTP was sent to an HTTPS port", analysis.Unreadable, "400 Bad Request: plain HTTP was sent"},
		"query timeout":      {503, failure("timeout", "query timed out in expression evaluation"), analysis.Unreachable, "503 Service Unavailable: query timed out in expression"},
		"bad gateway":        {502, "<html>bad</html>", analysis.Unreachable, "502 Bad Gateway"},
		"too many requests":  {429, "slow down", analysis.Unreachable, "429 Too Many Requests: slow down"},
		"unauthorized":       {401, "no token\n", analysis.Unauthorized, "401 Unauthorized: no token\n  hint: the server wants credentials"},
		"forbidden":          {403, "<html>", analysis.Unauthorized, "403 Forbidden\n  hint: "},
		"not found":          {404, "404 page not found", analysis.Unreadable, "404 Not Found: 404 page not found\n  hint: check that the URL"},
		"not implemented":    {501, "", analysis.Unreadable, "501"},
		"web page":           {200, "<!doctype html><title>Log in</title>", analysis.Unreadable, "the answer is a web page\n  hint: a login page"},
		"no content":         {204, "", analysis.Unreadable, "hint: check that the URL"},
		"empty":              {200, "", analysis.Unreadable, "unexpected end of JSON input"},
		"cut":                {200, one[:60], analysis.Unreadable, "unexpected end of JSON input"},
		"other JSON":         {200, `{"hello":"world"}`, analysis.Unreadable, "the answer has no result"},
		"string result":      {200, `{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`, analysis.Unreadable, "string"},
		"endless words":      {404, strings.Repeat("x", 5000), analysis.Unreadable, "x..."},
		"control characters": {404, "a\x1b[31m b", analysis.Unreadable, "a [31m b"},
	} {
		_, err := ask(serve(t, 3*time.Second, text(tt.status, tt.body)))
		var q *analysis.QueryError
		if !errors.As(err, &q) || q.Kind != tt.kind || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s: %s", name, err, tt.kind, tt.want)
			continue
		}
		if !strings.HasPrefix(err.Error(), "querying Prometheus at http://127.0.0.1:") || len(err.Error()) > 700 || strings.Contains(q.Text, "\n") {
			t.Errorf("%s: error %q", name, err)
		}
	}
}

func TestRequest(t *testing.T) {
	var got *http.Request
	var form string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		got, form = r, r.Form.Encode()
		io.WriteString(w, one)
	}))
	defer server.Close()
	for _, tt := range []struct {
		config Config
		path   string
		header string // name=value
		form   string
	}{
		{Config{}, "/api/v1/query", "User-Agent=rolloutgate", "latency_offset=1ms&partial_response=false&partial_response=false&query=vector%281%29&timeout=10s"},
		{Config{URL: "/prefix/?dedup=true", AllowPartial: true}, "/prefix/api/v1/query", "Authorization=", "dedup=true&dedup=true&latency_offset=1ms&latency_offset=1ms&query=vector%281%29&timeout=10s"},
		{Config{URL: "/?latency_offset=5s"}, "/api/v1/query", "Authorization=", "latency_offset=5s&latency_offset=5s&partial_response=false"},
		{Config{Timeout: 1999 * time.Millisecond}, "/api/v1/query", "User-Agent=rolloutgate", "timeout=2s"}, // "1.999s" is refused
		{Config{Headers: http.Header{"X-Scope-OrgID": {"shop"}}}, "/api/v1/query", "X-Scope-Orgid=shop", "timeout=10s"},
		{Config{URL: "user:password@"}, "/api/v1/query", "Authorization=Basic dXNlcjpwYXNzd29yZA==", ""},
	} {
		if userinfo, ok := strings.CutSuffix(tt.config.URL, "@"); ok {
			tt.config.URL = strings.Replace(server.URL, "://", "://"+userinfo+"@", 1)
		} else {
			tt.config.URL = server.URL + tt.config.URL
		}
		client, err := New(tt.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Ping(context.Background()); err != nil {
			t.Error(err)
		}
		name, value, _ := strings.Cut(tt.header, "=")
		if got.Method != "POST" || got.URL.Path != tt.path || got.Header.Get(name) != value || !strings.Contains(form, tt.form) {
			t.Errorf("%s: got %s %s %s, header %q", tt.config.URL, got.Method, got.URL.Path, form, got.Header.Get(name))
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, address := range []string{"", "prometheus:9090", "prometheus", "ftp://p", "http://", "http://:9090", "http://u:sesame@h:x", "http://h/%zz?sesame"} {
		_, err := New(Config{URL: address})
		if err == nil || !strings.Contains(err.Error(), "\n  hint: ") || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: got %v", address, err)
		}
	}
}

func TestPingWantsPrometheus(t *testing.T) {
	if err := serve(t, 0, text(200, one)).Ping(context.Background()); err != nil {
		t.Error(err)
	}
	two := strings.Replace(one, `"1"]`, `"2"]`, 1)
	if err := serve(t, 0, text(200, two)).Ping(context.Background()); err == nil {
		t.Error("a server for which vector(1) is 2 counts as Prometheus")
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	c := serve(t, 20*time.Second, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), "query=up") {
			t.Errorf("try %d has the body %q", tries.Load(), body)
		}
		switch tries.Add(1) {
		case 1:
			w.WriteHeader(503)
		case 2:
			w.WriteHeader(429)
		case 3:
			panic(http.ErrAbortHandler) // closes the connection
		default:
			io.WriteString(w, one)
		}
	})
	if a, err := ask(c); err != nil || len(a.Samples) != 1 || tries.Load() != 4 {
		t.Errorf("got %+v, %v after %d tries", a, err, tries.Load())
	}
}

// What will not change is not asked twice, and neither is a server that
// wants to be left alone for longer than the query has.
func TestDoesNotRetry(t *testing.T) {
	for _, status := range []int{400, 401, 404, 422, 503} {
		var tries atomic.Int32
		c := serve(t, 5*time.Second, func(w http.ResponseWriter, _ *http.Request) {
			tries.Add(1)
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(status)
		})
		begin := time.Now()
		if _, err := ask(c); err == nil || tries.Load() != 1 || time.Since(begin) > 3*time.Second {
			t.Errorf("%d: %v after %d tries and %s", status, err, tries.Load(), time.Since(begin))
		}
	}
}
