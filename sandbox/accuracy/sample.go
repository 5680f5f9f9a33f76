package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// sample chooses one of so many bad rollouts. The same seed chooses the same ones.
type sample struct {
	of   int // 1: all
	seed uint64
}

func parseShare(text string) (int, error) {
	if text == "1" {
		return 1, nil
	}
	part, ok := strings.CutPrefix(text, "1/")
	n, err := strconv.Atoi(part)
	if !ok || err != nil || n < 1 {
		return 0, fmt.Errorf("reading --sample: %q is not 1/N", text)
	}
	return n, nil
}

// from returns the cases to play, in their order: of the bad rollouts of each tier the share, rounded up, and all others.
func (s sample) from(all []*testCase) []*testCase {
	if s.of <= 1 {
		return all
	}
	chosen := map[*testCase]bool{}
	byTier := map[string][]*testCase{}
	for _, c := range all {
		if c.Quiet || c.moves() {
			chosen[c] = true
		} else {
			byTier[c.Tier] = append(byTier[c.Tier], c)
		}
	}
	for _, some := range byTier {
		random := rand.New(rand.NewPCG(s.seed, 0))
		random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		for _, c := range some[:(len(some)+s.of-1)/s.of] {
			chosen[c] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(c *testCase) bool { return !chosen[c] })
}
