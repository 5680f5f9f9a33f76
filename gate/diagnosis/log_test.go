package diagnosis

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLogTargets asks for the logs of the attempts that ended, and for none where no program ran.
func TestLogTargets(t *testing.T) {
	for dir, want := range map[string][]LogTarget{
		"crash-half":           {{"web-new-a", "web", false}},
		"crash-injected":       {{"web-new-a", "mesh-proxy", false}},
		"crash-then-starting":  {{"web-new-a", "web", true}},
		"job-failed":           {{"migrate-c", "migrate", false}},
		"pod-failed":           {{"smoke", "smoke", false}},
		"image-backoff-1.31":   nil,
		"quota-deadlock":       nil,
		"crash-then-ready":     nil,
		"config-map-together":  nil,
		"endpoints-there":      nil,
		"schedule-spread":      nil,
		"sidecar-not-started":  {{"web-new-a", "proxy", false}},
		"schedule-nominated":   nil,
		"crash-before-rollout": nil,
	} {
		if diff := cmp.Diff(want, LogTargets(load(t, "testdata/"+dir))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", dir, diff)
		}
	}
}
