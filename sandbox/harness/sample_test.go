package harness

import (
	"slices"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	var all []string
	for c := 'A'; c <= 'Z'; c++ {
		all = append(all, "some "+string(c))
	}
	all = append(all, "other A", "always")
	group := func(s string) string {
		if s == "always" {
			return ""
		}
		g, _, _ := strings.Cut(s, " ")
		return g
	}
	first := Choose(Sample{3, 1}, all, group)
	if len(first) != 9+1+1 || !slices.Contains(first, "other A") || !slices.Contains(first, "always") {
		t.Errorf("it chooses %q", first)
	}
	if !slices.Equal(first, Choose(Sample{3, 1}, all, group)) {
		t.Error("the same seed chooses others")
	}
	if slices.Equal(first, Choose(Sample{3, 2}, all, group)) {
		t.Error("another seed chooses the same")
	}
	twins := []string{"a 1", "a 2", "a 3", "a 4", "a 5", "a 6", "a 7", "a 8", "b 1", "b 2", "b 3", "b 4", "b 5", "b 6", "b 7", "b 8"}
	if got := Choose(Sample{2, 1}, twins, group); strings.ReplaceAll(strings.Join(got[:4], ""), "a", "b") == strings.Join(got[4:], "") {
		t.Errorf("all groups are alike: %q", got)
	}
	if got := Choose(Sample{}, all, group); !slices.Equal(got, all) {
		t.Error("a sample of all is not all")
	}
}

func TestShares(t *testing.T) {
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
