package prometheus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// newTransport builds the way of one request, from the outside in: retries,
// the rule for redirects, headers and the size limit, the network.
//
// Retrying is safe because queries only read, although they are POSTed.
func newTransport(base http.RoundTripper, headers http.Header, timeout time.Duration) http.RoundTripper {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: edge{base, headers}, CheckRedirect: checkRedirect}
	c.Logger = nil // its default prints every request to stderr
	c.RetryMax = 8
	c.RetryWaitMax = min(2*time.Second, timeout/5)
	c.RetryWaitMin = min(200*time.Millisecond, c.RetryWaitMax/4)
	c.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		return retryable(ctx, resp, err, c.RetryWaitMax), nil
	}
	c.ErrorHandler = passThrough
	return &retryablehttp.RoundTripper{Client: c}
}

// networkOf is the transport itself, or else Go's default, with connections
// of its own.
func networkOf(transport http.RoundTripper) http.RoundTripper {
	if transport != nil {
		return transport
	}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		return t.Clone()
	}
	return http.DefaultTransport
}

// retryable repeats failed connections, 429 and 5xx, but only while there is
// time for another try. Otherwise the wait would end in a deadline that hides
// what the server said.
func retryable(ctx context.Context, resp *http.Response, err error, longest time.Duration) bool {
	if final(err) {
		return false
	}
	again, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	if t, ok := ctx.Value(trailKey{}).(*trail); ok && again {
		if t.onlyConnections && resp != nil {
			return false
		}
		t.note(resp, err)
	}
	if deadline, ok := ctx.Deadline(); again && ok {
		// The longest wait, or what the server asks for in Retry-After.
		wait := retryablehttp.DefaultBackoff(longest, longest, 0, resp)
		again = time.Until(deadline) > wait
	}
	return again
}

// final says that the same request would fail in the same way.
func final(err error) bool {
	var refused *redirectError
	var credential *credentialError
	switch {
	case err == nil:
		return false
	case errors.As(err, &credential):
		return !credential.temporary
	}
	return errors.As(err, &refused) || clientCertificate(err) ||
		strings.Contains(err.Error(), plainHTTP) || strings.Contains(err.Error(), proxyRefuses)
}

// plainHTTP is in the error of Go's client for a server that does not speak TLS.
const plainHTTP = "server gave HTTP response to HTTPS client"

// proxyRefuses is in the error of Go's client for a proxy that does not open
// a connection to an https server without credentials.
const proxyRefuses = "Proxy Authentication Required"

// trail is what is known about one query. Should a try run into the deadline,
// what the one before said is the better explanation. It travels in
// the context of the query, because nothing else passes through all layers.
type trail struct {
	limit   time.Duration // how long the query may take
	last    string        // what the last failed try said
	refused *refusal      // the answer to a GET that was refused, for [getFirst]

	// onlyConnections: each answer is one, whatever its status.
	onlyConnections bool

	// partial: the answer says itself that it lacks data. It may still be read by client_golang when its time is up.
	partial atomic.Bool
}

type trailKey struct{}

func (t *trail) note(resp *http.Response, err error) {
	if err != nil {
		t.last = innermost(err).Error()
		return
	}
	t.last = resp.Status
}

// passThrough keeps the last answer, because its body says what is wrong;
// the default replaces it by "giving up after 9 attempts".
func passThrough(resp *http.Response, err error, _ int) (*http.Response, error) {
	if err == nil {
		return resp, nil
	}
	if resp != nil {
		resp.Body.Close()
	}
	return nil, err
}

// redirectError is a redirect that is not followed.
type redirectError struct {
	to     string // scheme, host and path
	reason string
}

func (e *redirectError) Error() string { return "redirected to " + e.to + ", " + e.reason }

// checkRedirect follows redirects that stay on the host and keep the method.
// Another host must not see the headers. A 301, 302 or 303 turns the POST
// into a GET without the query, which Prometheus then calls empty.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	to := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}
	upgrade := first.URL.Scheme == "http" && req.URL.Scheme == "https" && first.URL.Hostname() == req.URL.Hostname()
	sameHost := first.URL.Host == req.URL.Host && first.URL.Scheme == req.URL.Scheme
	switch {
	case !sameHost && !upgrade:
		return &redirectError{to.String(), "which is another host"}
	case first.Method != req.Method:
		return &redirectError{to.String(), "which drops the query"}
	case len(via) >= 5:
		return &redirectError{to.String(), "after four other redirects"}
	}
	return nil
}

// edge is the last step before the network: it adds headers, so that they
// are on every try, and limits the body.
type edge struct {
	next    http.RoundTripper
	headers http.Header // with canonical names
}

func (e edge) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for name, values := range e.headers {
		req.Header[name] = values
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "rolloutgate")
	}
	resp, err := e.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	tries, _ := req.Context().Value(trailKey{}).(*trail)
	if tries != nil {
		tries.partial.Store(false) // of the try before
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: maxBody, tries: tries}
	return resp, nil
}

// partialAnswer is how VictoriaMetrics says that an answer lacks data, where client_golang does not look. With its bare
// quotes it cannot stand inside of a string, so it can be found in the text.
const partialAnswer = `"isPartial":true`

// maxBody is the largest answer that is read, in bytes after decompression. A
// criterion needs one series; this is far more than any honest answer.
const maxBody = 32 << 20

var errTooLarge = errors.New("the answer is larger than 32 MiB")

// limitedBody fails where an io.LimitReader would pretend that the body ends. It notes in tries, unless that is nil, when
// the answer says that it is partial.
type limitedBody struct {
	io.ReadCloser
	left  int64
	tries *trail
	tail  []byte // what may be the beginning of partialAnswer
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	if b.tries != nil && !b.tries.partial.Load() {
		seen := append(b.tail, p[:n]...)
		b.tries.partial.Store(bytes.Contains(seen, []byte(partialAnswer)))
		b.tail = append([]byte(nil), seen[max(0, len(seen)-len(partialAnswer)+1):]...)
	}
	return n, err
}
