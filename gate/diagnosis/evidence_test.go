package diagnosis

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestWith: what was read of the environment completes what the watch knows, and never replaces it.
func TestWith(t *testing.T) {
	frozen := load(t, folder(t, "schedule-anti-affinity-deadlock"))
	watched := frozen
	watched.Nodes, watched.Requested, watched.Events = nil, nil, nil
	watched.Workload.Pods = nil
	for _, p := range frozen.Workload.Pods {
		if len(p.Spec.NodeName) == 0 { // the new one
			watched.Workload.Pods = append(watched.Workload.Pods, p)
		}
	}
	if f := strict.Explain(watched); len(f) == 0 || f[0].Terminal == TerminalDeadlock {
		t.Fatalf("without nodes and old pods nothing is proven, got %s", render(f))
	}
	whole := watched.With(frozen.Environment())
	if f := strict.Explain(whole); len(f) == 0 || f[0].Terminal != TerminalDeadlock {
		t.Errorf("the proof is missing: %s", render(f))
	}
	if len(whole.Workload.Pods) != len(frozen.Workload.Pods) {
		t.Errorf("%d pods, want %d", len(whole.Workload.Pods), len(frozen.Workload.Pods))
	}
	own := []*corev1.Node{}
	watched.Nodes = own
	if got := watched.With(frozen.Environment()); got.Nodes == nil || len(got.Nodes) != 0 {
		t.Error("the watch's own nodes were replaced")
	}
}
