package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// Way sends requests to a server that has no API of Prometheus as this package sends its queries: with the credentials
// and certificates of the settings, again while there is time, with a limit on what is read, to no other host, and
// without a secret in an error. It is safe for concurrent use.
type Way struct {
	way, network http.RoundTripper
	secrets      *redactor
	timeout      time.Duration
}

// Way reads what the settings name, and does not connect. URL and Service do not matter. Errors are those of
// [Settings.Config], and name the keys below root.
func (s Settings) Way(root string, getenv func(string) string) (*Way, error) {
	r := resolver{root: root, getenv: getenv, secrets: &redactor{}}
	headers := http.Header{}
	for _, name := range sortedKeys(s.Headers) {
		headers.Set(name, r.expand("headers."+name, s.Headers[name]))
	}
	network := r.authenticated(s, r.withFiles(s, recorder{r.secrets, r.network(s)}))
	if r.err != nil {
		return nil, r.err
	}
	for _, values := range headers {
		for _, v := range values {
			r.secrets.addHeader(v)
		}
	}
	w := &Way{network: network, secrets: r.secrets, timeout: s.Timeout}
	if w.timeout <= 0 {
		w.timeout = defaultTimeout
	}
	w.way = newTransport(network, headers, w.timeout)
	return w, nil
}

// Close closes the connections that no request uses.
func (w *Way) Close() { closeIdle(w.network) }

// Ask sends a request and reads its answer. With anyStatus each status is an answer; without, only those of 2xx. The
// parts of the request that are secret are not repeated. The error is an [*analysis.QueryError], about what is called
// source.
func (w *Way) Ask(ctx context.Context, source string, req *http.Request, anyStatus bool, secrets []string) (int, []byte, error) {
	w.secrets.add(secrets...)
	if req.URL.User != nil {
		w.secrets.addURL(&url.URL{User: req.URL.User})
	}
	c := &Client{target: req.URL.Scheme + "://" + req.URL.Host, secrets: w.secrets}
	tries := trail{limit: w.timeout, onlyConnections: anyStatus}
	if deadline, ok := ctx.Deadline(); ok {
		tries.limit = min(tries.limit, time.Until(deadline).Round(time.Millisecond))
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	resp, err := w.way.RoundTrip(req.WithContext(context.WithValue(ctx, trailKey{}, &tries)))
	if err != nil {
		return 0, nil, about(source, c.explain(err, &tries))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case errors.Is(err, errTooLarge):
		return 0, nil, about(source, c.unreadable(errTooLarge.Error(), "ask for less"))
	case err != nil:
		return 0, nil, about(source, c.explain(err, &tries))
	case anyStatus || resp.StatusCode >= 200 && resp.StatusCode < 300:
		return resp.StatusCode, body, nil
	}
	return resp.StatusCode, nil, about(source, c.refusal(resp.StatusCode, body))
}

func about(source string, e *analysis.QueryError) *analysis.QueryError {
	e.Source = source
	e.Hint = strings.ReplaceAll(e.Hint, "in front of Prometheus", "in front of it")
	return e
}

// refusal sorts the answers that are none by their status.
func (c *Client) refusal(status int, body []byte) *analysis.QueryError {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if said := saidIn(string(body[:min(len(body), 4<<10)])); said != "" {
		text += ": " + said
	}
	switch {
	case status == http.StatusUnauthorized:
		return c.failure(analysis.Unauthorized, text, "the server wants credentials, or other ones: set basicAuth, bearer or oauth2, or a header", nil)
	case status == http.StatusProxyAuthRequired:
		return c.failure(analysis.Unauthorized, text, proxyCredentials, nil)
	case status == http.StatusForbidden:
		return c.failure(analysis.Unauthorized, text, "these credentials may not read it: ask for access", nil)
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == 499, status >= 500:
		return c.failure(analysis.Unreachable, text, "", nil)
	case status == http.StatusNotFound, status == http.StatusGone:
		return c.failure(analysis.Absent, text, "check the url, with its path", nil)
	case status == http.StatusMethodNotAllowed:
		return c.unreadable(text, "set method to one that the endpoint takes")
	}
	return c.unreadable(text, "check what the endpoint wants to be asked")
}
