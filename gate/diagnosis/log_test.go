package diagnosis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// logTarget is a LogTarget whose end is told from the time of the evidence.
type logTarget struct {
	Pod, Container string
	Previous       bool
	Ended          string
}

// TestLogTargets asks for the logs of the attempts that ended, of several pods with one cause, and for none where no
// program ran.
func TestLogTargets(t *testing.T) {
	for dir, want := range map[string][]logTarget{
		"crash-half":           {{"web-new-a", "web", false, "-10s"}, {"web-new-b", "web", false, "-10s"}},
		"crash-injected":       {{"web-new-a", "mesh-proxy", false, "-10s"}},
		"crash-then-starting":  {{"web-new-a", "web", true, ""}},
		"job-failed":           {{"migrate-c", "migrate", false, "-20s"}, {"migrate-a", "migrate", false, "-50s"}, {"migrate-b", "migrate", false, "-35s"}},
		"pod-failed":           {{"smoke", "smoke", false, "-51s"}},
		"image-backoff-1.31":   nil,
		"quota-deadlock":       nil,
		"crash-then-ready":     nil,
		"config-map-together":  nil,
		"endpoints-there":      nil,
		"schedule-spread":      nil,
		"sidecar-not-started":  {{"web-new-a", "proxy", false, ""}},
		"crash-past-not-ready": {{"web-new-a", "web", false, ""}}, // a probe asks the attempt that runs
		"schedule-nominated":   nil,
		"crash-before-rollout": nil,
	} {
		ev := load(t, folder(t, dir))
		var got []logTarget
		for _, target := range strict.Needs(ev).Logs {
			ended := ""
			if !target.Ended.IsZero() {
				ended = target.Ended.Sub(ev.Workload.Now).String()
			}
			got = append(got, logTarget{target.Pod, target.Container, target.Previous, ended})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", dir, diff)
		}
	}
}

// TestAlike compares logs of pods with the same cause.
func TestAlike(t *testing.T) {
	for name, c := range map[string]struct {
		a, b string
		want bool
	}{
		"times, addresses and ids": {
			"2026/05/04 10:00:01 pod 10.1.2.3 id 7f3a9b\npanic: no config", "2026/05/04 10:00:09 pod 10.1.2.4 id 9c0d1e\npanic: no config", true},
		"the same error after other requests": {
			"GET /a\nERROR cannot reach 10.0.0.9:5432", "GET /b\nGET /c\nERROR cannot reach 10.0.0.8:5432", true},
		"another error": {"panic: no config", "panic: no license", false},
		"another end of the same story": {
			"ERROR a\nx\ny\nz\nu\nv", "ERROR b\nx\ny\nz\nu\nv", true},
	} {
		if got := alike(strings.Split(c.a, "\n"), strings.Split(c.b, "\n")); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestSimilar(t *testing.T) {
	names := []string{"settings", "web-config", "web-config-v2", "kube-root-ca.crt", "db"}
	for missing, want := range map[string]string{
		"setings":        ` (there is "settings")`,
		"Settings":       ` (there is "settings")`,
		"web-confg":      ` (there is "web-config")`,
		"config":         ` (there is "web-config")`,
		"web-config-v3":  ` (there is "web-config-v2" and "web-config")`,
		"feature-flags":  "",
		"d":              "",
		"kube-root":      ` (there is "kube-root-ca.crt")`,
		"something-else": "",
	} {
		if got := meant(missing, names); got != want {
			t.Errorf("%s: got %q, want %q", missing, got, want)
		}
	}
}
