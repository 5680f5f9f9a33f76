package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// TestSample: a share of the bad rollouts of each tier is played, and all others.
func TestSample(t *testing.T) {
	var all []*testCase
	for i := range 30 {
		all = append(all, &testCase{name: fmt.Sprint("bad", i), Tier: simulated, Expect: "X"})
	}
	all = append(all, &testCase{name: "real", Tier: realNode, Expect: "X"}, &testCase{name: "quiet", Tier: realNode, Quiet: true},
		&testCase{name: "moving", Tier: realNode, Exits: []int{10}})
	some := harness.Choose(harness.Sample{Of: 3, Seed: 1}, all, (*testCase).sampled)
	if len(some) != 10+3 {
		t.Errorf("it chooses %d of %d", len(some), len(all))
	}
	for _, always := range all[30:] {
		if !slices.Contains(some, always) {
			t.Errorf("%s is not played", always.name)
		}
	}
}
