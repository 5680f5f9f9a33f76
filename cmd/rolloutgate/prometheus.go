package main

import (
	"context"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/analysis/prometheus"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/tunnel"
)

// tokenEnv is where a bearer token for Prometheus is found when the config file names no other credentials.
const tokenEnv = envPrefix + "PROMETHEUS_TOKEN"

// reachTime is how long the way to a Service in the cluster may take to be found.
const reachTime = 45 * time.Second

// settings completes those of the config file by flags and environment. A flag beats the file, and a URL and a Service
// exclude each other.
func (o *options) settings(getenv func(string) string) (prometheus.Settings, error) {
	s := o.server
	switch {
	case o.prometheusURL != "" && o.prometheusService != "":
		return s, &usageError{"both --prometheus-url and --prometheus-service are given", "leave one of them out"}
	case o.prometheusURL != "":
		s.URL, s.Service = o.prometheusURL, ""
	case o.prometheusService != "":
		s.URL, s.Service = "", o.prometheusService
	case s.URL == "" && s.Service == "":
		return s, &usageError{"there are criteria, but no Prometheus to ask", "give --prometheus-url or set " + envName("prometheus-url") +
			"; for one inside the cluster give --prometheus-service NAMESPACE/NAME:PORT"}
	}
	if s.BasicAuth == nil && s.Bearer == nil && s.OAuth2 == nil && getenv(tokenEnv) != "" {
		s.Bearer = &prometheus.Bearer{TokenEnv: tokenEnv}
	}
	s.Timeout = o.spec.Timing.QueryTimeout
	return s, nil
}

// connectPrometheus finds the way to Prometheus and gives it to the gate. Where that leads through the cluster it is only looked
// for when the gate begins to ask: nothing of a mistake in the manifests should wait for it.
func (o *options) connectPrometheus(g *gate.Gate, getenv func(string) string) error {
	settings, err := o.settings(getenv)
	if err != nil {
		return err
	}
	if settings.Service == "" {
		config, err := settings.Config(getenv)
		if err != nil {
			return usage(err)
		}
		g.Querier, err = prometheus.New(config)
		return usage(err)
	}
	service, err := tunnel.ParseService(settings.Service)
	if err != nil {
		return usage(err)
	}
	service.NoProxy = settings.TunnelReason()
	early := settings // what is missing shows before anything is asked
	early.URL = "http://" + service.Name
	if _, err := early.Config(getenv); err != nil {
		return usage(err)
	}
	client, err := o.tunnels()
	if err != nil {
		return err
	}
	g.Reach = func(ctx context.Context) (analysis.Querier, string, func(), error) {
		ctx, cancel := context.WithTimeout(ctx, reachTime)
		defer cancel()
		route, err := client.Reach(ctx, service, settings.Path)
		if err != nil {
			return nil, "", nil, err
		}
		s := settings
		s.URL, s.Transport, s.Dial, s.PreferGET = route.URL, route.Transport, route.Dial, true
		config, err := s.Config(getenv)
		if err != nil {
			route.Close()
			return nil, "", nil, err
		}
		querier, err := prometheus.New(config)
		how := "Prometheus is reached by " + route.How
		if route.Note != "" {
			how += ": " + route.Note
		}
		return querier, how, route.Close, err
	}
	return nil
}

// tunnels finds ways into the cluster.
func (o *options) tunnels() (*tunnel.Client, error) {
	config, err := o.kube.ToRESTConfig()
	if err != nil {
		return nil, noCluster(err)
	}
	if o.token != nil {
		config = cluster.WithTokens(config, o.token)
	}
	return tunnel.New(config)
}
