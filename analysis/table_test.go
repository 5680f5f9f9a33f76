package analysis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
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

// counted is an answer to a query for counters: parts like "a good 10", of a pod, a role and a value, with a
// container after a slash and the value of the label path after a colon.
func counted(parts ...string) Answer {
	a := Answer{Kind: Vector}
	for _, part := range parts {
		var pod, role string
		var value float64
		if _, err := fmt.Sscan(part, &pod, &role, &value); err != nil {
			panic(part)
		}
		pod, path, _ := strings.Cut(pod, ":")
		pod, container, _ := strings.Cut(pod, "/")
		l := map[string]string{"pod": pod, roleLabel: role}
		if path != "" {
			l["path"] = path
		}
		if container != "" {
			l["container"] = container
		}
		a.Samples = append(a.Samples, Sample{Labels: l, Value: value})
	}
	return a
}

func TestTallies(t *testing.T) {
	ratio, good := Counts{Bad: "b", Total: "t"}, Counts{Good: "g", Total: "t"}
	histogram := Counts{Histogram: "h", Over: 0.5}
	native := Counts{Histogram: "h", Over: 0.5, Native: true}
	for name, tt := range map[string]struct {
		counts Counts
		answer Answer
		want   string // "bad of total" for each process, in order
		err    string
	}{
		"bad and total":                 {counts: ratio, answer: counted("a bad 2", "a total 10"), want: "2 of 10"},
		"no bad event yet":              {counts: ratio, answer: counted("a total 10"), want: "0 of 10"},
		"nothing to judge by":           {counts: ratio, answer: counted("a bad 2")},
		"nothing at all":                {counts: ratio, answer: vector()},
		"one of two has no total":       {counts: ratio, answer: counted("a bad 2", "b bad 1", "b total 9"), want: "1 of 9"},
		"bad above total":               {counts: ratio, answer: counted("a bad 12", "a total 10"), want: "10 of 10"},
		"good":                          {counts: good, answer: counted("a good 7", "a total 10"), want: "3 of 10"},
		"no good event yet":             {counts: good, answer: counted("a total 10"), want: "10 of 10"},
		"good above total":              {counts: good, answer: counted("a good 12", "a total 10"), want: "0 of 10"},
		"bucket":                        {counts: histogram, answer: counted("a good 9", "a total 10"), want: "1 of 10"},
		"no such bucket":                {counts: histogram, answer: counted("a total 10"), err: "no bucket with the bound 0.5"},
		"no such bucket, no request":    {counts: histogram, answer: counted("a total 0"), want: "0 of 0"},
		"native":                        {counts: native, answer: counted("a good 9", "a total 10"), want: "1 of 10"},
		"native, fraction of nothing":   {counts: native, answer: counted("a good NaN", "a total 0"), want: "0 of 0"},
		"native, not quite whole":       {counts: native, answer: counted("a good 22.999999999999996", "a total 43"), want: "20 of 43"},
		"processes":                     {counts: ratio, answer: counted("b/y total 1", "a/x total 2", "b/x total 3"), want: "0 of 2, 0 of 3, 0 of 1"},
		"not a number":                  {counts: ratio, answer: counted("a total NaN"), err: "the counter is NaN"},
		"infinite":                      {counts: ratio, answer: counted("a total 1", "a bad +Inf"), err: "the counter is +Inf"},
		"the same twice":                {counts: ratio, answer: counted("a total 1", "a total 1"), err: "twice"},
		"a native histogram as counter": {counts: ratio, answer: Answer{Kind: Vector, Samples: []Sample{{Histogram: true}}}, err: "use slow"},
	} {
		all, err := tt.counts.tallies(tt.answer, nil, "pod")
		var got []string
		for _, one := range all {
			got = append(got, fmt.Sprintf("%s of %s", plain(one.bad), plain(one.total)))
		}
		if strings.Join(got, ", ") != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %q, %v, want %q, %q", name, got, err, tt.want, tt.err)
		}
	}
}

// Bounds are found in all the ways in which they are written, and no others.
func TestBoundPattern(t *testing.T) {
	for bound, texts := range map[float64]string{
		1: "1 1.0 1.00 1e+00", 0.5: "0.5 0.50 5e-01", 10: "10 10.0 1e+01", 0.25: "0.25 0.250", 1e-05: "1e-05 0.00001",
		2500: "2500 2500.0 2.5e+03", 1e6: "1000000 1e+06 1000000.0",
	} {
		m := matcherFor(t, boundPattern(bound))
		for _, text := range strings.Fields(texts) {
			if !m.Matches(text) {
				t.Errorf("%v is not found as %s", bound, text)
			}
		}
		for _, other := range []string{"", "1.5", "0.55", "100", "11", "+Inf", "0x5", "1.05", "25000", "05"} {
			if m.Matches(other) {
				t.Errorf("%v is found as %s", bound, other)
			}
		}
	}
}

