package cluster

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// credentials is a transport that knows for how long the API server has not accepted who this is. Credentials that end while a
// run goes on are renewed when they were refused, by the program that makes them; so a request that was refused is sent once more.
type credentials struct {
	next http.RoundTripper

	mu      sync.Mutex
	refused time.Time // since when; zero while they are accepted
}

// RoundTrip sends a request.
func (c *credentials) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		if again := anew(r); again != nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection is used again
			response.Body.Close()
			response, err = c.next.RoundTrip(again)
		}
	}
	if err == nil {
		c.note(response.StatusCode == http.StatusUnauthorized)
	}
	return response, err
}

// anew is the same request once more; nil when its body is gone.
func anew(r *http.Request) *http.Request {
	again := r.Clone(r.Context())
	if r.Body == nil || r.Body == http.NoBody {
		return again
	}
	if r.GetBody == nil {
		return nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil
	}
	again.Body = body
	return again
}

func (c *credentials) note(refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !refused:
		c.refused = time.Time{}
	case c.refused.IsZero():
		c.refused = time.Now()
	}
}

// Unaccepted is for how long the API server has not accepted the credentials of this client; zero while it does.
func (c *Client) Unaccepted() time.Duration {
	c.credentials.mu.Lock()
	defer c.credentials.mu.Unlock()
	if c.credentials.refused.IsZero() {
		return 0
	}
	return max(time.Since(c.credentials.refused), 1)
}
