package prometheus

import (
	"context"
	"sync"
	"time"
)

const (
	// mintTime bounds one renewal, whoever waits for it.
	mintTime = 30 * time.Second
	// grace is how long a token is used beyond its time while no new one can be had.
	grace = time.Minute
)

// renewed is a token that has to be fetched, and again when its time is over
// or a server no longer takes it. All who need it at the same time share one
// renewal.
type renewed struct {
	// mint fetches a token and says until when it is to be used.
	mint func(ctx context.Context) (token string, until time.Time, err error)

	mu      sync.Mutex
	token   string
	until   time.Time
	running *minting
}

type minting struct {
	done  chan struct{}
	token string
	err   error
}

// fetch waits as long as ctx allows; a renewal that takes longer goes on, so
// that the next query profits from it.
func (r *renewed) fetch(ctx context.Context) (string, error) {
	r.mu.Lock()
	if r.token != "" && time.Now().Before(r.until) {
		defer r.mu.Unlock()
		return r.token, nil
	}
	m := r.running
	if m == nil {
		m = &minting{done: make(chan struct{})}
		r.running = m
		go r.renew(context.WithoutCancel(ctx), m)
	}
	r.mu.Unlock()
	select {
	case <-m.done:
		return m.token, m.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (r *renewed) renew(ctx context.Context, m *minting) {
	ctx, cancel := context.WithTimeout(ctx, mintTime)
	defer cancel()
	token, until, err := r.mint(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.token, r.until = token, until
	case r.token != "": // too old, but nobody has refused it
		r.until, err = time.Now().Add(grace), nil
	}
	m.token, m.err = r.token, err
	r.running = nil
	close(m.done)
}

// discard forgets a token that a server refused, unless it was renewed since.
func (r *renewed) discard(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.token == token {
		r.token = ""
	}
}
