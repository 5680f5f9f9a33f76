package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// script is a program for a shell that is there on every system with these tests.
func script(t *testing.T, text string) *Bearer {
	return &Bearer{TokenCommand: []string{"sh", write(t, "token.sh", text), "sesame-argument"}}
}

func TestTokenCommandRunsOnce(t *testing.T) {
	log := write(t, "log", "")
	var refuse atomic.Bool
	var mu sync.Mutex
	tokens := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Authorization")
		if refuse.CompareAndSwap(true, false) {
			w.WriteHeader(401)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		tokens[token] = true
		if r.FormValue("query") != "up" {
			t.Error("the query is gone")
		}
		io.WriteString(w, one)
	}))
	defer server.Close()
	runs := func() int {
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "x")
	}
	bearer := script(t, "echo x >>"+log+"; echo sesame-$(wc -l <"+log+"| tr -d ' ')")
	for _, get := range []bool{false, true} {
		write(t, log, "")
		clear(tokens)
		c := connect(t, Settings{URL: server.URL, Bearer: bearer, PreferGET: get}, nil)
		if runs() != 0 {
			t.Error("the command ran before it was needed")
		}
		var asking sync.WaitGroup
		for range 4 {
			asking.Go(func() {
				if _, err := ask(c); err != nil {
					t.Error(err)
				}
			})
		}
		asking.Wait()
		if runs() != 1 {
			t.Errorf("the command ran %d times for four queries", runs())
		}
		refuse.Store(true)
		if _, err := ask(c); err != nil {
			t.Error(err)
		}
		if len(tokens) != 2 || !tokens["Bearer sesame-2"] || runs() != 2 {
			t.Errorf("after a 401: %d runs, tokens %v", runs(), tokens)
		}
	}
}

// A server that takes no token at all does not make the command run for ever.
func TestTokenCommandRefused(t *testing.T) {
	log := write(t, "log", "")
	server := guard(t, "Authorization", "nothing")
	c := connect(t, Settings{URL: server.URL, Bearer: script(t, "echo x >>"+log+"; echo sesame-token")}, nil)
	_, err := ask(c)
	wants(t, err, analysis.Unauthorized, "401 Unauthorized: not (redacted)")
	silent(t, err)
	if data, _ := os.ReadFile(log); strings.Count(string(data), "x") != 2 {
		t.Errorf("the command ran %d times", strings.Count(string(data), "x"))
	}
}

func TestTokenCommandFails(t *testing.T) {
	t.Parallel()
	server := guard(t, "Authorization", "nothing")
	for name, tt := range map[string]struct{ script, want string }{
		"exit code":    {"echo sesame-token; seq 1 5000 >&2; echo log in first: sesame-token >&2; exit 3", "exit status 3; its standard error ends with: "},
		"the end":      {"echo log in first >&2; exit 3", "running prometheus.bearer.tokenCommand (sh): exit status 3; its standard error ends with: log in first\n  hint: run it by hand"},
		"nothing":      {"exit 0", "it printed nothing\n"},
		"two":          {"echo sesame-token; echo sesame-other", "it printed something that is not one token"},
		"JSON":         {`echo '{"token": "sesame"}'`, "it printed something that is not one token"},
		"far too much": {"yes sesame | head -c 100000 | tr -d '\\n'", "it printed more than 64 KiB"},
	} {
		_, err := ask(connect(t, Settings{URL: server.URL, Bearer: script(t, tt.script)}, nil))
		wants(t, err, analysis.Unauthorized, tt.want)
		if silent(t, err); t.Failed() {
			t.Log(name)
		}
	}
}

// A command that hangs costs a query no more than its own time.
func TestTokenCommandHangs(t *testing.T) {
	t.Parallel()
	server := guard(t, "Authorization", "nothing")
	c := connect(t, Settings{URL: server.URL, Bearer: script(t, "exec sleep 3"), Timeout: 200 * time.Millisecond}, nil)
	begin := time.Now()
	_, err := ask(c)
	wants(t, err, analysis.Unreachable, "no answer within 200ms")
	if time.Since(begin) > 2*time.Second {
		t.Errorf("after %s", time.Since(begin))
	}
	_, _, err = tokenCommand{path: "/bin/sh", args: []string{"-c", "sleep 5"}, secrets: &redactor{}, limit: 100 * time.Millisecond}.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it did not end within 100ms") {
		t.Errorf("got %v", err)
	}
}

