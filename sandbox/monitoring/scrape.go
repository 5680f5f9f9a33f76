package monitoring

import (
	"strconv"
	"strings"
)

// render returns prometheus.yaml.
//
// The pods of a simulated node are scraped together as one target, whose own
// labels (namespace, pod, job, instance, …) are honoured: the series look as if
// each pod had been scraped by a ServiceMonitor. Pods of a real node are scraped
// one by one when annotated prometheus.io/scrape: "true".
func (c Config) render() string {
	label := "__meta_kubernetes_node_label_" + sanitize(c.NodeLabel)
	address := "127.0.0.1:" + strconv.Itoa(c.Traffic)
	path := strings.ReplaceAll(c.MetricsPath, "NODE", "$1")
	return strings.NewReplacer(
		"INTERVAL", c.Interval,
		"KUBECONFIG", c.Kubeconfig,
		"NODE_LABEL", label,
		"TRAFFIC", address,
		"METRICS_PATH", path,
	).Replace(scrapeTemplate)
}

const scrapeTemplate = `global:
  scrape_interval: INTERVAL
  scrape_timeout: INTERVAL
  evaluation_interval: INTERVAL
scrape_configs:
- job_name: simulated-pods
  honor_labels: true
  kubernetes_sd_configs:
  - role: node
    kubeconfig_file: "KUBECONFIG"
  relabel_configs:
  - source_labels: [NODE_LABEL]
    regex: "true"
    action: keep
  - source_labels: [__meta_kubernetes_node_name]
    target_label: __metrics_path__
    replacement: METRICS_PATH
  - target_label: __address__
    replacement: TRAFFIC
  - source_labels: [__meta_kubernetes_node_name]
    target_label: instance
- job_name: pods
  kubernetes_sd_configs:
  - role: pod
    kubeconfig_file: "KUBECONFIG"
    attach_metadata: {node: true}
    selectors:
    - role: pod
      field: status.phase=Running
  relabel_configs:
  - source_labels: [NODE_LABEL]
    regex: "true"
    action: drop
  - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape]
    regex: "true"
    action: keep
  - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path]
    regex: (.+)
    target_label: __metrics_path__
  - source_labels: [__address__, __meta_kubernetes_pod_annotation_prometheus_io_port]
    regex: ([^:]+)(?::\d+)?;(\d+)
    target_label: __address__
    replacement: $1:$2
  - source_labels: [__meta_kubernetes_namespace]
    target_label: namespace
  - source_labels: [__meta_kubernetes_pod_name]
    target_label: pod
  - source_labels: [__meta_kubernetes_pod_container_name]
    target_label: container
  - source_labels: [__meta_kubernetes_pod_node_name]
    target_label: node
  - source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name, __meta_kubernetes_pod_label_app]
    regex: ;(.+)|(.+);.*
    target_label: service
    replacement: $1$2
  - source_labels: [service]
    regex: (.+)
    target_label: job
  - action: labelmap
    regex: __meta_kubernetes_pod_label_(.+)
`

// sanitize mirrors how Prometheus turns a Kubernetes label into a label name.
func sanitize(label string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, label)
}
