package promtest

import (
	"bytes"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// FaultProxy stands between a client and a server, and breaks what passes.
// Without a fault it changes nothing. Where the server is down it answers 502,
// as real proxies do.
type FaultProxy struct {
	URL string

	t      testing.TB
	target string
	done   chan struct{} // closed at the end of the test
	client *http.Client

	mu      sync.Mutex
	active  Fault
	when    When
	since   time.Time
	hits    int
	queries []Query
	pki     *pki
	secure  map[string]string // URLs of TLS listeners by kind
}

// Query is one that has reached the proxy.
type Query struct {
	At     time.Time
	Method string
	Path   string
	PromQL string
	Time   string // as it was sent; empty: the server's own time
	Form   url.Values
	Fault  string // name of the fault that hit it
}

// When says which requests a fault hits.
type When struct {
	count    int // 0: all
	from, to time.Duration
}

// Forever hits all until [FaultProxy.Clear].
var Forever = When{to: math.MaxInt64}

// For hits the next n requests.
func For(n int) When { return When{count: n, to: math.MaxInt64} }

// Burst hits what comes between two moments after [FaultProxy.Set].
func Burst(from, to time.Duration) When { return When{from: from, to: to} }

// NewFaultProxy serves until the end of the test.
func NewFaultProxy(t testing.TB, target string) *FaultProxy {
	t.Helper()
	p := &FaultProxy{
		t: t, target: strings.TrimRight(target, "/"), done: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		secure: map[string]string{},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.URL = "http://" + listener.Addr().String()
	t.Cleanup(p.client.CloseIdleConnections)
	p.serve(&gate{listener, p})
	t.Cleanup(func() { close(p.done) }) // before the servers close
	return p
}

func (p *FaultProxy) serve(listener net.Listener) {
	server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	// Go's client repeats what breaks on a connection that it had kept. With one
	// connection a request, each hit is a failure that the client sees.
	server.SetKeepAlivesEnabled(false)
	go func() { _ = server.Serve(listener) }()
	p.t.Cleanup(func() { server.Close() })
}

// gate closes connections as they come while the fault says so.
type gate struct {
	net.Listener
	proxy *FaultProxy
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.proxy.mu.Lock()
		refuse := g.proxy.active.refuse && g.proxy.hit() > 0
		g.proxy.mu.Unlock()
		if !refuse {
			return conn, nil
		}
		conn.Close()
	}
}

// Set puts a fault in place of the one before. Faults that are elsewhere (see
// [Fault.Elsewhere]) are always there and need no Set; it does nothing then.
func (p *FaultProxy) Set(f Fault, when When) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.Elsewhere() {
		f = Fault{}
	}
	p.active, p.when, p.since, p.hits = f, when, time.Now(), 0
}

// Clear ends the fault for requests to come.
func (p *FaultProxy) Clear() { p.Set(Fault{}, Forever) }

// Hits returns how many requests the fault has hit since [FaultProxy.Set].
func (p *FaultProxy) Hits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

// Queries returns the instant and range queries so far, oldest first. Those
// that got no connection are not among them.
func (p *FaultProxy) Queries() []Query {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Query(nil), p.queries...)
}

// hit counts a request and returns its number, or 0 when the fault does not
// concern it. The caller holds the lock.
func (p *FaultProxy) hit() int {
	age := time.Since(p.since)
	if p.active.Name == "" || age < p.when.from || age >= p.when.to || p.when.count > 0 && p.hits >= p.when.count {
		return 0
	}
	p.hits++
	return p.hits
}

// call is a request on its way.
type call struct {
	proxy   *FaultProxy
	request *http.Request
	form    url.Values
	number  int // among those that the fault hit
}

func (c *call) isQuery() bool {
	return strings.HasSuffix(c.request.URL.Path, "/api/v1/query") || strings.HasSuffix(c.request.URL.Path, "/api/v1/query_range")
}

// reply is an answer on its way.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP implements [http.Handler].
func (p *FaultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil { // reads the body: else nobody would notice that the client leaves
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c := &call{proxy: p, request: r, form: r.Form}
	p.mu.Lock()
	var fault Fault
	if c.number = p.hit(); c.number > 0 {
		fault = p.active
	}
	if c.isQuery() {
		p.queries = append(p.queries, Query{
			At: time.Now(), Method: r.Method, Path: r.URL.Path, PromQL: r.Form.Get("query"), Time: r.Form.Get("time"),
			Form: r.Form, Fault: fault.Name,
		})
	}
	p.mu.Unlock()
	if fault.answer != nil && fault.answer(w, c) {
		return
	}
	if fault.before != nil && c.isQuery() {
		form := url.Values{}
		for name, values := range c.form {
			form[name] = append([]string(nil), values...)
		}
		c.form = form
		fault.before(c)
	}
	answer := c.forward()
	if fault.after != nil {
		fault.after(c, answer)
	}
	answer.write(w)
}

// forward asks the server.
func (c *call) forward() *reply {
	address, body := c.proxy.target+c.request.URL.Path, io.Reader(nil)
	if c.request.Method == http.MethodPost {
		body = strings.NewReader(c.form.Encode())
	} else if len(c.form) > 0 {
		address += "?" + c.form.Encode()
	}
	request, err := http.NewRequestWithContext(c.request.Context(), c.request.Method, address, body)
	if err != nil {
		return &reply{status: http.StatusBadGateway, header: http.Header{}, body: []byte(err.Error())}
	}
	request.Header = c.request.Header.Clone()
	request.Header.Del("Accept-Encoding") // so that what comes back can be read
	answer, err := c.proxy.client.Do(request)
	if err == nil {
		defer answer.Body.Close()
		var content []byte
		if content, err = io.ReadAll(answer.Body); err == nil {
			answer.Header.Del("Content-Length")
			return &reply{answer.StatusCode, answer.Header, content}
		}
	}
	return &reply{status: http.StatusBadGateway, header: http.Header{"Content-Type": {"text/html"}}, body: []byte("<h1>502 Bad Gateway</h1>\n")}
}

func (a *reply) write(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = io.Copy(w, bytes.NewReader(a.body))
}
