package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMisspeltVariables(t *testing.T) {
	got := misspelt((&program{}).root(), []string{
		"PATH=/bin", "ROLLOUTGATE_TIMOUT=1s", "ROLLOUTGATE_CANARRY=5%", "ROLLOUTGATE_CANARY=5%", "ROLLOUTGATE_UNFINISHED=x",
		"ROLLOUTGATE_PUSH_METRICS_TOKEN=x", "ROLLOUTGATE_NOTHING_LIKE_IT=1",
	})
	want := []string{
		"the variable ROLLOUTGATE_CANARRY is not known; did you mean ROLLOUTGATE_CANARY?",
		"the variable ROLLOUTGATE_TIMOUT is not known; did you mean ROLLOUTGATE_TIMEOUT?",
	}
	if diff := cmp.Diff(want, got); diff != "" || !slices.IsSorted(got) {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
