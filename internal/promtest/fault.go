package promtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Fault is one way in which an answer goes wrong.
type Fault struct {
	Name string

	refuse bool                                      // no request gets through
	answer func(w http.ResponseWriter, c *call) bool // answers instead of the server, or returns false
	before func(c *call)                             // changes a query
	after  func(c *call, answer *reply)              // changes an answer
	where  func(p *FaultProxy) string                // a URL of its own
}

// Elsewhere reports whether the fault is of the address, not of the requests:
// it is to be met at [FaultProxy.URLFor] at any time.
func (f Fault) Elsewhere() bool { return f.where != nil }

// Rewrites reports whether the client gets a well-formed answer of the server,
// with another content.
func (f Fault) Rewrites() bool { return f.answer == nil && (f.before != nil || f.after != nil) }

// URLFor is where the client meets the fault: URL, but for those elsewhere.
func (p *FaultProxy) URLFor(f Fault) string {
	if f.where == nil {
		return p.URL
	}
	return f.where(p)
}

// Respond is a fault that a test makes up: the handler answers instead of the
// server.
func Respond(name string, handler http.HandlerFunc) Fault {
	return Fault{Name: name, answer: func(w http.ResponseWriter, c *call) bool { handler(w, c.request); return true }}
}

// Named returns the fault of that name in [Faults]. It panics when there is none.
func Named(name string) Fault {
	for _, f := range Faults() {
		if f.Name == name {
			return f
		}
	}
	panic("there is no fault " + strconv.Quote(name))
}

// Faults returns all faults.
func Faults() []Fault {
	faults := []Fault{
		{Name: "refuse", refuse: true, answer: cut},
		{Name: "reset in body", answer: resetInBody},
		{Name: "hang", answer: hang},
		{Name: "slow drip", answer: drip},
		status("429 with Retry-After", 429, "text/plain", "too many requests\n", "Retry-After", "1"),
		status("500", 500, "text/plain", "something broke\n"),
		status("502", 502, "text/html", "<html><h1>502 Bad Gateway</h1></html>\n"),
		status("503 timeout", 503, "application/json", `{"status":"error","errorType":"timeout","error":"query timed out in query execution"}`),
		status("504", 504, "text/html", "<html><h1>504 Gateway Time-out</h1></html>\n"),
		status("401", 401, "text/plain", "Unauthorized\n", "WWW-Authenticate", `Basic realm="prometheus"`),
		status("401 then ok", 401, "text/plain", "Unauthorized\n", "WWW-Authenticate", `Basic realm="prometheus"`).only(func(c *call) bool { return c.number == 1 }),
		status("403", 403, "text/plain", "Forbidden\n"),
		status("403 on POST", 403, "text/plain", "Forbidden\n").only(func(c *call) bool { return c.request.Method == http.MethodPost }),
		status("404", 404, "text/plain", "404 page not found\n"),
		{Name: "301 to https", answer: redirect},
		status("HTML 200", 200, "text/html", "<!DOCTYPE html>\n<title>Sign in</title><form method=post action=/login></form>\n"),
		{Name: "204", answer: func(w http.ResponseWriter, _ *call) bool { w.WriteHeader(http.StatusNoContent); return true }},
		{Name: "truncated JSON", after: func(_ *call, a *reply) { a.body = a.body[:len(a.body)/2] }},
		{Name: "100 MB body", answer: flood},
		// client_golang reads JSON whatever the header says: this is no fault to it.
		{Name: "wrong content type", after: func(_ *call, a *reply) { a.header.Set("Content-Type", "text/html; charset=utf-8") }},
		{Name: "DNS failure", where: func(*FaultProxy) string { return "http://prometheus.invalid:9090" }},
		{Name: "nobody listens", where: func(p *FaultProxy) string { return "http://" + freeAddress(p.t) }},
	}
	for _, kind := range []string{wrongCA, expired, nameMismatch, clientCertificate} {
		faults = append(faults, Fault{Name: kind, where: func(p *FaultProxy) string { return p.secureURL(kind) }})
	}
	return append(faults, rewritingFaults()...)
}

// only limits a fault that answers to some of the requests it hits.
func (f Fault) only(which func(c *call) bool) Fault {
	answer := f.answer
	f.answer = func(w http.ResponseWriter, c *call) bool { return which(c) && answer(w, c) }
	return f
}

// status answers with these; header is a list of names and values.
func status(name string, code int, contentType, body string, header ...string) Fault {
	return Fault{Name: name, answer: func(w http.ResponseWriter, _ *call) bool {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
		return true
	}}
}

// cut ends the connection without a word.
func cut(w http.ResponseWriter, _ *call) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, not an orderly end
	}
	conn.Close()
	return true
}

func resetInBody(w http.ResponseWriter, c *call) bool {
	answer := c.forward()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer.body)))
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body[:len(answer.body)/2])
	_ = http.NewResponseController(w).Flush()
	return cut(w, c)
}

// hang says nothing until the client leaves.
func hang(_ http.ResponseWriter, c *call) bool {
	c.wait(time.Hour)
	panic(http.ErrAbortHandler)
}

// wait returns false when the client has left or the test ends.
func (c *call) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-c.request.Context().Done():
	case <-c.proxy.done:
	}
	return false
}

// drip sends the answer at ten bytes a second.
func drip(w http.ResponseWriter, c *call) bool {
	answer := c.forward()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.status)
	for i := range answer.body {
		_, _ = w.Write(answer.body[i : i+1])
		_ = http.NewResponseController(w).Flush()
		if !c.wait(100 * time.Millisecond) {
			panic(http.ErrAbortHandler)
		}
	}
	return true
}

// redirect sends to the same API with TLS, as an ingress does. A client that
// follows with GET loses the query of its POST.
func redirect(w http.ResponseWriter, c *call) bool {
	to, err := url.Parse(c.proxy.TLSURL())
	if err != nil {
		panic(err)
	}
	to.Path, to.RawQuery = c.request.URL.Path, c.request.URL.RawQuery
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusMovedPermanently)
	return true
}

// flood is a correct answer of more than 100 MB.
func flood(w http.ResponseWriter, _ *call) bool {
	w.Header().Set("Content-Type", "application/json")
	const begin, end = `{"status":"success","data":{"resultType":"vector","result":[`, `]}}`
	element := fmt.Sprintf(`{"metric":{"name":%q},"value":[1700000000,"1"]}`, strings.Repeat("x", 1<<10))
	part := strings.Repeat(element+",", 1<<10)
	_, _ = io.WriteString(w, begin)
	for range 100 {
		if _, err := io.WriteString(w, part); err != nil {
			return true
		}
	}
	_, _ = io.WriteString(w, element+end)
	return true
}
