package analysis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

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

func matcherFor(t *testing.T, pattern string) *labels.Matcher {
	t.Helper()
	m, err := labels.NewMatcher(labels.MatchRegexp, "le", pattern)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
