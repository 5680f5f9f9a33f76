package harness

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Sample says which share of many cases is played. The zero value is all of them.
type Sample struct {
	Of   int // one of so many; all below 2
	Seed uint64
}

// Register adds the flags --sample and --seed; what names the cases.
func (s *Sample) Register(flags *flag.FlagSet, what string) {
	flags.Func("sample", "share of "+what+" to play, such as 1/3 (default 1)", func(text string) (err error) {
		s.Of, err = parseShare(text)
		return err
	})
	flags.Uint64Var(&s.Seed, "seed", 0, "which ones of them")
}

func parseShare(text string) (int, error) {
	if text == "1" {
		return 1, nil
	}
	part, ok := strings.CutPrefix(text, "1/")
	n, err := strconv.Atoi(part)
	if !ok || err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not 1/N", text)
	}
	return n, nil
}

// Choose returns the cases to play, in their order: of each group the share, rounded up, and all cases of the group "".
// The same seed chooses the same ones.
func Choose[T any](s Sample, all []T, group func(T) string) []T {
	if s.Of <= 1 {
		return all
	}
	chosen := make([]bool, len(all))
	groups := map[string][]int{}
	for i, c := range all {
		if g := group(c); g != "" {
			groups[g] = append(groups[g], i)
		} else {
			chosen[i] = true
		}
	}
	for name, some := range groups {
		hash := fnv.New64()
		_, _ = hash.Write([]byte(name)) // each group its own choice
		random := rand.New(rand.NewPCG(s.Seed, hash.Sum64()))
		random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		for _, i := range some[:(len(some)+s.Of-1)/s.Of] {
			chosen[i] = true
		}
	}
	var out []T
	for i, c := range all {
		if chosen[i] {
			out = append(out, c)
		}
	}
	return out
}
