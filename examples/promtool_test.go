//go:build prometheus

package examples_test

import (
	"os/exec"
	"testing"
)

// TestPromtool has the rules checked and tested by Prometheus' own tool, of Debian's package prometheus.
func TestPromtool(t *testing.T) {
	for _, args := range [][]string{
		{"check", "rules", "alerts.yaml"},
		{"test", "rules", "alerts.test.yaml"},
		{"test", "rules", "alerts.slow.test.yaml"},
	} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = "dashboards"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