// What one selector becomes in a query.
func TestCountsRender(t *testing.T) {
	for name, tt := range map[string]struct {
		counts Counts
		want   []string
		not    string
	}{
		"parentheses and comments": {Counts{Bad: "( (b_total) )", Total: "t_total # all of them"}, []string{"increase(b_total[60s])", "increase(t_total[60s])"}, "#"},
		"histogram":                {Counts{Histogram: "h", Over: 1}, []string{`h_bucket{le=~`, "increase(h_count["}, ""},
		"name as a label":          {Counts{Histogram: `{__name__="h",a="b"}`, Over: 1}, []string{`h_bucket`, `h_count`}, ""},
		"name as a pattern":        {Counts{Histogram: `{__name__=~"a|b"}`, Over: 1}, []string{`(a|b)_bucket`, `(a|b)_count`}, "a|b_"},
		"variables":                {Counts{Bad: `b{ns="${namespace}"}`, Total: "t"}, []string{`b{ns="shop"}`}, ""},
	} {
		query, err := tt.counts.increase(Vars{Namespace: "shop"}, nil, []string{"path", "an odd one"}, "60s")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, words := range append(tt.want, `path, "an odd one"`, "prometheus_replica") {
			if !strings.Contains(query, words) {
				t.Errorf("%s: %q is not in %s", name, words, query)
			}
		}
		if tt.not != "" && strings.Contains(query, tt.not) {
			t.Errorf("%s: %q is in %s", name, tt.not, query)
		}
	}
	for _, wrong := range []string{"rate(x[5m])", "x offset 5m", "x @ 5", "sum(x)", "x[5m]", "1", "x{"} {
		if _, err := (Counts{Bad: wrong, Total: "t"}).raw(Vars{}, nil, nil); err == nil {
			t.Errorf("%q is a counter", wrong)
		}
	}
}

// Alerts are matched however the selector is written down.
func TestAlertsMatch(t *testing.T) {
	for match, want := range map[string]string{
		`{severity="critical"}`:             `ALERTS{severity="critical",alertstate="firing"}`,
		`{severity="critical",}`:            `ALERTS{severity="critical",alertstate="firing"}`,
		"{severity=\"critical\"}\n":         `ALERTS{severity="critical",alertstate="firing"}`,
		"\n  {severity=\"critical\" , } \n": `ALERTS{severity="critical",alertstate="firing"}`,
		`{}`:                                `ALERTS{alertstate="firing"}`,
		`{a="}"}`:                           `ALERTS{a="}",alertstate="firing"}`,
		`{alertstate="pending"}`:            "",
		`X{a="b"}`:                          "",
		`sum(x)`:                            "",
		``:                                  "",
	} {
		c, err := CriterionSpec{Name: "alerts", Alerts: &AlertsSpec{Match: match}}.compile(Placeholders())
		switch {
		case want == "" && err == nil:
			t.Errorf("%q became %s", match, c.Query)
		case want != "" && err != nil:
			t.Errorf("%q: %v", match, err)
		case want != "" && strings.Count(strings.Join(strings.Fields(c.Query), ""), strings.ReplaceAll(want, " ", "")) != 2:
			t.Errorf("%q became %s", match, c.Query)
		}
	}
}

// A value that is written as a percentage is that number, and not the one beside it.
func TestPercentIsExact(t *testing.T) {
	for i := range 1000 {
		limit, err := ParseLimit(fmt.Sprintf("%d.%d%%", i/10, i%10))
		if err != nil || limit.Value != float64(i)/1000 {
			t.Errorf("%d.%d%%: %v, %v", i/10, i%10, limit.Value, err)
		}
	}
}

// What is printed of a limit can be read again, as the same number.
func TestUnitRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		unit := []Unit{None, Percent, Seconds, Bytes}[random.IntN(4)]
		value := math.Round(random.Float64()*1e4) / math.Pow(10, float64(random.IntN(5)))
		if unit == Bytes {
			value = float64(random.IntN(1 << 30))
		}
		text := unit.Exact(value)
		back, err := ParseLimit(strings.TrimSuffix(text, "B"))
		if err != nil || math.Abs(back.Value-value) > 1e-8 && math.Abs(back.Value-value) > 1e-9*math.Abs(value) || back.Unit != unit && !strings.HasSuffix(text, "B") {
			t.Fatalf("%v %s is printed as %s and read as %+v, %v", value, unit, text, back, err)
		}
	}
}

