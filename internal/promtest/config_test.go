package promtest

import (
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	e := &Exporter{address: "127.0.0.1:1"}
	for minor, native := range map[int]bool{0: false, 7: false, 8: true, 10: true} {
		s := &Server{Binary: Binary{Major: 3, Minor: minor}, options: Options{Jobs: []Job{{Name: "x", Exporter: e, PodLabel: NoLabel}}}}
		text := s.config()
		if strings.Contains(text, "scrape_native_histograms") != native {
			t.Errorf("3.%d: %s", minor, text)
		}
		if strings.Contains(text, "__meta_pod") || !strings.Contains(text, `target_label: "namespace"`) {
			t.Errorf("no pod label was wanted: %s", text)
		}
	}
}
