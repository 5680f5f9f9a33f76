// Package requests asks a URL without pause, or at a fixed rate, and remembers what became of each request: which version
// answered, which pod, when, and how the others failed.
//
// It takes a URL at which the test application answers and how many clients ask. Each client is a net/http client of its
// own that asks again as soon as it has an answer, over a new connection each time or over one that it keeps; after a
// failure it waits for a moment, as refusals come fast enough to take a whole core. At a fixed rate they do not wait for
// answers: a service that becomes slow is asked as often as before. What failed is not asked again, but for what net/http
// does by itself, like most clients: a request that meets a kept connection that the other side has just closed goes out
// over a new one. Nothing is judged.
package requests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// afterFailure is about as long as a good answer takes.
const afterFailure = 10 * time.Millisecond

// Config says what is asked, and how.
type Config struct {
	URL       string
	Clients   int           // default 4
	Rate      float64       // requests a second, of all clients together; 0: each asks when it has its answer
	KeepAlive bool          // one connection for many requests; otherwise each has a new one
	Timeout   time.Duration // of each request; default 5s
	Each      func(Answer)  // is told of each request as soon as it is over, of one at a time; nil: nobody is

	transport http.RoundTripper // of a test
}

// Clients are asking. Stop them.
type Clients struct {
	cfg  Config
	quit chan struct{}
	done sync.WaitGroup

	mu  sync.Mutex
	log Log
}

// Start begins to ask.
func Start(cfg Config) *Clients {
	if cfg.Clients == 0 {
		cfg.Clients = 4
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	c := &Clients{cfg: cfg, quit: make(chan struct{})}
	for range cfg.Clients {
		c.done.Go(c.run)
	}
	return c
}

// Stop waits for the answers to what was asked, and returns all of them. It is called once.
func (c *Clients) Stop() Log {
	close(c.quit)
	c.done.Wait()
	return c.log
}

// Log is what became of the requests so far.
func (c *Clients) Log() Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}

func (c *Clients) run() {
	transport := c.cfg.transport
	if transport == nil {
		// No proxy: a variable of the environment must not come between.
		own := &http.Transport{DisableKeepAlives: !c.cfg.KeepAlive}
		defer own.CloseIdleConnections()
		transport = own
	}
	client := &http.Client{Transport: transport, Timeout: c.cfg.Timeout}
	if c.cfg.Rate > 0 {
		c.atRate(client)
		return
	}
	for {
		select {
		case <-c.quit:
			return
		default:
		}
		if a := c.askOnce(client); a.Failure != "" {
			time.Sleep(afterFailure)
		}
	}
}

// atRate asks at even intervals, whether there are answers or not. What a stall of this machine kept it from asking is
// not made up for.
func (c *Clients) atRate(client *http.Client) {
	ticks := time.NewTicker(time.Duration(float64(c.cfg.Clients) / c.cfg.Rate * float64(time.Second)))
	defer ticks.Stop()
	var under sync.WaitGroup
	defer under.Wait()
	for {
		select {
		case <-c.quit:
			return
		case <-ticks.C:
			under.Go(func() { c.askOnce(client) })
		}
	}
}

func (c *Clients) askOnce(client *http.Client) Answer {
	begin := time.Now()
	a := ask(client, c.cfg.URL)
	c.add(a, begin)
	return a
}

// add gives the answer its time while it holds the lock: that is what keeps the log in order.
func (c *Clients) add(a Answer, begin time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.At = time.Now()
	a.Took = a.At.Sub(begin)
	c.log = append(c.log, a)
	if c.cfg.Each != nil {
		c.cfg.Each(a)
	}
}

// ask makes one request. It is over when the last byte of the answer is there.
func ask(client *http.Client, url string) Answer {
	response, err := client.Get(url)
	if err != nil {
		return Answer{Failure: kind(err), Error: err.Error()}
	}
	defer response.Body.Close()
	a := Answer{Version: response.Header.Get("X-Version"), Pod: response.Header.Get("X-Pod")}
	switch _, err := io.Copy(io.Discard, response.Body); {
	case err != nil:
		a.Failure, a.Error = kind(err), err.Error()
	case response.StatusCode >= http.StatusBadRequest:
		a.Failure, a.Error = Status, fmt.Sprint("status ", response.Status)
	}
	return a
}

func kind(err error) Failure {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Reset
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable
	case os.IsTimeout(err), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return Timeout
	}
	return Other
}