func TestPolicyDecide(t *testing.T) {
	result := func(v Verdict) Result { return Result{Verdict: v} }
	reported := Result{Verdict: Fail, ReportOnly: true}
	for name, tt := range map[string]struct {
		policy  Policy
		results []Result
		verdict Verdict
		action  Action
	}{
		"nothing asked":          {Policy{}, nil, Pass, ActionPass},
		"all pass":               {Policy{}, []Result{result(Pass), result(Pass)}, Pass, ActionPass},
		"fail is undone":         {Policy{}, []Result{result(Pass), result(Fail), result(Error)}, Fail, ActionUndo},
		"unknown stops":          {Policy{}, []Result{result(Pass), result(Inconclusive)}, Inconclusive, ActionStop},
		"error outranks unknown": {Policy{}, []Result{result(Inconclusive), result(Error)}, Error, ActionStop},
		"only reported":          {Policy{}, []Result{result(Pass), reported}, Pass, ActionPass},
		"fail may stop":          {Policy{Fail: ActionStop}, []Result{result(Fail), result(Inconclusive)}, Fail, ActionStop},
		"the stricter decides":   {Policy{Fail: ActionPass, Inconclusive: ActionUndo}, []Result{result(Fail), result(Inconclusive)}, Inconclusive, ActionUndo},
		"all may pass":           {Policy{ActionPass, ActionPass, ActionPass}, []Result{result(Error), result(Fail), result(Inconclusive)}, Fail, ActionPass},
		"no verdict is no pass":  {Policy{}, []Result{result("")}, "", ActionStop},
	} {
		verdict, action := tt.policy.Decide(tt.results)
		if verdict != tt.verdict || action != tt.action {
			t.Errorf("%s: got %s, %s, want %s, %s", name, verdict, action, tt.verdict, tt.action)
		}
		if len(tt.results) > 1 {
			slices.Reverse(tt.results)
			if again, _ := tt.policy.Decide(tt.results); again != verdict {
				t.Errorf("%s: in another order it is %s", name, again)
			}
		}
	}
}

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

