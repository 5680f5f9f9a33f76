package cluster

import (
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// TestSendsTo: a Service that is pinned to another revision counts as one of the pods, so that it is noticed, unless a stage
// or an undo means it so.
func TestSendsTo(t *testing.T) {
	pods := labels.Set{"app": "web", "pod-template-hash": "new"}
	for name, c := range map[string]struct {
		selector map[string]string
		meant    bool
		want     bool
	}{
		"a plain one":                 {map[string]string{"app": "web"}, false, true},
		"another workload's":          {map[string]string{"app": "api"}, false, false},
		"pinned to them":              {map[string]string{"app": "web", "pod-template-hash": "new"}, true, true},
		"pinned to others":            {map[string]string{"app": "web", "pod-template-hash": "old"}, false, true},
		"pinned to others on purpose": {map[string]string{"app": "web", "pod-template-hash": "old"}, true, false},
		"another workload's, pinned":  {map[string]string{"app": "api", "pod-template-hash": "old"}, false, false},
		"nothing but a pin":           {map[string]string{"pod-template-hash": "old"}, false, false},
	} {
		if got := sendsTo(c.selector, pods, c.meant); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
