package promtest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// seen is what a plain client gets from a fault.
type seen struct {
	status int
	header http.Header
	body   string
	err    error
	took   time.Duration
}

// onTheWire says, for every fault that does not rewrite results, what arrives.
var onTheWire = map[string]func(seen) bool{
	// The third is net/http's word for a connection that ends before the request is written.
	"refuse":               failed("EOF", "reset", "server closed idle connection"),
	"reset in body":        func(s seen) bool { return s.status == 200 && s.body != "" && failed("EOF", "reset")(s) },
	"hang":                 failed("deadline exceeded"),
	"slow drip":            func(s seen) bool { return s.status == 200 && failed("deadline exceeded")(s) },
	"429 with Retry-After": func(s seen) bool { return s.status == 429 && s.header.Get("Retry-After") == "1" },
	"500":                  answers(500, "something broke"),
	"502":                  answers(502, "<h1>502"),
	"503 timeout":          answers(503, `"errorType":"timeout"`),
	"504":                  answers(504, "<h1>504"),
	"401":                  answers(401, "Unauthorized"),
	"401 then ok":          func(s seen) bool { return s.status == 401 && s.header.Get("WWW-Authenticate") != "" },
	"403":                  answers(403, "Forbidden"),
	"403 on POST":          answers(403, "Forbidden"),
	"404":                  answers(404, "not found"),
	"301 to https":         func(s seen) bool { return s.status == 301 && strings.HasPrefix(s.header.Get("Location"), "https://") },
	"HTML 200":             answers(200, "<!DOCTYPE html>"),
	"204":                  func(s seen) bool { return s.status == 204 && s.body == "" && s.err == nil },
	"truncated JSON":       func(s seen) bool { return answers(200, `{"status"`)(s) && !strings.HasSuffix(s.body, "}") },
	"100 MB body": func(s seen) bool {
		return answers(200, "{")(s) && len(s.body) > 100<<20 && strings.HasSuffix(s.body, "]}}")
	},
	"wrong content type": func(s seen) bool {
		return answers(200, `"success"`)(s) && strings.HasPrefix(s.header.Get("Content-Type"), "text/html")
	},
	"DNS failure":                     failed("lookup prometheus.invalid"),
	"nobody listens":                  failed("connection refused"),
	"TLS wrong CA":                    failed("unknown authority"),
	"TLS expired":                     failed("has expired"),
	"TLS name mismatch":               failed("doesn't contain any IP SANs"),
	"TLS client certificate required": failed("certificate required"),
}

func failed(words ...string) func(seen) bool {
	return func(s seen) bool {
		for _, w := range words {
			if s.err != nil && strings.Contains(s.err.Error(), w) {
				return true
			}
		}
		return false
	}
}

func answers(status int, part string) func(seen) bool {
	return func(s seen) bool { return s.err == nil && s.status == status && strings.Contains(s.body, part) }
}

// plain trusts the proxy's authority and follows no redirects.
func plain(t *testing.T, p *FaultProxy, certificates ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.PKI().CA) {
		t.Fatal("the authority is no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func post(client *http.Client, address, promql string) seen {
	begin := time.Now()
	answer, err := client.PostForm(address+"/api/v1/query", url.Values{"query": {promql}})
	if err != nil {
		return seen{err: err, took: time.Since(begin)}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return seen{answer.StatusCode, answer.Header, string(body), err, time.Since(begin)}
}

func TestFaultsOnTheWire(t *testing.T) {
	t.Parallel()
	server := fakeServer(t)
	names := map[string]bool{}
	for _, f := range Faults() {
		if names[f.Name] || f.Name == "" {
			t.Errorf("two faults called %q", f.Name)
		}
		names[f.Name] = true
		check, ok := onTheWire[f.Name]
		if ok == f.Rewrites() && f.Name != "truncated JSON" && f.Name != "wrong content type" {
			t.Errorf("%s: rewrites: %v, in the table: %v", f.Name, f.Rewrites(), ok)
		}
		if !ok {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			p := NewFaultProxy(t, server.URL)
			client := plain(t, p)
			if f.Name == "hang" || f.Name == "slow drip" {
				client.Timeout = time.Second
			}
			if s := post(client, p.URL, "7"); s.status != 200 {
				t.Fatalf("without the fault: %+v", s)
			}
			p.Set(f, Forever)
			if s := post(client, p.URLFor(f), "7"); !check(s) {
				t.Errorf("got %d, %v, %.200q after %s", s.status, s.err, s.body, s.took)
			}
			p.Clear()
			if s := post(client, p.URL, "7"); s.status != 200 {
				t.Errorf("after the fault: %+v", s)
			}
		})
	}
	for name := range onTheWire {
		if !names[name] {
			t.Errorf("there is no fault %q", name)
		}
	}
}

// GET passes where only POST is forbidden.
func TestForbiddenPost(t *testing.T) {
	t.Parallel()
	p := NewFaultProxy(t, fakeServer(t).URL)
	p.Set(Named("403 on POST"), Forever)
	if status := get(t, p.URL); status != 200 {
		t.Errorf("GET: %d", status)
	}
}

// What is behind the redirect and the required certificate works.
func TestTLS(t *testing.T) {
	t.Parallel()
	p := NewFaultProxy(t, fakeServer(t).URL)
	if s := post(plain(t, p), p.TLSURL(), "7"); !answers(200, "success")(s) {
		t.Errorf("TLS in order: %+v", s)
	}
	pair, err := tls.X509KeyPair(p.PKI().Certificate, p.PKI().Key)
	if err != nil {
		t.Fatal(err)
	}
	if s := post(plain(t, p, pair), p.URLFor(Named("TLS client certificate required")), "7"); !answers(200, "success")(s) {
		t.Errorf("with a client certificate: %+v", s)
	}
	p.Set(Named("301 to https"), For(1))
	client := plain(t, p)
	client.CheckRedirect = nil
	if s := post(client, p.URL, "7"); !answers(200, `""`)(s) {
		t.Errorf("a client that follows arrives without its query: %+v", s)
	}
	if last := p.Queries()[len(p.Queries())-1]; last.Method != "GET" || last.PromQL != "" {
		t.Errorf("got %+v", last)
	}
}
