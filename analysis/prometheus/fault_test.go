package prometheus

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// wants checks the kind and the words of an error.
func wants(t *testing.T, err error, kind analysis.ErrorKind, words string) {
	t.Helper()
	var q *analysis.QueryError
	if !errors.As(err, &q) || q.Kind != kind || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want %s: %s", err, kind, words)
	}
}

func TestHang(t *testing.T) {
	c := serve(t, 100*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else the server does not notice that the client left
		<-r.Context().Done()
	})
	begin := time.Now()
	_, err := ask(c)
	wants(t, err, analysis.Unreachable, "no answer within 100ms")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 3*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Query(ctx, "up", time.Time{})
	wants(t, err, analysis.Unreachable, "no answer within ")
	if strings.Contains(err.Error(), "100ms") {
		t.Errorf("got %v, but the caller's deadline was shorter", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := c.Query(ctx, "up", time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What a failed try said outlives the deadline of the next one.
func TestHangAfterFailure(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	c := serve(t, time.Second, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if tries.Add(1) == 1 {
			w.WriteHeader(502)
			return
		}
		<-r.Context().Done()
	})
	_, err := ask(c)
	wants(t, err, analysis.Unreachable, "no answer within 1s; before that: 502 Bad Gateway")
}

// A body that drips is bounded by the same deadline as a silent server.
func TestDrip(t *testing.T) {
	c := serve(t, 100*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	_, err := ask(c)
	wants(t, err, analysis.Unreachable, "no answer within 100ms")
}

func TestHugeBody(t *testing.T) {
	c := serve(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		blanks := strings.Repeat(" ", 1<<20)
		for range 40 {
			io.WriteString(w, blanks)
		}
		io.WriteString(w, one)
	})
	_, err := ask(c)
	wants(t, err, analysis.Unreadable, "larger than 32 MiB\n  hint: aggregate")
}

func TestResetInBody(t *testing.T) {
	c := serve(t, time.Second, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, one[:50])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err := ask(c)
	wants(t, err, analysis.Unreachable, "unexpected EOF")
}

func TestRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c, err := New(Config{URL: "http://user:sesame-street@" + address + "/?token=open-sesame", Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ask(c)
	wants(t, err, analysis.Unreachable, "connection refused")
	if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "query=") {
		t.Errorf("error %q tells too much", err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(text(200, one))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would print the handshake that is meant to fail
	server.StartTLS()
	defer server.Close()
	c, _ := New(Config{URL: server.URL})
	_, err := ask(c)
	wants(t, err, analysis.Unreachable, "SSL_CERT_FILE")

	c, _ = New(Config{URL: server.URL, Transport: server.Client().Transport})
	if _, err := ask(c); err != nil {
		t.Error(err)
	}
	plain := httptest.NewServer(text(200, one))
	defer plain.Close()
	c, _ = New(Config{URL: strings.Replace(plain.URL, "http:", "https:", 1)})
	_, err = ask(c)
	wants(t, err, analysis.Unreachable, "hint: write the URL with http://")
}

func TestRedirects(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(true)
		io.WriteString(w, one)
	}))
	defer other.Close()
	for name, tt := range map[string]struct {
		status   int
		location string
		want     string // "" follows
	}{
		"same host, same method": {308, "/moved/api/v1/query?token=sesame", ""},
		"same host, loses POST":  {302, "/moved/api/v1/query?token=sesame", "/moved/api/v1/query, which drops the query\n  hint: set the URL"},
		"other host":             {307, other.URL + "/api/v1/query?token=sesame", "which is another host"},
		"other host, loses POST": {301, other.URL + "/login", other.URL + "/login, which is another host"},
		"loop":                   {307, "/again", "after four other redirects"},
	} {
		c := serve(t, 5*time.Second, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/moved") && r.Method == http.MethodPost {
				io.WriteString(w, one)
				return
			}
			http.Redirect(w, r, tt.location, tt.status)
		})
		_, err := ask(c)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wants(t, err, analysis.Unreadable, tt.want)
		if strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: error %q tells too much", name, err)
		}
	}
	if leaked.Load() {
		t.Error("a redirect led to another host")
	}
}

// Servers that repeat what they were sent do not reach the log with it.
func TestSecretsAreRedacted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(401)
		io.WriteString(w, "bad credentials "+r.Header.Get("Authorization")+" for "+r.Header.Get("X-Api-Key")+" "+r.URL.RawQuery)
	}))
	defer server.Close()
	for _, config := range []Config{
		{URL: server.URL, Headers: http.Header{"Authorization": {"Bearer open-sesame"}, "X-Api-Key": {"sesame-key"}}},
		{URL: strings.Replace(server.URL, "://", "://ali:open-sesame@", 1) + "?token=sesame-seed"},
	} {
		c, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ask(c)
		wants(t, err, analysis.Unauthorized, "bad credentials (redacted) for")
		if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "YWxp") {
			t.Errorf("error %q tells too much", err)
		}
	}
}

// Some proxies forbid POST alone; client_golang then asks with GET.
func TestPostForbidden(t *testing.T) {
	c := serve(t, 0, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(403)
			return
		}
		if r.FormValue("query") != "up" || r.FormValue("partial_response") != "false" {
			t.Errorf("asked %s", r.URL)
		}
		io.WriteString(w, one)
	})
	if _, err := ask(c); err != nil {
		t.Error(err)
	}
}
