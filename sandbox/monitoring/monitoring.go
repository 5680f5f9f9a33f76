// Package monitoring runs the real Prometheus of a sandbox.
//
// It takes paths, a port and a kubeconfig, and returns the scrape configuration and the command line. Targets
// come from Kubernetes service discovery, never from a static list.
package monitoring

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rolloutgate/rolloutgate/sandbox/process"
)

// Config places one Prometheus.
type Config struct {
	Bin        string
	Data       string
	Kubeconfig string
	Port       int
	// NodeLabel marks, with value "true", the nodes whose pods are simulated. What
	// those pods expose is served on the port Traffic under MetricsPath, with NODE
	// for the node's name.
	NodeLabel   string
	Traffic     int
	MetricsPath string
	Interval    string // scrape interval, as "1s"
}

// URL is where queries go.
func (c Config) URL() string { return "http://127.0.0.1:" + strconv.Itoa(c.Port) }

func (c Config) file() string { return filepath.Join(c.Data, "prometheus.yaml") }

// Prepare writes the scrape configuration.
func (c Config) Prepare() error {
	if err := os.WriteFile(c.file(), []byte(c.render()), 0o600); err != nil {
		return fmt.Errorf("writing the configuration of Prometheus: %w", err)
	}
	return nil
}

// Prometheus keeps its data for the life of the sandbox only.
func (c Config) Prometheus() process.Spec {
	return process.Spec{
		Name: "prometheus", Path: filepath.Join(c.Bin, "prometheus"), Address: c.URL(),
		Args: []string{
			"--config.file=" + c.file(),
			"--storage.tsdb.path=" + filepath.Join(c.Data, "prometheus"),
			"--storage.tsdb.retention.time=1d",
			"--web.listen-address=127.0.0.1:" + strconv.Itoa(c.Port),
			"--log.level=warn",
		},
	}
}
