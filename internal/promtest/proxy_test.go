package promtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// fakeServer answers like Prometheus, for tests that are about the proxy alone.
func fakeServer(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"`+r.FormValue("query")+`"]}}`)
	}))
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, address string) int {
	t.Helper()
	answer, err := http.Get(address + "/api/v1/query?query=7")
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func TestWhen(t *testing.T) {
	t.Parallel()
	p := NewFaultProxy(t, fakeServer(t).URL)
	expect := func(what string, want ...int) {
		t.Helper()
		for i, status := range want {
			if got := get(t, p.URL); got != status {
				t.Errorf("%s, query %d: got %d, want %d", what, i+1, got, status)
			}
		}
	}
	expect("no fault", 200, 200)
	p.Set(Named("502"), For(2))
	expect("For(2)", 502, 502, 200)
	if p.Hits() != 2 {
		t.Errorf("%d hits, want 2", p.Hits())
	}
	p.Set(Named("500"), Forever)
	expect("Forever", 500, 500, 500, 500)
	p.Clear()
	expect("Clear", 200)
	p.Set(Named("refuse"), For(1))
	expect("refuse", 0, 200)
	p.Set(Named("401 then ok"), Forever)
	expect("401 then ok", 401, 200, 200)
	p.Set(Named("DNS failure"), Forever)
	expect("a fault that is elsewhere", 200)
	p.Set(Respond("mine", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) }), Forever)
	expect("a fault of the test", 418)

	p.Set(Named("504"), Burst(time.Second, 2*time.Second))
	begin := time.Now()
	expect("before the burst", 200)
	time.Sleep(time.Until(begin.Add(1500 * time.Millisecond)))
	expect("in the burst", 504)
	time.Sleep(time.Until(begin.Add(2100 * time.Millisecond)))
	expect("after the burst", 200)
}

func TestQueries(t *testing.T) {
	t.Parallel()
	p := NewFaultProxy(t, fakeServer(t).URL)
	p.Set(Named("500"), For(1))
	for _, ask := range []func() (*http.Response, error){
		func() (*http.Response, error) { return http.Get(p.URL + "/api/v1/query?query=1&time=5&dedup=false") },
		func() (*http.Response, error) { return http.Get(p.URL + "/-/ready") },
		func() (*http.Response, error) {
			return http.PostForm(p.URL+"/api/v1/query_range?dedup=false", url.Values{"query": {"2"}, "start": {"3"}})
		},
	} {
		answer, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	queries := p.Queries()
	if len(queries) != 2 {
		t.Fatalf("got %+v", queries)
	}
	if q := queries[0]; q.Method != "GET" || q.PromQL != "1" || q.Time != "5" || q.Fault != "500" || q.Path != "/api/v1/query" {
		t.Errorf("got %+v", q)
	}
	if q := queries[1]; q.Method != "POST" || q.PromQL != "2" || q.Time != "" || q.Fault != "" || q.Form.Get("start") != "3" || q.Form.Get("dedup") != "false" {
		t.Errorf("got %+v", q)
	}
}

// Without a fault, what the server says arrives as it was said.
func TestPassThrough(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", r.Method+" "+r.URL.Path+" "+r.FormValue("query")+" "+r.Header.Get("X-Scope-OrgID"))
		w.WriteHeader(422)
		_, _ = io.WriteString(w, "<many-to-many>")
	}))
	p := NewFaultProxy(t, server.URL+"/prefix/")
	request, err := http.NewRequest(http.MethodPost, p.URL+"/api/v1/query", strings.NewReader("query=up"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("X-Scope-OrgID", "us")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if seen := answer.Header.Get("X-Seen"); answer.StatusCode != 422 || string(body) != "<many-to-many>" || seen != "POST /prefix/api/v1/query up us" {
		t.Errorf("got %s, %q, server saw %q", answer.Status, body, seen)
	}
	server.Close()
	if status := get(t, p.URL); status != 502 {
		t.Errorf("the server is gone: got %d", status)
	}
}