func TestRenewed(t *testing.T) {
	n, fails := 0, false
	r := &renewed{mint: func(context.Context) (string, time.Time, error) {
		if fails {
			return "", time.Time{}, errors.New("no")
		}
		n++
		return fmt.Sprint("token-", n), time.Now().Add(time.Hour), nil
	}}
	want := func(token string) {
		t.Helper()
		if got, err := r.fetch(t.Context()); got != token || (err != nil) != (token == "") {
			t.Errorf("got %s, %v, want %s", got, err, token)
		}
	}
	want("token-1")
	want("token-1")
	r.until = time.Now()
	want("token-2")
	r.until, fails = time.Now(), true
	want("token-2") // the old one is better than none
	r.discard("token-1")
	want("token-2")
	r.discard("token-2")
	want("")
	fails = false
	want("token-3")
}

// tokenServer answers for OAuth2 clients.
func tokenServer(t *testing.T, handler http.HandlerFunc) (*httptest.Server, Settings, environment) {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server, Settings{OAuth2: &OAuth2{
		ClientID: "${env.ID}", ClientSecretEnv: "SECRET", TokenURL: server.URL + "/token",
		Scopes: []string{"metrics.read", "b"}, EndpointParams: map[string]string{"audience": "${env.AUDIENCE}"},
	}}, environment{"ID": "ci", "SECRET": "open-sesame", "AUDIENCE": "sesame-audience"}
}

func TestOAuth2(t *testing.T) {
	var fetched atomic.Int32
	_, settings, env := tokenServer(t, func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		r.ParseForm()
		if got := r.Form.Encode(); id != "ci" || secret != "open-sesame" || got != "audience=sesame-audience&grant_type=client_credentials&scope=metrics.read+b" {
			t.Errorf("the token server was asked by %s with %s", id, got)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"sesame-%d","token_type":"Bearer","expires_in":3600}`, fetched.Add(1))
	})
	var refused atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused.CompareAndSwap(false, true) {
			w.WriteHeader(401)
			return
		}
		if got := r.Header.Get("Authorization"); got != "Bearer sesame-2" {
			w.WriteHeader(403)
			fmt.Fprint(w, "not ", got, " ", r.Header)
			return
		}
		io.WriteString(w, one)
	}))
	defer server.Close()
	settings.URL = server.URL
	c := connect(t, settings, env)
	for range 3 {
		if _, err := ask(c); err != nil {
			t.Fatal(err)
		}
	}
	if fetched.Load() != 2 {
		t.Errorf("%d tokens were fetched", fetched.Load())
	}
	fetched.Store(7)
	_, err := ask(connect(t, settings, env))
	wants(t, err, analysis.Unauthorized, "403 Forbidden: not (redacted)")
	silent(t, err)
}

func TestOAuth2Fails(t *testing.T) {
	t.Parallel()
	prometheus := guard(t, "Authorization", "nothing")
	for name, tt := range map[string]struct {
		status int
		header string
		body   string
		kind   analysis.ErrorKind
		want   string
	}{
		"refused":     {401, "", `{"error":"invalid_client","error_description":"wrong secret open-sesame"}`, analysis.Unauthorized, "401 Unauthorized: invalid_client: wrong secret (redacted)\n  hint: check clientId"},
		"no JSON":     {400, "", "you sent open-sesame", analysis.Unauthorized, "400 Bad Request\n"},
		"broken":      {503, "", "open-sesame", analysis.Unreachable, "503 Service Unavailable\n"},
		"no token":    {200, "", `{"hello":"open-sesame"}`, analysis.Unauthorized, "the answer holds no token"},
		"web page":    {200, "", "<html>open-sesame", analysis.Unauthorized, "the answer holds no token"},
		"other place": {307, "http://other.invalid/sesame?code=sesame", "", analysis.Unauthorized, "which is another host\n  hint: set tokenUrl"},
	} {
		_, settings, env := tokenServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if tt.header != "" {
				w.Header().Set("Location", strings.Replace(tt.header, "/sesame", "/x", 1))
			}
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		settings.URL, settings.Timeout = prometheus.URL, time.Second
		_, err := ask(connect(t, settings, env))
		wants(t, err, tt.kind, tt.want)
		if !strings.Contains(err.Error(), "fetching a token from prometheus.oauth2.tokenUrl: ") {
			t.Errorf("%s: %v", name, err)
		}
		silent(t, err)
	}
}

// A token server that hangs costs a query no more than its own time.
func TestOAuth2Hangs(t *testing.T) {
	over := make(chan struct{})
	_, settings, env := tokenServer(t, func(_ http.ResponseWriter, r *http.Request) { <-over })
	defer close(over)
	settings.URL, settings.Timeout = "http://127.0.0.1:1", 200*time.Millisecond
	begin := time.Now()
	_, err := ask(connect(t, settings, env))
	wants(t, err, analysis.Unreachable, "no answer within 200ms")
	if time.Since(begin) > 2*time.Second {
		t.Errorf("after %s", time.Since(begin))
	}
}
