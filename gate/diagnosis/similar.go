package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// meant suggests names that exist where one is missing: ` (there is "settings")`. It is empty when none is similar.
func meant(missing string, names []string) string {
	found := similar(missing, names)
	if len(found) == 0 {
		return ""
	}
	for i, n := range found {
		found[i] = fmt.Sprintf("%q", n)
	}
	return " (there is " + strings.Join(found, " and ") + ")"
}

// similar are the names that may be the one that was meant, at most two, the nearest first.
func similar(missing string, names []string) []string {
	type candidate struct {
		name string
		far  int
	}
	var near []candidate
	for _, n := range names {
		far := wording.Distance(strings.ToLower(missing), strings.ToLower(n))
		// Of two names with a common part one is often the other with a suffix: web-config, web-config-v2.
		if n != missing && len(n) >= 3 && len(missing) >= 3 && (strings.HasPrefix(n, missing) || strings.HasPrefix(missing, n) || strings.HasSuffix(n, missing) || strings.HasSuffix(missing, n)) {
			far = min(far, 2)
		}
		if n != missing && far <= min(3, len(missing)/3) {
			near = append(near, candidate{n, far})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int {
		if a.far != b.far {
			return a.far - b.far
		}
		return strings.Compare(a.name, b.name)
	})
	var found []string
	for _, c := range near[:min(len(near), 2)] {
		found = append(found, c.name)
	}
	return found
}

// nearest is the name that is probably meant; empty when none is close.
func nearest(missing string, names []string) string {
	if near := similar(missing, names); len(near) > 0 {
		return near[0]
	}
	return ""
}

// probably adds to a finding about a missing name which one was meant: what there is to the cause, and to write that to
// the advice. or is what to do otherwise.
func (f *Finding) probably(near, thereIs, or string) {
	f.Cause += thereIs + near
	f.Fix = []string{"write " + near + ", if that was meant", or}
}
