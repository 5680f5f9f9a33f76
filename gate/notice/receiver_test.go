package notice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// request is what a receiver got.
type request struct {
	path   string
	header http.Header
	body   []byte
}

// server is a real receiver on this machine, which answers each request in its way.
type server struct {
	*httptest.Server
	mu  sync.Mutex
	got []request
}

func newServer(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got = append(s.got, request{r.URL.Path, r.Header, body})
		n := len(s.got)
		s.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *server) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.got...)
}

func ok(int, http.ResponseWriter, *http.Request) {}

// within is a context as the sinks get it.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, errors.New("it took too long"))
	t.Cleanup(cancel)
	return ctx
}

const secretPath = "/services/T0SECRET/B0SECRET/sesameopenplease"

// one is the receiver of one kind that has only an address.
func one(t *testing.T, kind, url string) Receiver {
	t.Helper()
	return receivers(t, "notify:\n- "+kind+": {urlEnv: URL}", map[string]string{"URL": url})[0]
}

// TestReceivers: what kinds of receivers do, and what comes of it.
func TestReceivers(t *testing.T) {
	elsewhere := newServer(t, ok)
	hang := func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	redirect := func(code int, to string) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/moved" {
				return
			}
			w.Header().Set("Location", to)
			w.WriteHeader(code)
		}
	}
	for name, test := range map[string]struct {
		answer   func(n int, w http.ResponseWriter, r *http.Request)
		limit    time.Duration
		requests int
		err      string // empty: sent
		outcome  gate.Outcome
	}{
		"takes it":      {answer: ok, requests: 1},
		"202, as Teams": {answer: func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, requests: 1},
		"429, then 500, then takes it": {answer: func(n int, w http.ResponseWriter, _ *http.Request) {
			switch n {
			case 1:
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(429)
			case 2:
				w.WriteHeader(500)
			}
		}, requests: 3},
		"closes the connection once": {answer: func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
		}, requests: 2},
		"wants an hour": {answer: func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
			fmt.Fprint(w, "rate_limited")
		}, requests: 1, err: "429 Too Many Requests: rate_limited", outcome: gate.Retry},
		"refuses and repeats what it was sent": {answer: func(_ int, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			fmt.Fprintf(w, "no_service at http://%s%s\n\x1b[31m::error::%s", r.Host, r.URL.Path, strings.Split(r.URL.Path, "/")[4])
		}, requests: 1, err: "404 Not Found: no_service at (redacted) ::error::(redacted)", outcome: gate.Invalid},
		"hangs":            {answer: hang, limit: 300 * time.Millisecond, requests: 1, err: "it took too long", outcome: gate.Retry},
		"answers 10 MB":    {answer: tenMegabytes(200), requests: 1},
		"refuses in 10 MB": {answer: tenMegabytes(400), requests: 1, err: "400 Bad Request: xxxx", outcome: gate.Invalid},
		"refuses without end": {answer: func(_ int, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(403)
			fmt.Fprint(w, "begins")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, limit: 300 * time.Millisecond, requests: 1, err: "403 Forbidden: begins", outcome: gate.Retry},
		"hangs after a 500": {answer: func(n int, w http.ResponseWriter, r *http.Request) {
			if n > 1 {
				hang(n, w, r)
			}
			w.WriteHeader(500)
		}, limit: 3 * time.Second, requests: 2, err: "it took too long; the try before: 500 Internal Server Error", outcome: gate.Retry},
		"redirects to another host":  {answer: redirect(307, elsewhere.URL), requests: 1, err: "redirected to another host", outcome: gate.Invalid},
		"redirects without the body": {answer: redirect(302, "/moved"), requests: 1, err: "drops the message", outcome: gate.Invalid},
		"redirects on its host":      {answer: redirect(308, "/moved"), requests: 2},
		"redirects for ever":         {answer: redirect(307, "/again"), requests: 5, err: "again and again", outcome: gate.Invalid},
	} {
		kinds := []string{"slack", "teams", "webhook"}
		if test.requests > 1 { // all of them try again in the same way, and it takes time
			kinds = kinds[2:]
		}
		for _, kind := range kinds {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newServer(t, test.answer)
				limit := 20 * time.Second
				if test.limit > 0 {
					limit = test.limit
				}
				err := one(t, kind, s.URL+secretPath).Send(within(t, limit), OfReport(reports(t)["failed-image"]))
				got := s.requests()
				if len(got) != test.requests {
					t.Errorf("%d requests, want %d", len(got), test.requests)
				}
				for _, r := range got {
					if !bytes.Equal(r.body, got[0].body) || !json.Valid(r.body) || r.header.Get("Content-Type") != "application/json" {
						t.Errorf("the body is %s", r.body)
					}
					if r.header.Get(HeaderDelivery) != got[0].header.Get(HeaderDelivery) || r.header.Get(HeaderTimestamp) != got[0].header.Get(HeaderTimestamp) {
						t.Errorf("another try has other headers: %v", r.header)
					}
				}
				if test.err == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if text := fmt.Sprint(err); !strings.Contains(text, test.err) || !strings.HasPrefix(text, "notify[0] ("+kind+"): ") || len(text) > 500 {
					t.Errorf("the error is %q, want %q", text, test.err)
				}
				if strings.Contains(fmt.Sprint(err), "SECRET") || strings.Contains(fmt.Sprint(err), "sesame") || strings.ContainsAny(fmt.Sprint(err), "\n\x1b") {
					t.Errorf("the error has the address: %v", err)
				}
				if o := gate.OutcomeOf(err); o != test.outcome {
					t.Errorf("the outcome is %s, want %s", o, test.outcome)
				}
			})
		}
	}
	t.Cleanup(func() {
		if n := len(elsewhere.requests()); n > 0 {
			t.Errorf("the other host got %d requests", n)
		}
	})
}

