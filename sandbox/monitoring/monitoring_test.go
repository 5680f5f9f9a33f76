package monitoring

import (
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	text := Config{
		Kubeconfig: "/k/config", NodeLabel: "sandbox.example/simulated", Traffic: 20123,
		MetricsPath: "/nodes/NODE/metrics", Interval: "2s",
	}.render()
	for _, want := range []string{
		"scrape_interval: 2s\n",
		`kubeconfig_file: "/k/config"`,
		"source_labels: [__meta_kubernetes_node_label_sandbox_example_simulated]",
		"replacement: /nodes/$1/metrics\n",
		"replacement: 127.0.0.1:20123\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q", want)
		}
	}
	for _, word := range []string{"INTERVAL", "KUBECONFIG", "NODE_LABEL", "METRICS_PATH", "TRAFFIC"} {
		if strings.Contains(text, word) {
			t.Errorf("%s is not replaced", word)
		}
	}
}
