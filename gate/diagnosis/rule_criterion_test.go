package diagnosis

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCriteria reads the findings of criteria as a report has them.
func TestCriteria(t *testing.T) {
	c := Criterion{
		Name: "errors", Text: "rate of errors < 1%", Reason: "4 of 6 values broke the limit", Count: 6,
		Contributors: []string{"pod=web-1: 31%"}, FirstBreach: time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC),
	}
	events := c
	events.Events, events.Count = true, 31
	before := Criterion{Name: "errors", Text: c.Text, Reason: "31% against < 1%"}
	got := render([]Finding{
		CriterionBreached(c), CriterionBreached(events), CriterionInconclusive(c),
		CriterionFailsBefore(before), CriterionFailsBefore(Criterion{Name: "errors"}), CriterionUnusable(before),
	})
	const golden = "testdata/criteria"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("findings differ (-want +got):\n%s", diff)
	}
}

// TestCriteriaAreNotTuned: a flag that could change nothing is refused.
func TestCriteriaAreNotTuned(t *testing.T) {
	for _, flags := range [][2]string{{"CriterionBreached=1m", ""}, {"", "CriterionInconclusive"}} {
		if _, err := ParsePatience(flags[0], flags[1]); err == nil || !strings.Contains(err.Error(), "--settle") {
			t.Errorf("%v: got %v", flags, err)
		}
	}
}