func tenMegabytes(code int) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		piece := bytes.Repeat([]byte("x"), 1<<20)
		for range 10 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
}

// TestNobodyListens: the error names the host, and neither path nor password.
func TestNobodyListens(t *testing.T) {
	err := one(t, "webhook", "http://ann:openpassword@localhost:"+strconv.Itoa(nobody(t))+secretPath+"?sig=sesamesignature").Send(within(t, 600*time.Millisecond), OfReport(reports(t)["passed"]))
	text := fmt.Sprint(err)
	if !strings.Contains(text, "connection refused") {
		t.Error(text)
	}
	for _, secret := range []string{"sesame", "SECRET", "openpassword"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q has %s", text, secret)
		}
	}
}

// TestCertificates: a server is verified, by the file where there is one.
func TestCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pemOf(s.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"URL": s.URL}
	m := OfReport(reports(t)["passed"])
	all := receivers(t, "notify:\n- webhook: {urlEnv: URL}\n- webhook: {urlEnv: URL, caFile: "+file+"}", env)
	if err := all[0].Send(within(t, 10*time.Second), m); !strings.Contains(fmt.Sprint(err), "certificate") || gate.OutcomeOf(err) != gate.Invalid {
		t.Errorf("without the file: %v", err)
	}
	if err := all[1].Send(within(t, 10*time.Second), m); err != nil {
		t.Error(err)
	}
}

// TestSignature has the signature verified by openssl, as the page tells the reader to.
func TestSignature(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	page, err := os.ReadFile("../../docs/notices.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(page), "```sh\n# verify")
	_, script, _ = strings.Cut(script, "\n")
	script, _, found := strings.Cut(script, "```")
	if !found {
		t.Fatal("docs/notices.md has no script that begins with '# verify'")
	}
	s := newServer(t, ok)
	all := receivers(t, "notify:\n- webhook: {urlEnv: URL, secretEnv: SECRET}", map[string]string{"URL": s.URL, "SECRET": "it's a $ecret\n"})
	for name, m := range messages(t) {
		if err := all[0].Send(within(t, 10*time.Second), m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	verify := func(r request, secret, timestamp, signature string) error {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "body"), r.body, 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("sh", "-eu", "-c", script)
		c.Dir, c.Env = dir, append(os.Environ(), "SECRET="+secret, "timestamp="+timestamp, "signature="+signature)
		out, err := c.CombinedOutput()
		if len(out) > 0 {
			t.Logf("%s", out)
		}
		return err
	}
	got := s.requests()
	for i, r := range got {
		timestamp, signature := r.header.Get(HeaderTimestamp), r.header.Get(HeaderSignature)
		if err := verify(r, "it's a $ecret", timestamp, signature); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	r := got[0]
	timestamp, signature := r.header.Get(HeaderTimestamp), r.header.Get(HeaderSignature)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	old := strconv.FormatInt(seconds-3600, 10)
	for what, refused := range map[string]error{
		"another secret":    verify(r, "another", timestamp, signature),
		"another timestamp": verify(r, "it's a $ecret", strconv.FormatInt(seconds-1, 10), signature),
		"another body":      verify(request{body: append(r.body, ' ')}, "it's a $ecret", timestamp, signature),
		"an hour ago":       verify(r, "it's a $ecret", old, "sha256="+sign("it's a $ecret", old, r.body)),
		"no signature":      verify(r, "it's a $ecret", timestamp, ""),
	} {
		if refused == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

// TestWebhookHeaders: they say what a receiver wants to know before it reads the body.
func TestWebhookHeaders(t *testing.T) {
	s := newServer(t, ok)
	m := OfReport(reports(t)["failed-image"])
	if err := one(t, "webhook", s.URL).Send(within(t, 10*time.Second), m); err != nil {
		t.Fatal(err)
	}
	h := s.requests()[0].header
	if h.Get(HeaderOccasions) != "failed,undone" || h.Get(HeaderDelivery) != m.Summary.ID || h.Get(HeaderSignature) != "" || h.Get("User-Agent") != "rolloutgate" {
		t.Error(h)
	}
}
