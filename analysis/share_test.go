package analysis

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// looks are points of a criterion on counts: pairs of bad and all events so far.
func looks(c Criterion, spread bool, counts ...float64) []Point {
	var points []Point
	g := &group{}
	for i := 0; i+1 < len(counts); i += 2 {
		at := time.Unix(int64(1e9+15*i), 0)
		if counts[i] < 0 {
			points = append(points, Point{Time: at, State: map[float64]State{-1: NoData, -2: Failed}[counts[i]], Note: "why not"})
			continue
		}
		g.badByPart, g.allByPart = append(g.badByPart, counts[i]-g.bad), append(g.allByPart, counts[i+1]-g.all)
		g.bad, g.all = counts[i], counts[i+1]
		p := c.shareOf(at, g, 0.01, nil)
		p.Spread = spread
		points = append(points, p)
	}
	return points
}

func TestJudgeShare(t *testing.T) {
	const none, gone = -1, -2 // as bad: no data, and a failed query
	c := Criterion{Name: "errors", Counts: &Counts{Bad: "b", Total: "t"}, Op: LessEqual, Limit: Limit{0.01, Percent}}
	strict := c
	strict.Limit.Value = 0
	for name, tt := range map[string]struct {
		c         Criterion
		spread    bool
		early     int
		scheduled int
		counts    []float64
		want      Verdict
		reason    string
	}{
		"enough and good":                   {c, false, 0, 2, []float64{0, 200, 1, 400}, Pass, "0.25% (limit <= 1%): 1 of 400 events"},
		"exactly the limit":                 {c, true, 0, 2, []float64{1, 200, 4, 400}, Pass, "1% (limit <= 1%)"},
		"above at the end":                  {c, false, 0, 2, []float64{0, 200, 5, 400}, Fail, "1.25% (limit <= 1%): 5 of 400"},
		"above before the end":              {c, false, 0, 2, []float64{5, 400, 5, 800}, Pass, ""},
		"evidence":                          {c, true, 0, 9, []float64{20, 40}, Fail, "evidence enough to stop early"},
		"evidence of one burst":             {c, false, 0, 9, []float64{20, 40}, Inconclusive, "1 of 9 samples"},
		"evidence before the window":        {c, true, 1, 9, []float64{20, 40}, Fail, "evidence enough"},
		"evidence of one burst, at the end": {c, false, 0, 1, []float64{20, 40}, Fail, "few events, but they leave no doubt"},
		"evidence, then drowned":            {c, true, 0, 2, []float64{20, 40, 20, 40000}, Fail, "evidence enough"},
		"too few":                           {c, true, 0, 2, []float64{0, 20, 0, 40}, Inconclusive, "too few events: 40 of 300 needed; at this pace that takes"},
		"too few, one of them bad":          {c, true, 0, 2, []float64{0, 20, 1, 40}, Inconclusive, "too few events"},
		"the last look has no answer":       {c, true, 0, 2, []float64{0, 400, gone, 0}, Error, "ends with a failed query: why not"},
		"the last look has no series":       {c, true, 0, 2, []float64{0, 400, none, 0}, Inconclusive, "ends without data: why not"},
		"other looks have no answer":        {c, true, 0, 4, []float64{gone, 0, none, 0, gone, 0, 0, 400}, Pass, ""},
		"no look in the window":             {c, true, 2, 2, []float64{0, 400, 0, 800}, Inconclusive, "0 of 2 samples"},
		"not all looks":                     {c, true, 1, 3, []float64{0, 400, 0, 800, 0, 900}, Inconclusive, "2 of 3 samples"},
		"nothing planned":                   {c, true, 0, 0, nil, Inconclusive, "0 of 0"},
		"no events":                         {c, true, 0, 1, []float64{0, 0}, Inconclusive, "no events"},
		"none allowed, one":                 {strict, true, 0, 9, []float64{1, 400}, Fail, "evidence enough"},
		"none allowed, none":                {strict, true, 0, 1, []float64{0, 60}, Pass, ""},
	} {
		r := judgeShare(tt.c, looks(tt.c, tt.spread, tt.counts...), tt.early, tt.scheduled, 0.01)
		if r.Verdict != tt.want || !strings.Contains(r.Reason, tt.reason) || r.Reason == "" {
			t.Errorf("%s: got %s (%s), want %s (%s)", name, r.Verdict, r.Reason, tt.want, tt.reason)
		}
		if r.Verdict == Fail && r.FirstBreach.IsZero() || r.Events > 0 && (r.Low == nil || *r.Low > *r.Value || *r.High < *r.Value) {
			t.Errorf("%s: incomplete: %+v", name, r)
		}
	}
}

// Whatever is measured: less of what is good is never better, and a wider limit is never worse.
func TestJudgeShareProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	limits := []float64{0, 0.001, 0.01, 0.02, 0.1, 0.5}
	rank := func(v Verdict) int { return slices.Index([]Verdict{Fail, Error, Inconclusive, Pass}, v) }
	for range 5000 {
		n := 1 + random.IntN(8)
		var counts []float64
		var bad, all float64
		for range n {
			switch random.IntN(8) {
			case 0:
				counts = append(counts, -1, 0)
				continue
			case 1:
				counts = append(counts, -2, 0)
				continue
			}
			more := float64(random.IntN(400))
			all, bad = all+more, bad+math.Floor(more*random.Float64()*limits[random.IntN(len(limits))])
			counts = append(counts, bad, all)
		}
		spread, early := random.IntN(2) == 0, random.IntN(2)
		scheduled := n - early
		c := Criterion{Counts: &Counts{Bad: "b", Total: "t"}, Op: LessEqual, Limit: Limit{Value: limits[random.IntN(len(limits))]}, MinEvents: 300}
		verdict := judgeShare(c, looks(c, spread, counts...), early, scheduled, 0.01).Verdict

		if end := random.IntN(n); end < n && scheduled > 0 {
			if cut := judgeShare(c, looks(c, spread, counts[:2*end]...), min(early, end), scheduled, 0.01).Verdict; cut == Pass || cut == Fail && verdict != Fail {
				t.Fatalf("%v is %s, and cut to %d of %d looks %s", counts, verdict, end, n, cut)
			}
		}
		if i := random.IntN(n); counts[2*i] >= 0 {
			without := slices.Clone(counts)
			without[2*i], without[2*i+1] = -1-float64(random.IntN(2)), 0
			if after := judgeShare(c, looks(c, spread, without...), early, scheduled, 0.01).Verdict; after == Pass && verdict != Pass && verdict != Fail {
				t.Fatalf("%v is %s, and without look %d %s", counts, verdict, i, after)
			}
		}
		more := slices.Clone(counts)
		for i := 1; i < len(more); i += 2 {
			if more[i] > 0 {
				more[i] += 1000 // good events
			}
		}
		if after := judgeShare(c, looks(c, spread, more...), early, scheduled, 0.01).Verdict; verdict == Pass && after != Pass {
			t.Fatalf("%v passes, and with more good events it is %s", counts, after)
		}
		wider := c
		wider.Limit.Value += 0.05
		if after := judgeShare(wider, looks(wider, spread, counts...), early, scheduled, 0.01).Verdict; rank(after) < rank(verdict) {
			t.Fatalf("%v is %s at %v, and %s at %v", counts, verdict, c.Limit.Value, after, wider.Limit.Value)
		}
	}
}
