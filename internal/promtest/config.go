package promtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Job scrapes every pod of an exporter. Two jobs of the same exporter are what
// a highly available pair of servers delivers.
type Job struct {
	// Name is the label job, unless Labels has another one, and is unique in
	// its server.
	Name     string
	Exporter *Exporter

	// PodLabel and NamespaceLabel name the labels that say which pod a series
	// comes from. Empty: "pod" and "namespace". NoLabel: there is none.
	PodLabel       string
	NamespaceLabel string

	// Labels are put on every series, such as prometheus_replica.
	Labels Labels

	// Instant takes the detour around service discovery, which needs up to five
	// seconds to notice anything: one target tells about all pods, with up for
	// each, so that they appear and vanish with the next scrape. The server's
	// list of targets does not show them.
	Instant bool
}

// NoLabel as the name of a label leaves it out.
const NoLabel = "-"

func (j Job) podLabel() string       { return labelName(j.PodLabel, "pod") }
func (j Job) namespaceLabel() string { return labelName(j.NamespaceLabel, "namespace") }

func labelName(name, otherwise string) string {
	switch name {
	case "":
		return otherwise
	case NoLabel:
		return ""
	}
	return name
}

// scraper tells an exporter who scrapes it.
func (s *Server) scraper(j Job) string { return s.address + "/" + j.Name }

// config renders prometheus.yml.
func (s *Server) config() string {
	var b strings.Builder
	interval := fmt.Sprintf("%dms", s.options.ScrapeInterval.Milliseconds())
	fmt.Fprintf(&b, "global:\n  scrape_interval: %s\n  scrape_timeout: %[1]s\n  evaluation_interval: %[1]s\n", interval)
	if len(s.options.ExternalLabels) > 0 {
		fmt.Fprintf(&b, "  external_labels: %s\n", quoted(s.options.ExternalLabels))
	}
	if s.nativeByConfig() {
		b.WriteString("  scrape_native_histograms: true\n")
	}
	if len(s.options.RuleFiles) > 0 {
		fmt.Fprintf(&b, "rule_files: %s\n", quoted(s.options.RuleFiles))
	}
	b.WriteString("scrape_configs:\n")
	for _, j := range s.options.Jobs {
		s.writeJob(&b, j)
	}
	extra := s.options.ExtraTargets
	if s.options.ScrapeSelf {
		extra = append(slices.Clone(extra), Target{Job: "prometheus", Address: s.address})
	}
	for i, target := range extra {
		labels := maps.Clone(target.Labels)
		if labels == nil {
			labels = Labels{}
		}
		labels["job"] = target.Job
		if target.Job == "" {
			labels["job"] = "extra"
		}
		fmt.Fprintf(&b, "- job_name: extra-%d\n  honor_labels: %t\n  static_configs: [{targets: [%s], labels: %s}]\n", i, target.HonorLabels, quoted(target.Address), quoted(labels))
	}
	return b.String()
}

func (s *Server) writeJob(b *strings.Builder, j Job) {
	fmt.Fprintf(b, "- job_name: %s\n", quoted(j.Name))
	if j.Instant {
		fmt.Fprintf(b, "  metrics_path: /pods\n  honor_labels: true\n  static_configs: [{targets: [%s]}]\n", quoted(j.Exporter.address))
		fmt.Fprintf(b, "  params: {scraper: [%s], pod: [%s], namespace: [%s]}\n",
			quoted(s.scraper(j)), quoted(j.podLabel()), quoted(j.namespaceLabel()))
	} else {
		fmt.Fprintf(b, "  http_sd_configs: [{url: %s, refresh_interval: 100ms}]\n", quoted("http://"+j.Exporter.address+"/targets"))
		fmt.Fprintf(b, "  params: {scraper: [%s]}\n", quoted(s.scraper(j)))
	}
	b.WriteString("  relabel_configs:\n  - {action: labelmap, regex: __meta_label_(.+)}\n")
	if label := j.podLabel(); label != "" {
		fmt.Fprintf(b, "  - {source_labels: [__meta_pod], target_label: %s, regex: (.+)}\n", quoted(label))
	}
	if label := j.namespaceLabel(); label != "" {
		fmt.Fprintf(b, "  - {source_labels: [__meta_namespace], target_label: %s, regex: (.+)}\n", quoted(label))
	}
	for _, label := range slices.Sorted(maps.Keys(j.Labels)) {
		fmt.Fprintf(b, "  - {target_label: %s, replacement: %s}\n", quoted(label), quoted(j.Labels[label]))
	}
}

// quoted writes strings, lists and maps as JSON, which is YAML too.
func quoted(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, and lists and maps of them, cannot fail
	}
	return string(data)
}

// instantJob is what the parameters of a scrape say about an Instant job.
func instantJob(parameters url.Values) Job {
	none := func(name string) string {
		if name == "" {
			return NoLabel
		}
		return name
	}
	return Job{PodLabel: none(parameters.Get("pod")), NamespaceLabel: none(parameters.Get("namespace"))}
}
