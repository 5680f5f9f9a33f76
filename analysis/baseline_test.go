package analysis

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

func TestBaselineGate(t *testing.T) {
	higher := &Baseline{MaxRatio: 1.25, MinIncrease: Limit{Value: 0.001}}
	lower := &Baseline{MinRatio: 0.8, MinIncrease: Limit{Value: 5}}
	for _, tt := range []struct {
		b             *Baseline
		value, before float64
		worse         bool
	}{
		{higher, 0.02, 0.01, true}, {higher, 0.012, 0.01, false}, {higher, 0.0005, 0.0001, false}, {higher, 0.001, 0, true},
		{higher, 0.0009, 0, false}, {higher, 0, 0, false}, {higher, 0.01, 0.01, false}, {higher, 0.005, 0.01, false},
		{lower, 70, 100, true}, {lower, 85, 100, false}, {lower, 7, 10, false}, {lower, 100, 100, false}, {lower, 200, 100, false},
		{&Baseline{MaxRatio: 1.25}, -10, -10, false}, {&Baseline{MaxRatio: 1.25}, -20, -10, false},
	} {
		if got := tt.b.worse(tt.value, tt.before); got != tt.worse {
			t.Errorf("%+v: %v after %v is worse: %t", *tt.b, tt.value, tt.before, got)
		}
		limit := tt.b.limit(tt.before)
		over := tt.value > limit
		if tt.b.MinRatio > 0 {
			over = tt.value < limit
		}
		if over && !tt.worse {
			t.Errorf("%+v: %v breaks the limit %v, and is not worse than %v", *tt.b, tt.value, limit, tt.before)
		}
	}
}

// A share is compared with the one before only when both have events enough, and only what matters is a breach.
func TestShareAgainstBaseline(t *testing.T) {
	criterion := func(kind BaselineKind) Criterion {
		return Criterion{Name: "errors", Counts: &Counts{Bad: "b", Total: "t"}, Op: LessEqual, Limit: Limit{Unit: Percent}, Baseline: &Baseline{
			Kind: kind, MaxRatio: defaultMaxRatio, MinIncrease: Limit{Value: defaultIncrease}, Windows: defaultWindows}}
	}
	windows := func(n int, share float64) []float64 { return slices.Repeat([]float64{share}, n) }
	for name, tt := range map[string]struct {
		kind     BaselineKind
		bad, all float64
		ref      *reference
		state    State
		note     string
		evidence bool
	}{
		"nothing known":             {BaselineBefore, 10, 1000, nil, NoData, "nothing to compare with", false},
		"could not be measured":     {BaselineBefore, 10, 1000, &reference{Problem: "refused"}, NoData, "refused", false},
		"too little before":         {BaselineBefore, 100, 1000, &reference{Value: 0, Bad: 0, Events: 20}, NoData, "only 20 of 50 events", false},
		"alike":                     {BaselineBefore, 10, 1000, &reference{Value: 0.01, Bad: 10, Events: 1000}, OK, "", false},
		"much worse":                {BaselineBefore, 200, 1000, &reference{Value: 0.01, Bad: 10, Events: 1000}, Breach, "", true},
		"worse than none":           {BaselineBefore, 200, 1000, &reference{Events: 1000}, Breach, "", true},
		"worse, and too little":     {BaselineBefore, 1009, 1e6, &reference{Value: 0.0005, Bad: 500, Events: 1e6}, OK, "", false},
		"a little of many":          {BaselineBefore, 11000, 1e6, &reference{Value: 0.01, Bad: 10000, Events: 1e6}, OK, "", false},
		"by chance":                 {BaselineBefore, 3, 60, &reference{Value: 0.02, Bad: 2, Events: 100}, OK, "", false},
		"too few now":               {BaselineBefore, 0, 10, &reference{Value: 0.01, Bad: 10, Events: 1000}, Thin, "10 of 50", false},
		"as in earlier windows":     {BaselineHistory, 10, 1000, &reference{Value: 0.01, Windows: windows(40, 0.01)}, OK, "", false},
		"worse than all windows":    {BaselineHistory, 50, 1000, &reference{Value: 0.01, Windows: windows(40, 0.01)}, Breach, "", false},
		"worse, but it happens":     {BaselineHistory, 50, 1000, &reference{Value: 0.01, Windows: append(windows(38, 0.01), 0.2, 0.3)}, OK, "", false},
		"too few windows":           {BaselineHistory, 50, 1000, &reference{Value: 0.01, Windows: windows(18, 0.01)}, NoData, "only 18 earlier windows", false},
		"worse by less than counts": {BaselineHistory, 9, 100000, &reference{Value: 0, Windows: windows(40, 0)}, OK, "", false},
	} {
		p := criterion(tt.kind).shareOf(time.Unix(1e9, 0), &group{bad: tt.bad, all: tt.all, badByPart: []float64{tt.bad}, allByPart: []float64{tt.all}}, 0.01, tt.ref)
		if p.State != tt.state || !strings.Contains(p.Note, tt.note) || p.Evidence >= Number(stats.Threshold(0.01)) != tt.evidence {
			t.Errorf("%s: got %s %q, evidence %v, want %s %q, %t", name, p.State, p.Note, p.Evidence, tt.state, tt.note, tt.evidence)
		}
	}
}
