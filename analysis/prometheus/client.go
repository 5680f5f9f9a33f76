// Package prometheus asks a Prometheus server, or anything that speaks its
// HTTP API, for the values that analysis judges.
//
// It takes a URL and credentials, as a [Config] or as the [Settings] of a
// file, and implements [analysis.Querier]: every answer is an
// [analysis.Answer] or an [analysis.QueryError] that says what can be done
// about it. It retries what may work a moment later, within the time of one
// query.
//
// It never judges a value, never follows a redirect to another host or one
// that would drop the query, never reads an answer without a size limit,
// never skips the check of a certificate, and never puts a credential or a
// query string into an error.
package prometheus

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// Config says how to reach a server.
type Config struct {
	// URL is the address below which /api/v1/query is found, with its
	// scheme. Credentials in it are sent as basic authentication.
	URL string

	// Timeout bounds one query with all its retries. Zero: 10 seconds. It is
	// also sent to the server, so that it gives up when nobody waits.
	Timeout time.Duration

	// Headers are sent with every request: Authorization, X-Scope-OrgID.
	Headers http.Header

	// AllowPartial accepts answers that lack some of the data. Without it,
	// servers that would leave out what they cannot read at the moment
	// (Thanos, VictoriaMetrics) are asked to fail instead; Prometheus itself
	// ignores that request. With it, warnings are remarks.
	AllowPartial bool

	// PreferGET sends queries as GET while they fit into a URL. Without it
	// they are POSTed, which is what an API of Prometheus' own prefers.
	PreferGET bool

	// Transport sends the requests. Nil: Go's default, which honours the
	// proxy variables of the environment and the certificates of the system.
	Transport http.RoundTripper

	secrets *redactor // shared with a Transport that [Settings.Config] built
}

const defaultTimeout = 10 * time.Second

// Client asks one server. It is safe for concurrent use.
type Client struct {
	api     v1.API
	base    api.Client
	network http.RoundTripper
	timeout time.Duration
	target  string // the URL without credentials and query, for errors
	secrets *redactor

	allowPartial bool
}

var _ analysis.Querier = (*Client)(nil)

// New checks the configuration and makes a client. It does not connect; see
// [Client.Ping]. The error ends with a hint and does not repeat the URL where
// that might hold a password.
func New(config Config) (*Client, error) {
	address, err := parseURL(config.URL)
	if err != nil {
		return nil, err
	}
	timeout := config.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	headers := http.Header{}
	for name, values := range config.Headers {
		headers[http.CanonicalHeaderKey(name)] = values
	}
	if address.User != nil && headers.Get("Authorization") == "" {
		password, _ := address.User.Password()
		pair := base64.StdEncoding.EncodeToString([]byte(address.User.Username() + ":" + password))
		headers.Set("Authorization", "Basic "+pair)
	}
	secrets := config.secrets
	if secrets == nil {
		secrets = &redactor{}
	}
	for _, values := range headers {
		for _, v := range values {
			secrets.addHeader(v) // which of them are secret differs from server to server
		}
	}
	secrets.addURL(address)
	address.User = nil
	target := url.URL{Scheme: address.Scheme, Host: address.Host, Path: strings.TrimRight(address.Path, "/")}
	query := address.Query()
	if !config.AllowPartial {
		query.Set("partial_response", "false")
		query.Set("deny_partial_response", "1")
	}
	// VictoriaMetrics answers about 30 seconds ago when it is asked about now, unless told otherwise; how old the data are is
	// measured. It takes nothing below a millisecond.
	if !query.Has("latency_offset") {
		query.Set("latency_offset", "1ms")
	}
	address.RawQuery = query.Encode()
	network := networkOf(config.Transport)
	way := newTransport(network, headers, timeout)
	if config.PreferGET {
		way = &getFirst{next: way}
	}
	base, err := api.NewClient(api.Config{Address: address.String(), RoundTripper: way})
	if err != nil {
		return nil, fmt.Errorf("connecting to Prometheus at %s: the URL is not usable", target.String())
	}
	return &Client{
		api: v1.NewAPI(base), base: base, network: network, timeout: timeout, target: target.String(), secrets: secrets,
		allowPartial: config.AllowPartial,
	}, nil
}

// Close closes the connections that no query uses. The client can still be
// used afterwards.
func (c *Client) Close() { closeIdle(c.network) }

// parseURL accepts absolute HTTP URLs. An address without a scheme would be
// taken for a path, or its host for a scheme, and fail at the first query.
func parseURL(text string) (*url.URL, error) {
	address, err := url.Parse(text)
	if err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Hostname() != "" {
		address.Fragment = ""
		return address, nil
	}
	return nil, errors.New("reading the Prometheus URL: not an http or https URL\n" +
		"  hint: write it with its scheme, such as http://prometheus.monitoring:9090")
}

// Ping asks for the constant vector(1), which needs no data, so that a wrong
// URL or missing credentials show before anything depends on an answer. The
// error is an [*analysis.QueryError].
func (c *Client) Ping(ctx context.Context) error {
	a, err := c.Query(ctx, "vector(1)", time.Time{})
	if err != nil {
		return err
	}
	if a.Kind != analysis.Vector || len(a.Samples) != 1 || a.Samples[0].Value != 1 {
		return c.unreadable("vector(1) is not 1 there", notPrometheus)
	}
	return nil
}
