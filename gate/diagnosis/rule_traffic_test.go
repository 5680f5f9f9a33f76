package diagnosis

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTrafficOrder reads Services, slices and policies in another order: the answer must not depend on it.
func TestTrafficOrder(t *testing.T) {
	for _, name := range []string{"flapping-stalled", "network-policy-relabelled", "network-policy-port", "service-drops-others-serve", "service-selects-nothing", "service-target-port", "traffic-skew", "image-slow-size-known"} {
		ev := load(t, folder(t, name))
		ev.TimedOut = true
		want := render(strict.Explain(ev))
		slices.Reverse(ev.Services)
		slices.Reverse(ev.Slices)
		slices.Reverse(ev.Policies)
		slices.Reverse(ev.Events)
		slices.Reverse(ev.Workload.Pods)
		if diff := cmp.Diff(want, render(strict.Explain(ev))); diff != "" {
			t.Errorf("%s: findings depend on the order of the evidence:\n%s", name, diff)
		}
	}
}

// TestTrafficNothing has objects with nothing in them.
func TestTrafficNothing(t *testing.T) {
	ev := load(t, folder(t, "traffic-skew"))
	ev.TimedOut, ev.CriteriaFailed = true, true
	ev.Services = append(ev.Services, nil)
	ev.Slices = append(ev.Slices, nil)
	ev.Policies = append(ev.Policies, nil)
	ev.Previous, ev.Workload.Applied = nil, nil
	strict.Explain(ev)
	ev.Workload.Live = nil
	strict.Explain(ev)
}
