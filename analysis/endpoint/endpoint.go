// Package endpoint asks endpoints that are no Prometheus for the values that analysis judges.
//
// It takes the endpoints of criteria, with the settings that stand beside them in a file, and implements
// [analysis.Fetcher]. A way to a Service in the cluster is given by whoever owns the connection to it.
//
// It never reads a value out of an answer, never skips the check of a certificate, never follows a redirect to another
// host, and never puts a credential into an error: all of that is as in the package prometheus, whose ways it goes.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/analysis/prometheus"
)

// root is the key that the settings stand under.
const root = "http"

// source is what errors call the endpoint of a criterion.
func source(criterion string) string { return fmt.Sprintf("the endpoint of criterion %q", criterion) }

// Check reads the settings of the endpoints in a file, as [New] does, without the environment and without opening
// anything. The error joins one [*analysis.SpecError] per mistake.
func Check(spec analysis.Spec) error {
	var errs []error
	for _, h := range spec.HTTP() {
		_, err := settings(h)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func settings(e analysis.Endpoint) (prometheus.Settings, error) {
	s, err := prometheus.ParseWay(e.File, root, e.Settings)
	if err == nil && e.Service != "" {
		if why := s.TunnelReason(); why != "" {
			err = &analysis.SpecError{File: e.File, Line: e.Settings.Line, Text: fmt.Sprintf("reading http: a Service is asked through the API server, and %s", strings.Replace(why, "Prometheus", "the Service", 1)),
				Hint: "give the endpoint a url that can be reached from here"}
		}
	}
	return s, err
}

// Route is a way to a Service in the cluster.
type Route struct {
	URL       string // what paths are put behind
	Transport http.RoundTripper
}

// Options say what endpoints need beyond their own settings.
type Options struct {
	Getenv  func(string) string
	Timeout time.Duration // of one question with all its retries
	// Route returns the way to a Service; nil: there is none.
	Route func(service string) (Route, error)
}

// Client asks endpoints. It is safe for concurrent use.
type Client struct{ ways map[string]way }

type way struct {
	*prometheus.Way
	base string // of a Service; empty where addresses are URLs
}

var _ analysis.Fetcher = (*Client)(nil)

// New makes the ways to all endpoints of the criteria. It does not connect. An environment variable that is not set, a
// file that cannot be read and a Service that cannot be one are errors that name the criterion.
func New(criteria []analysis.Criterion, o Options) (*Client, error) {
	c := &Client{ways: map[string]way{}}
	for _, e := range analysis.Endpoints(criteria) {
		made, err := o.way(e)
		if err != nil {
			return nil, fmt.Errorf("criterion %q: %w", e.Criterion, err)
		}
		c.ways[e.Criterion] = made
	}
	return c, nil
}

func (o Options) way(e analysis.Endpoint) (way, error) {
	s, err := settings(e)
	if err != nil {
		return way{}, err
	}
	s.Timeout = o.Timeout
	base := ""
	if e.Service != "" {
		if o.Route == nil {
			return way{}, errors.New("a Service cannot be asked without a cluster")
		}
		route, err := o.Route(e.Service)
		if err != nil {
			return way{}, err
		}
		base, s.Transport = strings.TrimRight(route.URL, "/"), route.Transport
	}
	w, err := s.Way(root, o.Getenv)
	return way{w, base}, err
}

// Close closes the connections that no question uses.
func (c *Client) Close() {
	for _, w := range c.ways {
		w.Close()
	}
}

// Fetch implements [analysis.Fetcher].
func (c *Client) Fetch(ctx context.Context, r analysis.Request) (analysis.Response, error) {
	w, known := c.ways[r.Criterion]
	if !known {
		return analysis.Response{}, fmt.Errorf("criterion %q has no endpoint", r.Criterion)
	}
	address := r.Address
	if w.base != "" && address == "" {
		address = "/" // else the API server answers with a redirect
	}
	req, err := http.NewRequest(r.Method, w.base+address, strings.NewReader(r.Body))
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" || req.URL.Host == "" {
		return analysis.Response{}, &analysis.QueryError{Kind: analysis.Unreadable, Source: source(r.Criterion), Text: "the url is not an http or https URL", Hint: "check the variables in it"}
	}
	req.Header.Set("Accept", "application/json, */*;q=0.5")
	if r.Body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	status, body, err := w.Ask(ctx, source(r.Criterion), req, r.AnyStatus, r.Secrets)
	if err != nil {
		return analysis.Response{}, err
	}
	return analysis.Response{Status: status, Body: body}, nil
}
