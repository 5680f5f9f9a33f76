package main

import (
	"context"
	"fmt"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/telemetry"
)

// pushEnv begins the variables for what must not be a flag, which every process of a machine can read, and for the files
// of a TLS connection.
const pushEnv = envPrefix + "PUSH_METRICS_"

// pushedMetrics gives the metrics of the run to a Pushgateway.
func pushedMetrics(o *options, getenv func(string) string) (*sink, error) {
	if o.pushMetrics == "" {
		return nil, nil
	}
	pusher, err := telemetry.NewPusher(telemetry.PushSettings{
		URL: o.pushMetrics, Token: getenv(pushEnv + "TOKEN"), Username: getenv(pushEnv + "USERNAME"), Password: getenv(pushEnv + "PASSWORD"),
		Files: telemetry.Certificates{CA: getenv(pushEnv + "CA_FILE"), Certificate: getenv(pushEnv + "CERT_FILE"), Key: getenv(pushEnv + "KEY_FILE")},
	})
	if err != nil {
		return nil, &usageError{
			fmt.Sprintf("reading --push-metrics: %v", err),
			"it is the address of a Pushgateway, such as http://pushgateway:9091; credentials and files of TLS are in " + pushEnv + "TOKEN, …USERNAME, …PASSWORD, …CA_FILE, …CERT_FILE and …KEY_FILE",
		}
	}
	return &sink{finish: func(ctx context.Context, r gate.Report) error {
		if !report.Released(r) {
			return nil
		}
		return pusher.Push(ctx, report.Metrics(r))
	}}, nil
}