func matcherFor(t *testing.T, pattern string) *labels.Matcher {
	t.Helper()
	m, err := labels.NewMatcher(labels.MatchRegexp, "le", pattern)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// history feeds a tracker looks, a second apart, and returns the counts of the group without labels.
func history(c Criterion, pods []Pod, looks ...Answer) *group {
	t := newTracker(c, 0, time.Second, 0)
	for i, a := range looks {
		tallies, err := c.Counts.tallies(a, c.Each, "pod")
		if err != nil {
			panic(err)
		}
		t.observe(time.Unix(int64(1e9+i), 0), tallies, pods)
	}
	g := t.groups[""]
	if g == nil {
		return &group{}
	}
	return g
}

// What the counters of pods add up to.
func TestTracker(t *testing.T) {
	ready := time.Unix(1e9-100, 0)
	a, b := Pod{Name: "a", Ready: ready}, Pod{Name: "b", Ready: ready}
	starting, reused, probed := Pod{Name: "a"}, Pod{Name: "a", Ready: ready, Reused: true}, Pod{Name: "a", Ready: ready, Probes: 10}
	late := Pod{Name: "a", Ready: time.Unix(1e9+1, 0)}
	young := Pod{Name: "a", Ready: time.Unix(1e9-1, 0), Reused: true}
	ratio := Criterion{Counts: &Counts{Bad: "b", Total: "t"}}
	slow := Criterion{Counts: &Counts{Histogram: "h", Over: 0.5}}
	native := Criterion{Counts: &Counts{Histogram: "h", Over: 0.5, Native: true}}
	old := Criterion{Counts: &Counts{Bad: "b", Total: "t"}, Scope: ScopeOld}
	for name, tt := range map[string]struct {
		c      Criterion
		pods   []Pod
		looks  []Answer
		want   string // bad of all
		looked int    // in how many looks there were bad events
	}{
		"all that a new pod has counted":   {ratio, []Pod{a}, []Answer{counted("a bad 3", "a total 10")}, "3 of 10", 1},
		"nothing is counted twice":         {ratio, []Pod{a}, []Answer{counted("a bad 3", "a total 10"), counted("a bad 3", "a total 10")}, "3 of 10", 1},
		"growth":                           {ratio, []Pod{a}, []Answer{counted("a total 10"), counted("a bad 1", "a total 20"), counted("a bad 2", "a total 30")}, "2 of 30", 2},
		"a restart":                        {ratio, []Pod{a}, []Answer{counted("a bad 3", "a total 10"), counted("a bad 1", "a total 4")}, "4 of 14", 2},
		"a restart without bad events":     {ratio, []Pod{a}, []Answer{counted("a bad 3", "a total 10"), counted("a total 4")}, "3 of 14", 1},
		"one of two containers restarts":   {ratio, []Pod{a}, []Answer{counted("a/x total 10", "a/y total 100", "a/y bad 5"), counted("a/x total 3", "a/y total 110", "a/y bad 5")}, "5 of 123", 1},
		"a counter that is born late":      {ratio, []Pod{a}, []Answer{vector(), counted("a total 10"), counted("a total 20", "a bad 7")}, "7 of 20", 1},
		"a counter that is away for once":  {ratio, []Pod{a}, []Answer{counted("a bad 1", "a total 10"), vector(), counted("a bad 2", "a total 30")}, "2 of 30", 2},
		"a pod that is gone":               {ratio, []Pod{a, b}, []Answer{counted("a bad 5", "a total 10", "b total 10"), counted("b total 20")}, "5 of 30", 1},
		"a pod of somebody else":           {ratio, []Pod{a}, []Answer{counted("x bad 5", "x total 10", "a total 3")}, "0 of 3", 0},
		"a pod that is not ready":          {ratio, []Pod{starting}, []Answer{counted("a bad 5", "a total 10")}, "0 of 0", 0},
		"a pod that becomes ready":         {ratio, []Pod{late}, []Answer{counted("a bad 5", "a total 10"), counted("a bad 6", "a total 20")}, "6 of 20", 1},
		"its probes":                       {ratio, []Pod{probed}, []Answer{counted("a bad 8", "a total 50")}, "0 of 42", 0},
		"more than its probes":             {ratio, []Pod{probed}, []Answer{counted("a bad 14", "a total 14")}, "4 of 4", 1},
		"probes are forgiven once":         {ratio, []Pod{probed}, []Answer{counted("a bad 8", "a total 50"), counted("a bad 14", "a total 60")}, "6 of 52", 1},
		"a name that was there before":     {ratio, []Pod{reused}, []Answer{counted("a bad 500", "a total 1000"), counted("a bad 501", "a total 1100")}, "1 of 100", 1},
		"the series of its predecessor":    {ratio, []Pod{young}, []Answer{counted("a bad 500", "a total 1000"), counted("a total 5"), counted("a total 9")}, "0 of 4", 0},
		"the past of old pods":             {old, []Pod{a}, []Answer{counted("a bad 500", "a total 1000"), counted("a bad 501", "a total 1100")}, "1 of 100", 1},
		"latency, from the first look on":  {slow, []Pod{a}, []Answer{counted("a good 1", "a total 10"), counted("a good 9", "a total 20")}, "2 of 10", 1},
		"native, a rounding is no restart": {native, []Pod{a}, []Answer{counted("a good 43", "a total 43"), counted("a good 43.99999999999999", "a total 64"), counted("a good 45", "a total 65")}, "20 of 22", 1},
		"native, coarser buckets":          {native, []Pod{a}, []Answer{counted("a good 40", "a total 40"), counted("a good 50", "a total 60"), counted("a good 61", "a total 70")}, "10 of 30", 1},
	} {
		g := history(tt.c, tt.pods, tt.looks...)
		looked := 0
		for _, n := range g.byLook {
			if n > 0 {
				looked++
			}
		}
		if got := fmt.Sprintf("%s of %s", plain(g.bad), plain(g.all)); got != tt.want || looked != tt.looked {
			t.Errorf("%s: got %s in %d looks, want %s in %d", name, got, looked, tt.want, tt.looked)
		}
	}
}

// The order of pods, containers and series makes no difference to what is counted.
func TestTrackerOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	c := Criterion{Counts: &Counts{Bad: "b", Total: "t"}, Each: []string{"path"}, Limit: Limit{Value: 0.01}}
	pods := []Pod{{Name: "a", Ready: time.Unix(1, 0)}, {Name: "b", Ready: time.Unix(1, 0)}}
	for range 300 {
		straight, shuffled := newTracker(c, 0, time.Second, 0), newTracker(c, 0, time.Second, 0)
		for look := range 4 {
			var a Answer
			for _, pod := range []string{"a/x:/one", "a/y:/one", "b/x:/two", "b/x:/one"} {
				total := random.IntN(200)
				a.Samples = append(a.Samples, counted(fmt.Sprintf("%s total %d", pod, total), fmt.Sprintf("%s bad %d", pod, random.IntN(total+1)/20)).Samples...)
			}
			at := time.Unix(int64(1e9+look), 0)
			for _, tracker := range []*tracker{straight, shuffled} {
				tallies, err := c.Counts.tallies(a, c.Each, "pod")
				if err != nil {
					t.Fatal(err)
				}
				tracker.observe(at, tallies, pods)
				random.Shuffle(len(a.Samples), func(i, j int) { a.Samples[i], a.Samples[j] = a.Samples[j], a.Samples[i] })
			}
			x, y := c.share(at, straight, 0.01, nil), c.share(at, shuffled, 0.01, nil)
			if x.State != y.State || x.Group != y.Group || x.Bad != y.Bad || x.Events != y.Events || x.Evidence != y.Evidence || x.Spread != y.Spread {
				t.Fatalf("%+v\nand in another order\n%+v", x, y)
			}
		}
	}
}

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
