package main

import (
	"context"
	"sync"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/telemetry"
)

// maxTraced bounds what is kept of a run that goes on for hours.
const maxTraced = 5000

// traces sends a trace of the run, when the variables of OpenTelemetry say where to. They are there for all programs of a
// job, so one that is wrong is no reason not to deploy.
func traces(_ *options, getenv func(string) string) (*sink, error) {
	exporter, wrong := telemetry.FromEnvironment(getenv)
	if exporter == nil && wrong == nil {
		return nil, nil
	}
	var mu sync.Mutex
	var events []gate.Event
	return &sink{
		name: "OpenTelemetry",
		event: func(e gate.Event) {
			mu.Lock()
			defer mu.Unlock()
			if telemetry.Wanted(e) && len(events) < maxTraced {
				events = append(events, e)
			}
		},
		finish: func(ctx context.Context, r gate.Report) error {
			mu.Lock()
			defer mu.Unlock()
			if wrong != nil {
				return wrong
			}
			return exporter.Export(ctx, r, events)
		},
	}, nil
}
