package main

import (
	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/analysis/endpoint"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/tunnel"
)

// connectEndpoints gives the gate who asks the endpoints of criteria. Nobody is asked yet.
func (o *options) connectEndpoints(g *gate.Gate, getenv func(string) string) error {
	if len(analysis.Endpoints(g.Criteria)) == 0 {
		return nil
	}
	client, err := endpoint.New(g.Criteria, endpoint.Options{Getenv: getenv, Timeout: o.spec.Timing.QueryTimeout, Route: o.routeTo})
	if err != nil {
		return usage(err)
	}
	g.Fetcher = client
	return nil
}

// routeTo is the way to a Service through the API server.
func (o *options) routeTo(text string) (endpoint.Route, error) {
	service, err := tunnel.ParseService(text)
	if err != nil {
		return endpoint.Route{}, err
	}
	client, err := o.tunnels()
	if err != nil {
		return endpoint.Route{}, err
	}
	route, err := client.Proxy(service)
	return endpoint.Route{URL: route.URL, Transport: route.Transport}, err
}
