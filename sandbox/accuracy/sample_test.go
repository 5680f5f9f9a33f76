package main

import (
	"fmt"
	"slices"
	"testing"
)

func TestSample(t *testing.T) {
	var all []*testCase
	for i := range 30 {
		all = append(all, &testCase{name: fmt.Sprint("bad", i), Tier: simulated, Expect: "X"})
	}
	all = append(all, &testCase{name: "real", Tier: realNode, Expect: "X"}, &testCase{name: "quiet", Tier: realNode, Quiet: true},
		&testCase{name: "moving", Tier: realNode, Exits: []int{10}})
	first := sample{3, 1}.from(all)
	if len(first) != 10+3 {
		t.Errorf("it chooses %d of %d", len(first), len(all))
	}
	for _, always := range all[30:] {
		if !slices.Contains(first, always) {
			t.Errorf("%s is not played", always.name)
		}
	}
	if !slices.Equal(first, sample{3, 1}.from(all)) {
		t.Error("the same seed chooses others")
	}
	if slices.Equal(first, sample{3, 2}.from(all)) {
		t.Error("another seed chooses the same")
	}
	if got := (sample{of: 1}).from(all); !slices.Equal(got, all) {
		t.Error("a sample of all is not all")
	}
	for _, share := range []string{"1/3", "1", "1/12"} {
		if _, err := parseShare(share); err != nil {
			t.Error(err)
		}
	}
	for _, share := range []string{"", "2/3", "3", "1/0", "-1", "third"} {
		if _, err := parseShare(share); err == nil {
			t.Errorf("%q is a share", share)
		}
	}
}
