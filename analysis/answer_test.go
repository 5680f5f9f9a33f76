package analysis

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// What a server answers, and what a value makes of it.
func TestMeasureAnswers(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	ignored := "PromQL info: ignored histogram in max aggregation (1:1)"
	one := func(v float64) Answer { return vector(v) }
	infos := func(a Answer, infos ...string) Answer { a.Infos = infos; return a }
	native := vector(0, 1)
	native.Samples[1].Histogram = true
	several := func(values ...float64) Answer { return vector(values...) }
	max1 := Criterion{Op: LessEqual, Limit: Limit{Value: 1}}
	min1 := Criterion{Op: GreaterEqual, Limit: Limit{Value: 1}}
	with := func(c Criterion, policy NoDataPolicy) Criterion { c.NoData = policy; return c }
	each := func(c Criterion) Criterion { c.Each = []string{"pod"}; return c }

	for name, tt := range map[string]struct {
		c      Criterion
		answer Answer
		state  State
		value  float64 // of the point, where it is judged
		words  string  // of the group or the note
	}{
		"nothing by nothing":              {max1, one(nan), NoData, nan, "NaN"},
		"nothing by nothing, lower limit": {min1, one(nan), NoData, nan, "NaN"},
		"something by nothing":            {max1, one(inf), Breach, inf, ""},
		"something by nothing, wanted":    {min1, one(inf), NoData, inf, "infinite"},
		"minus something by nothing":      {max1, one(-inf), NoData, -inf, "infinite"},

		"empty":               {max1, one(0), OK, 0, ""},
		"empty, no policy":    {max1, vector(), NoData, 0, "no series"},
		"empty, inconclusive": {with(max1, NoDataInconclusive), vector(), NoData, 0, "no series"},
		"empty, pass":         {with(max1, NoDataPass), vector(), OK, 0, "no series"},
		"empty, fail":         {with(max1, NoDataFail), vector(), Breach, 0, "no series"},
		"empty, zero":         {with(max1, NoDataZero), vector(), OK, 0, "no series"},
		"empty, zero too few": {with(min1, NoDataZero), vector(), Breach, 0, "no series"},
		"NaN has no policy":   {with(max1, NoDataPass), one(nan), NoData, nan, "NaN"},
		"a policy is not for warnings": {with(max1, NoDataPass), Answer{Kind: Vector, Warnings: []string{"one store is away"}},
			Failed, 0, "incomplete"},
		"a policy is not for other kinds": {with(max1, NoDataPass), Answer{Kind: String}, Failed, 0, "string"},

		"histograms were ignored, one number left": {max1, infos(one(0), ignored), Failed, 0, "left out"},
		"histograms were ignored, nothing left":    {max1, infos(vector(), ignored), Failed, 0, "left out"},
		"nothing left is not zero":                 {with(max1, NoDataZero), infos(vector(), ignored), Failed, 0, "left out"},
		"nothing left is no pass":                  {with(max1, NoDataPass), infos(vector(), ignored), Failed, 0, "left out"},
		"histogram compared with a number": {with(max1, NoDataZero), infos(vector(),
			`PromQL info: incompatible sample types encountered for binary operator ">": histogram > float`), Failed, 0, "left out"},
		"mixed range": {max1, infos(one(0), "PromQL info: ignored histograms in a range containing both floats and histograms for metric name \"x\""),
			Failed, 0, "left out"},
		"not named like a counter": {max1, infos(one(0), "PromQL info: metric might not be a counter, name does not end in _total: \"x\""), OK, 0, ""},
		"forced monotonicity":      {max1, infos(one(0), "PromQL info: input to histogram_quantile needed to be fixed for monotonicity"), OK, 0, ""},

		"several":                   {max1, several(0, 0), Failed, 0, "2 series"},
		"each, all good":            {each(max1), several(0.2, 0.7, 0.1), OK, 0.7, `pod="b"`},
		"each, one bad":             {each(max1), several(0.2, 3, 2), Breach, 3, `pod="b"`},
		"each, least of lower":      {each(min1), several(5, 2, 3), OK, 2, `pod="b"`},
		"each, worst of lower":      {each(min1), several(0.5, 0.1, 3), Breach, 0.1, `pod="b"`},
		"each, one unknown":         {each(max1), several(0.2, nan), NoData, nan, `pod="b"`},
		"each, unknown and bad":     {each(max1), several(nan, 7), Breach, 7, `pod="b"`},
		"each, a histogram":         {each(max1), native, Failed, 0, "native histogram"},
		"each, all series the same": {Criterion{Op: LessEqual, Each: []string{"job"}}, several(0, 0), Failed, 0, "or name the labels in each"},
	} {
		p := Measure(tt.c, time.Unix(1e9, 0), tt.answer, nil)
		if p.State != tt.state || !strings.Contains(p.Group+p.Note, tt.words) {
			t.Errorf("%s: got %s %q %q, want %s %q", name, p.State, p.Group, p.Note, tt.state, tt.words)
		}
		if tt.value != 0 && (p.Value == nil || float64(*p.Value) != tt.value && !math.IsNaN(tt.value)) {
			t.Errorf("%s: the value is %v, want %v", name, p.Value, tt.value)
		}
	}
}

// The order of the series in an answer makes no difference.
func TestMeasureOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	pool := []float64{0, 0.5, 1, 1, 2, 5, math.NaN(), math.Inf(1), math.Inf(-1)}
	for range 2000 {
		values := make([]float64, 1+random.IntN(5))
		for i := range values {
			values[i] = pool[random.IntN(len(pool))]
		}
		a := vector(values...)
		c := Criterion{Op: []Op{Less, LessEqual, Greater, GreaterEqual, Equal}[random.IntN(5)], Limit: Limit{Value: 1}, Each: []string{"pod"}}
		before := Measure(c, time.Unix(1e9, 0), a, nil)
		random.Shuffle(len(a.Samples), func(i, j int) { a.Samples[i], a.Samples[j] = a.Samples[j], a.Samples[i] })
		after := Measure(c, time.Unix(1e9, 0), a, nil)
		if before.State != after.State || before.judged() && *before.Value != *after.Value {
			t.Fatalf("%s %v: %s %v, and in another order %s %v", c.Op, values, before.State, *before.Value, after.State, *after.Value)
		}
	}
}
