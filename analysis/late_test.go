package analysis

import (
	"strings"
	"testing"
	"time"
)

// A fault after many good events fails, and is told by what came since, not by a share that is within the limit.
func TestLateFaultIsToldBySince(t *testing.T) {
	c := Criterion{Name: "errors", Counts: &Counts{Bad: "b", Total: "t"}, Op: LessEqual, Limit: Limit{0.01, Percent}}
	g := &group{bad: 60, all: 20300, byLook: []float64{0, 0, 30, 30}, badByPart: []float64{0, 0, 30, 30}, allByPart: []float64{10000, 10000, 150, 150}}
	tracked := &tracker{order: []string{""}, groups: map[string]*group{"": g}}
	p := c.share(time.Unix(1e9, 0), tracked, 0.01, nil)
	r := judgeShare(c, []Point{p}, 0, 9, 0.01)
	if r.Verdict != Fail || !strings.HasPrefix(r.Reason, "20% (limit <= 1%): 60 of 300 events since interval 3 of 4; 60 of 20300 events in all; evidence") {
		t.Errorf("%s: %s", r.Verdict, r.Reason)
	}
}
