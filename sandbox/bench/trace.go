package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/instance"
)

// tracer is an API server for the measured commands that passes every request on as the administrator and notes
// how many bytes its answer has, as sent: compressed when the API server compressed it.
type tracer struct {
	front *harness.Front

	mu       sync.Mutex
	requests []*request
}

// request is one request and the size of its answer.
type request struct {
	method, path, kind string
	status             int
	began, answered    time.Time // the first byte of the answer
	bytes              atomic.Int64
}

func newTracer(s instance.State) (*tracer, error) {
	t := &tracer{}
	var err error
	t.front, err = harness.NewFront(s, func(api *httputil.ReverseProxy) http.Handler {
		api.ModifyResponse = t.note
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			api.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), beganKey{}, time.Now())))
		})
	})
	return t, err
}

// beganKey is under what the context of a request has the time when it came.
type beganKey struct{}

func (t *tracer) note(response *http.Response) error {
	kind := response.Header.Get("Content-Type")
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" {
		kind += ", " + encoding
	}
	r := &request{method: response.Request.Method, path: response.Request.URL.RequestURI(), kind: kind, status: response.StatusCode,
		answered: time.Now()}
	r.began, _ = response.Request.Context().Value(beganKey{}).(time.Time)
	t.mu.Lock()
	t.requests = append(t.requests, r)
	t.mu.Unlock()
	response.Body = counted{response.Body, &r.bytes}
	return nil
}

// take returns the requests since the last call.
func (t *tracer) take() []*request {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.requests
	t.requests = nil
	return taken
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// traceAll rolls every size once with every command and prints the requests, largest answers first.
func (b *bench) traceAll(ctx context.Context) error {
	t, err := newTracer(b.sandbox)
	if err != nil {
		return err
	}
	defer t.front.Close()
	b.server = t.front.URL
	for _, s := range b.options.sizes {
		for i, c := range b.commands() {
			if s.alone && c.name != gateName {
				continue
			}
			k := &track{command: c, namespace: fmt.Sprintf("trace-%s-%d", s.slug(), i), size: s}
			if err := b.prepare(ctx, k, b.history(s)); err != nil {
				return err
			}
			t.take()
			k.revision++
			begin := time.Now()
			m, err := b.roll(ctx, k)
			if err != nil {
				return err
			}
			fmt.Printf("\n%s pods, %s, %.3fs\n", s, c.name, m.wall.Seconds())
			printRequests(os.Stdout, t.take(), begin)
		}
	}
	return nil
}

func printRequests(to io.Writer, requests []*request, begin time.Time) {
	slices.SortStableFunc(requests, func(a, b *request) int { return cmp.Compare(b.bytes.Load(), a.bytes.Load()) })
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	var sum int64
	for _, r := range requests {
		sum += r.bytes.Load()
		fmt.Fprintf(w, "%d\t%.3fs\t%d\t  %s %s (%s)\n",
			r.bytes.Load(), r.answered.Sub(begin).Seconds(), r.status, r.method, r.path, r.kind)
	}
	fmt.Fprintf(w, "%d\t\t\t  in %d answers\n", sum, len(requests))
	_ = w.Flush()
}
