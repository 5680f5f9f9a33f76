package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/instance"
)

// point is a moment of a run: before or after one of its writes.
type point struct {
	write int  // its number, from 1; 0 is never
	after bool // it was carried out, and its answer is on the way
}

func (p point) String() string {
	if p.after {
		return fmt.Sprintf("after-%d", p.write)
	}
	return fmt.Sprintf("before-%d", p.write)
}

// write is one request that changes something.
type write struct {
	call
	Number int       `json:"number"` // among the writes of the process that are numbered, from 1; 0 for the others
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"` // when its answer came; zero when it was not passed on, or not answered
	Status int       `json:"status"`         // of the answer
}

// carriedOut tells whether the API server has said that it did it.
func (w write) carriedOut() bool { return w.Status >= 200 && w.Status < 300 }

// relay stands between one process and the API server. It notes the writes, and stops the world at one of them.
type relay struct {
	front *harness.Front
	point point
	// strike is called at the point, while nothing else of the process passes; it tells what becomes of that write. Nil:
	// everything passes.
	strike func() fate
	struck chan struct{} // closed when that is done
	noted  func()        // is called at every write; may be nil
	aged   time.Duration // by how much leases look older than they are

	mu       sync.Mutex
	writes   []*write
	numbered int
	hit      bool          // the run came to the point
	frozen   chan struct{} // closed when requests may pass again; nil when they may
	closed   bool          // nothing passes any more
	refuses  time.Time     // until then every connection is reset
	expired  bool          // the next watch is too old
	watches  map[*http.Request]context.CancelFunc
}

// fate is what becomes of a write at the point. The zero value passes it on.
type fate struct {
	reset  bool // the connection is reset
	status int  // or this is answered
	reason string
}

func (f fate) passes() bool { return f == fate{} }

// fateError carries a fate through the reverse proxy.
type fateError struct{ fate fate }

func (e *fateError) Error() string { return "the answer is held back" }

// serveBefore begins to serve before the API server of a sandbox.
func (r *relay) serveBefore(s instance.State) error {
	r.struck, r.watches = make(chan struct{}), map[*http.Request]context.CancelFunc{}
	var err error
	r.front, err = harness.NewFront(s, func(api *httputil.ReverseProxy) http.Handler {
		api.ModifyResponse = r.answered
		api.ErrorHandler = func(w http.ResponseWriter, request *http.Request, err error) {
			var held *fateError
			if !errors.As(err, &held) {
				held = &fateError{fate{reset: true}}
			}
			held.fate.meet(w, request)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) { r.serve(api, w, request) })
	})
	return err
}

// writeKey is under what the context of a request has its write.
type writeKey struct{}

func (r *relay) serve(api http.Handler, w http.ResponseWriter, request *http.Request) {
	if !r.admits(request.Context()) {
		fate{reset: true}.meet(w, request)
	}
	c := callOf(request.Method, request.URL)
	c.write = c.write && !triesDelete(request)
	if c.watch {
		ctx, cancel := context.WithCancel(request.Context())
		defer cancel()
		request = request.WithContext(ctx)
		if !r.begins(request, cancel) {
			fate{status: http.StatusGone, reason: "Expired"}.meet(w, request)
			return
		}
		defer r.ends(request)
	}
	if r.aged > 0 && c.resource == leases {
		request.Header.Set("Accept-Encoding", "identity")
	}
	if !c.write {
		api.ServeHTTP(w, request)
		return
	}
	one := r.note(c)
	if r.noted != nil {
		r.noted()
	}
	if one.Number == r.point.write && !r.point.after {
		if f := r.strikes(one); !f.passes() {
			f.meet(w, request)
			return
		}
	}
	api.ServeHTTP(w, request.WithContext(context.WithValue(request.Context(), writeKey{}, one)))
}

// answered sees the answers of the API server before the process does.
func (r *relay) answered(response *http.Response) error {
	one, ok := response.Request.Context().Value(writeKey{}).(*write)
	if !ok {
		return r.age(response)
	}
	r.mu.Lock()
	one.Ended, one.Status = time.Now(), response.StatusCode
	r.mu.Unlock()
	if one.Number == r.point.write && r.point.after {
		if f := r.strikes(one); !f.passes() {
			return &fateError{f}
		}
	}
	return nil
}

// strikes does what happens at the point. Meanwhile nothing else passes.
func (r *relay) strikes(one *write) fate {
	if r.strike == nil || one.Number == 0 {
		return fate{}
	}
	r.mu.Lock()
	thaw := make(chan struct{})
	r.frozen, r.hit = thaw, true
	r.mu.Unlock()
	f := r.strike()
	r.mu.Lock()
	r.frozen = nil
	r.mu.Unlock()
	close(thaw)
	close(r.struck)
	return f
}

// wasStruck tells whether the run came to the point.
func (r *relay) wasStruck() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hit
}

// admits waits while the world stands still. It is false when the request must not pass.
func (r *relay) admits(ctx context.Context) bool {
	for {
		r.mu.Lock()
		frozen, closed := r.frozen, r.closed || time.Now().Before(r.refuses)
		r.mu.Unlock()
		if closed || frozen == nil {
			return !closed
		}
		select {
		case <-frozen:
		case <-ctx.Done():
			return false
		}
	}
}

// note keeps a write, and numbers it unless it may come at any time.
func (r *relay) note(c call) *write {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := &write{call: c, Began: time.Now()}
	if !c.anyTime() {
		r.numbered++
		one.Number = r.numbered
	}
	r.writes = append(r.writes, one)
	return one
}

// all are the writes so far.
func (r *relay) all() []write {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]write, len(r.writes))
	for i, w := range r.writes {
		out[i] = *w
	}
	return out
}

// close lets nothing pass any more: the process is gone.
func (r *relay) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
}

// refuse resets every connection for a while, as an API server does that is started anew.
func (r *relay) refuse(d time.Duration) {
	r.mu.Lock()
	r.refuses = time.Now().Add(d)
	r.mu.Unlock()
	r.front.ResetAll()
}

// begins notes a watch. It is false when the watch asks for what is too old.
func (r *relay) begins(request *http.Request, cancel context.CancelFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expired {
		r.expired = false
		return false
	}
	r.watches[request] = cancel
	return true
}

func (r *relay) ends(request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.watches, request)
}

// expire ends all watches, and tells the next one that it is too old.
func (r *relay) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expired = true
	for _, cancel := range r.watches {
		cancel()
	}
}

// meet gives a request what it gets instead of an answer of the API server.
func (f fate) meet(w http.ResponseWriter, request *http.Request) {
	if f.reset {
		harness.Reset(request)
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	if f.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure", "code": f.status, "reason": f.reason,
		"message": "the harness says: " + strings.ToLower(http.StatusText(f.status)),
	})
}
