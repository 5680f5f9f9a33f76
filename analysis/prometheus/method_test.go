package prometheus

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// getClient is a client that prefers GET, and the methods its server saw.
func getClient(t *testing.T, handler http.HandlerFunc) (*Client, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method)
		mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := New(Config{URL: server.URL + "/?dedup=true", PreferGET: true, Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c, func() []string { mu.Lock(); defer mu.Unlock(); out := seen; seen = nil; return out }
}

func TestGETFirst(t *testing.T) {
	var form string
	c, seen := getClient(t, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		form = r.Form.Encode()
		io.WriteString(w, one)
	})
	if _, err := ask(c); err != nil {
		t.Fatal(err)
	}
	if got := seen(); !slices.Equal(got, []string{"GET"}) || form != "dedup=true&deny_partial_response=1&latency_offset=1ms&partial_response=false&query=up&timeout=3s" {
		t.Errorf("asked %v %s", got, form)
	}
	long := `up{a=~"` + strings.Repeat("x|", 4000) + `"}`
	if _, err := c.Query(t.Context(), long, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := seen(); !slices.Equal(got, []string{"POST"}) {
		t.Errorf("asked %v with a query of %d bytes", got, len(long))
	}
}

// A proxy that lets only POST through is asked twice once, and then no more.
func TestGETRefused(t *testing.T) {
	for _, status := range []int{403, 405, 501} {
		c, seen := getClient(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "GET" {
				w.WriteHeader(status)
				return
			}
			if r.FormValue("query") != "up" {
				t.Errorf("the POST has no query")
			}
			io.WriteString(w, one)
		})
		for range 2 {
			if _, err := ask(c); err != nil {
				t.Error(err)
			}
		}
		if got := seen(); !slices.Equal(got, []string{"GET", "POST", "POST"}) {
			t.Errorf("%d: asked %v", status, got)
		}
	}
}

// Where both are refused, each is tried once, and the error is what the GET was told.
func TestBothRefused(t *testing.T) {
	for status, kind := range map[int]analysis.ErrorKind{403: analysis.Unauthorized, 405: analysis.Unreadable, 501: analysis.Unreadable} {
		c, seen := getClient(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, "not with "+r.Method)
		})
		_, err := ask(c)
		wants(t, err, kind, "not with GET")
		if got := seen(); !slices.Equal(got, []string{"GET", "POST"}) {
			t.Errorf("%d: asked %v", status, got)
		}
	}
}

// Other answers to a GET are answers, and retried like any.
func TestGETAnswers(t *testing.T) {
	n := 0
	c, seen := getClient(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			w.WriteHeader(502)
			return
		}
		w.WriteHeader(401)
	})
	_, err := ask(c)
	wants(t, err, analysis.Unauthorized, "401")
	if got := seen(); !slices.Equal(got, []string{"GET", "GET"}) {
		t.Errorf("asked %v", got)
	}
}
